"""The terminal phone: connects to the running service as Asterisk does, and shows, plays and records the call."""
