"""Fuzzing of every parser of what others send (`make fuzz`)."""
