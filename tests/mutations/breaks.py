"""What a break is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Break:
    """`old` stands exactly once in `file`."""

    row: str
    file: str
    old: str
    new: str
