"""What was said in a message, as text: a port, and the engines behind it, each in a process of its own."""
