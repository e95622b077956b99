"""The crash harness: `python -m tests.faults`. Service or Asterisk is killed in the middle of what people do."""
