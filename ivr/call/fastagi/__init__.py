"""FastAGI: Asterisk opens one TCP connection per call and takes commands line by line."""
