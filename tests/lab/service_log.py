"""What the log of a lab's service tells about a failure."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

_STALL = re.compile(r"^(\S+) .*\bservice\.late\b.* ms=(\d+)", re.MULTILINE)
NOTICED_WITHIN_S = 1.0
"""A stall is logged when it is over."""


def find_stalls(log: Path, begin: float, end: float) -> list[int]:
    """Return how long the service stood still, in ms, for each stall between two times (s since the epoch)."""
    text = log.read_text(errors="replace") if log.exists() else ""
    found = [(datetime.fromisoformat(at).timestamp(), int(ms)) for at, ms in _STALL.findall(text)]
    return [ms for at, ms in found if begin <= at <= end + NOTICED_WITHIN_S]
