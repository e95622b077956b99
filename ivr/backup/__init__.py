"""Backups: what belongs to one, taking it while the service runs, verifying it, and restoring it elsewhere."""
