"""Benchmarks against app_voicemail on the same Asterisk: `make bench`. Results: docs/dev/performance.md."""
