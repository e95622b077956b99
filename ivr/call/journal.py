"""The journal of one call: sounds played, keys taken, changes made.

Its entries are stored in the `calls` table when the call ends; `ivr calls show` prints them. Digits of a PIN are never
recorded: while an entry is secret, a key is noted as "•".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

MASK = "•"


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One event, `at_ms` milliseconds after the call began."""

    at_ms: int
    event: str
    details: dict[str, object] = field(default_factory=dict)


class Journal:
    """The entries of one call. `monotonic` returns seconds. Beyond `max_entries`, nothing is added."""

    def __init__(self, monotonic: Callable[[], float], max_entries: int = 5000) -> None:
        self._monotonic = monotonic
        self._started_at = monotonic()
        self._max_entries = max_entries
        self._mask_enabled = False
        self.entries: list[JournalEntry] = []

    def note(self, event: str, **details: object) -> None:
        """Add an entry; `details` are plain values (numbers, strings, booleans)."""
        if len(self.entries) < self._max_entries:
            self.entries.append(JournalEntry(round((self._monotonic() - self._started_at) * 1000), event, details))

    def note_playback(self, text: str, position_ms: int) -> None:
        """Note that a sound starts to play at `position_ms`."""
        self.note("heard", text=text, **({"from_ms": position_ms} if position_ms else {}))

    def note_key(self, key: str) -> None:
        """Note a key that a prompt or an entry has taken."""
        self.note("key", key=MASK if self._mask_enabled else key)

    def retract_key(self) -> None:
        """Remove the last key: it was pushed back for the next prompt, where it will be noted again."""
        if self.entries and self.entries[-1].event == "key":
            self.entries.pop()

    @contextmanager
    def mask_keys(self, enabled: bool) -> Iterator[None]:
        """Note keys as "•" within the context if `enabled`."""
        before, self._mask_enabled = self._mask_enabled, enabled
        try:
            yield
        finally:
            self._mask_enabled = before
