"""What a check has found: one line, and where something is wrong, what to do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    OK = "ok"
    WARNING = "warning"
    """Works, but not as it should, or could not be looked at."""
    PROBLEM = "problem"
    """Somebody's call will not go as it should."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check says of one thing."""

    check: str
    level: Level
    what: str
    remedy: str = ""


def ok(check: str, what: str) -> Finding:
    return Finding(check, Level.OK, what)


def warning(check: str, what: str, remedy: str) -> Finding:
    return Finding(check, Level.WARNING, what, remedy)


def problem(check: str, what: str, remedy: str) -> Finding:
    return Finding(check, Level.PROBLEM, what, remedy)
