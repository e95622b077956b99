"""One phone call: the interface that menus use, and the transports that implement it."""
