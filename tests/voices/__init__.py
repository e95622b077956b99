"""A comparison of the synthesisers that Debian has, by which the voice of the prompts was chosen.

`python -m tests.voices` speaks whole prompts with every voice, brings them into the telephone's band as the builder of
the recordings does, has them recognised, and prints a table. It takes minutes and is no part of the tests.
docs/dev/decisions/0001-prompt-voice.md has what came of it.
"""
