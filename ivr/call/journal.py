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
class JournalEntry:
    """One thing that happened, `at_ms` after the call began."""

    at_ms: int
    event: str
    details: dict[str, object] = field(default_factory=dict)


class Journal:
    """The steps of one call. `monotonic` gives seconds; a call of a million steps stops being noted at `limit`."""

    def __init__(self, monotonic: Callable[[], float], max_entries: int = 5000) -> None:
        self._monotonic = monotonic
        self._started_at = monotonic()
        self._max_entries = max_entries
        self._mask_enabled = False
        self.entries: list[JournalEntry] = []

    def note(self, event: str, **details: object) -> None:
        """Something happened; `details` are plain values (numbers, strings, booleans)."""
        if len(self.entries) < self._max_entries:
            self.entries.append(JournalEntry(round((self._monotonic() - self._started_at) * 1000), event, details))

    def note_playback(self, text: str, position_ms: int) -> None:
        """A sound begins to play at `position_ms`."""
        self.note("heard", text=text, **({"from_ms": position_ms} if position_ms else {}))

    def note_key(self, key: str) -> None:
        """A key was taken."""
        self.note("key", key=MASK if self._mask_enabled else key)

    def retract_key(self) -> None:
        """The key noted last was given back to the next prompt: it will be noted there."""
        if self.entries and self.entries[-1].event == "key":
            self.entries.pop()

    @contextmanager
    def mask_keys(self, enabled: bool) -> Iterator[None]:
        """While inside, keys are noted as "•" if `secret`."""
        before, self._mask_enabled = self._mask_enabled, enabled
        try:
            yield
        finally:
            self._mask_enabled = before
