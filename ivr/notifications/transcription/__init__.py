"""Transcription of messages. Each speech recognition engine runs in a process of its own."""
