"""FastAGI: Asterisk connects to us, one TCP connection a call, and takes commands line by line."""
