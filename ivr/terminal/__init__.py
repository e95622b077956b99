"""The terminal phone: dials the running service as Asterisk would, and shows, plays and records what Asterisk would."""
