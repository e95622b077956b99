"""The `ivr` command."""

from __future__ import annotations


def main() -> None:
    """The entry point; imports the commands only now, so that `import ivr.cli` costs nothing."""
    from ivr.cli.command import command

    command()
