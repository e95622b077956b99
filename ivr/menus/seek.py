"""Where to go on in a message: arithmetic on milliseconds, nothing else (design, idea 3)."""

from __future__ import annotations


def rewind(position_ms: int, step_ms: int) -> int:
    """`step_ms` earlier; before the start means the start."""
    return max(0, position_ms - step_ms)


def fast_forward(position_ms: int, step_ms: int, length_ms: int) -> int:
    """`step_ms` later; past the end means the end."""
    return min(length_ms, position_ms + step_ms)
