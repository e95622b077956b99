"""Voicemail for mailbox owners on Asterisk."""

__version__ = "0.1.0"
