"""Imports: users, mailboxes, greetings and messages of other voicemail systems."""
