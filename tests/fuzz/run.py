"""Running one input through a parser."""

from __future__ import annotations

import time
import traceback

from tests.fuzz.targets import EXPECTED_ERRORS, FuzzTarget

MAX_CPU_MS = 50.0
REPETITIONS = 3
"""An input that seems slow is run again: the least time counts, as the machine may have been busy."""


def describe_crash(target: FuzzTarget, data: bytes) -> str | None:
    """Return the error if the parser raises another one than it may."""
    try:
        target.run(data)
    except EXPECTED_ERRORS:
        return None
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__} in {where.filename}:{where.lineno}: {error}"[:300]
    return None


def cpu_ms(target: FuzzTarget, data: bytes) -> float:
    """Return the milliseconds of processor time that an input takes; at most that of `REPETITIONS` runs."""
    least = float("inf")
    for _ in range(REPETITIONS):
        began = time.process_time()
        describe_crash(target, data)
        least = min(least, (time.process_time() - began) * 1000)
        if least <= MAX_CPU_MS:
            break
    return least
