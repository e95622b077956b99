"""Databases of other voicemail systems, which imports read: every SQL statement for them."""
