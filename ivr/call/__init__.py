"""The edge to one phone call: the port that menus speak to, and the transports behind it."""
