"""Classic AGI: Asterisk starts a process for each call and speaks with it over its standard input and output."""
