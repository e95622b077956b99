"""The page for owners: HTML and a little JavaScript, on the services of the REST API."""
