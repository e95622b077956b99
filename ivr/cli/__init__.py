"""The `ivr` command: the administrator's interface to an installation."""

from __future__ import annotations


def main() -> None:
    """Run the command. The subcommands are imported here, so that `import ivr.cli` is fast."""
    from ivr.cli.command import command

    command()
