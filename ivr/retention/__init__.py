"""Ageing, purging and consistency: what is hidden, what is removed, and when."""
