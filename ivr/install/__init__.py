"""Installation on a Debian machine: users, folders, settings, samples for Asterisk, the systemd unit."""
