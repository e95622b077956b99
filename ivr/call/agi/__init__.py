"""Classic AGI: Asterisk starts a process for each call and exchanges lines over its standard input and output."""
