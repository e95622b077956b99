"""Samples and formats: what lies in a recording, whoever owns it."""
