"""The program `ivr-agi`, which Asterisk starts for a call: AGI(ivr-agi,check,...) or AGI(ivr-agi,leave,...)."""

from __future__ import annotations

import signal
import sys


def main() -> None:
    """The entry point. The caller waits from here on, so nothing is imported that a call has no need of."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # Asterisk's word for a hang-up; pyst2 minds it from its start on.
    sys.modules.setdefault("rich", None)  # type: ignore[arg-type]  # structlog takes it where it can get it.
    from ivr.service.agi_process import run

    sys.exit(run(sys.argv[1:]))
