"""REST API: authentication, request parsing, responses and error mapping."""
