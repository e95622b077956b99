"""The commands of `ivr` for tests that run them in their own process."""

from __future__ import annotations

from ivr.cli.command import build_command

command = build_command()
"""All of them: a module of its own, so that they are built once for all tests of a process."""
