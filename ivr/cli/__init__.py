"""The `ivr` command: the administrator's interface to an installation."""

from __future__ import annotations


def main() -> None:
    """Run the command. What it needs is imported here, so that `import ivr.cli` is fast."""
    import gc
    import sys

    # What is imported stays until the end. Looking for garbage in it, also at the exit, took a fifth of most commands.
    gc.disable()
    from ivr.cli.command import build_command

    command = build_command(sys.argv[1] if len(sys.argv) > 1 else None)
    gc.freeze()
    gc.enable()
    command()
