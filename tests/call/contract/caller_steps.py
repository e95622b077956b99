"""What the caller of a contract row does, in words that a scripted call, a peer and a SIP phone all understand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

DURING_WORK = "(work)"
"""Instead of a sound: while the service works."""


@dataclass(frozen=True, slots=True)
class CallerPress:
    """Presses `keys` in one go, `at` this part of the sound `during` (0.5: its middle), or `ms` into the silence that
    follows."""

    keys: str
    during: str | None = None
    position: float = 0.5
    delay_ms: int = 100


@dataclass(frozen=True, slots=True)
class CallerHangUp:
    """Hangs up, at such a moment."""

    during: str | None = None
    position: float = 0.5
    delay_ms: int = 100


@dataclass(frozen=True, slots=True)
class CallerSpeak:
    """Talks into the recording that follows for `ms`; then presses a key, falls silent, hangs up, or talks on."""

    length_ms: int
    ended_by: Literal["key", "silence", "hang-up", "on"] = "key"


CallerStep = CallerPress | CallerHangUp | CallerSpeak
