"""Audio samples, formats and conversion."""
