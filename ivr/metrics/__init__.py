"""Counts for Prometheus. Knows nothing of what it counts."""
