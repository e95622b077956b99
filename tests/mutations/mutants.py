"""What a break is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mutant:
    """`old` stands exactly once in `file`."""

    checklist_id: str
    file: str
    old: str
    new: str
