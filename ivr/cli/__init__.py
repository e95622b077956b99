"""The `ivr` command: the administrator's interface to an installation."""

from __future__ import annotations


def main() -> None:
    """Run the command. What it needs is imported here, so that `import ivr.cli` is fast."""
    import sys

    from ivr.service.garbage_collection import exempt_imports

    with exempt_imports():
        from ivr.cli.command import build_command

        command = build_command(sys.argv[1] if len(sys.argv) > 1 else None)
    command()
