"""Mail: who gets one, what is in it, and how it goes to the server."""
