"""Metrics in Prometheus format. Imports nothing of what is measured."""
