"""Mail notifications: recipients, content, and delivery to the mail server."""
