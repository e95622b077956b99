"""What happened in one call, step by step: what was heard, which keys were taken, what changed.

The steps go into the `calls` table when the call ends, and are what `ivr calls show` reads back. Digits of a PIN never
get in: while an entry is secret, a key is noted as "•".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

MASK = "•"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened, `at_ms` after the call began."""

    at_ms: int
    what: str
    details: dict[str, object] = field(default_factory=dict)


class Journal:
    """The steps of one call. `monotonic` gives seconds; a call of a million steps stops being noted at `limit`."""

    def __init__(self, monotonic: Callable[[], float], limit: int = 5000) -> None:
        self._monotonic = monotonic
        self._began = monotonic()
        self._limit = limit
        self._masked = False
        self.steps: list[Step] = []

    def note(self, what: str, **details: object) -> None:
        """Something happened; `details` are plain values (numbers, strings, booleans)."""
        if len(self.steps) < self._limit:
            self.steps.append(Step(round((self._monotonic() - self._began) * 1000), what, details))

    def playing(self, text: str, position_ms: int) -> None:
        """A sound begins to play at `position_ms`."""
        self.note("heard", text=text, **({"from_ms": position_ms} if position_ms else {}))

    def key(self, key: str) -> None:
        """A key was taken."""
        self.note("key", key=MASK if self._masked else key)

    def unread(self) -> None:
        """The key noted last was given back to the next prompt: it will be noted there."""
        if self.steps and self.steps[-1].what == "key":
            self.steps.pop()

    @contextmanager
    def masked(self, secret: bool) -> Iterator[None]:
        """While inside, keys are noted as "•" if `secret`."""
        before, self._masked = self._masked, secret
        try:
            yield
        finally:
            self._masked = before
