"""A real Asterisk 22 and a real service, side by side on this machine, as two users of which neither is root."""
