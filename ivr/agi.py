"""Entry point of `ivr-agi`, which Asterisk starts for each call: AGI(ivr-agi,check,...) or AGI(ivr-agi,leave,...)."""

from __future__ import annotations

import signal
import sys


def main() -> None:
    """Serve the call on standard input and output. The caller waits, so only what a call needs is imported."""
    signal.signal(
        signal.SIGHUP, signal.SIG_IGN
    )  # Asterisk sends it at a hang-up; pyst2 handles it once it has started.
    sys.modules.setdefault("rich", None)  # type: ignore[arg-type]  # structlog imports it if it is installed.
    from ivr.service.garbage_collection import exempt_imports

    with exempt_imports():
        from ivr.service.agi_process import run

    sys.exit(run(sys.argv[1:]))
