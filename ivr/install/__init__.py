"""Where an installation lies on a Debian machine, and how it gets there."""
