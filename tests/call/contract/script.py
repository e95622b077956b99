"""What the caller of a contract row does, in words that a scripted call, a peer and a SIP phone all understand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

WORK = "(work)"
"""Instead of a sound: while the service works."""


@dataclass(frozen=True, slots=True)
class Presses:
    """Presses `keys` in one go, `at` this part of the sound `during` (0.5: its middle), or `ms` into the silence that
    follows."""

    keys: str
    during: str | None = None
    at: float = 0.5
    ms: int = 100


@dataclass(frozen=True, slots=True)
class HangsUp:
    """Hangs up, at such a moment."""

    during: str | None = None
    at: float = 0.5
    ms: int = 100


@dataclass(frozen=True, slots=True)
class Speaks:
    """Talks into the recording that follows for `ms`; then presses a key, falls silent, hangs up, or talks on."""

    ms: int
    then: Literal["key", "silence", "hang-up", "on"] = "key"


Step = Presses | HangsUp | Speaks
