"""Measurements, ours and app_voicemail's side by side on one Asterisk: `make bench`, results in docs/dev/performance.md."""
