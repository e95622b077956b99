"""The journal of one call: sounds played, keys taken, changes made.

Its entries are stored in the `calls` table when the call ends; `ivr calls show` prints them. Digits of a PIN are never
recorded: while an entry is secret, a key is noted as "•". People also type their PIN where none is asked for, so a run
of digits that is as long as a PIN is noted as "•" too, whatever the menus did with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

MASK = "•"
SHORTEST_MASKED_RUN = 4
"""Digits. No PIN is shorter."""
MAX_PAUSE_IN_RUN_S = 3.0
"""Two digits with a longer pause between them belong to two runs, unless they belong to one entry."""


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
        self._in_entry = False
        self._run_length = 0
        """Digits of the current run, forgotten ones included."""
        self._unmasked_run: list[int] = []
        """Indices in `entries` of the digits of the current run that are not masked yet."""
        self._last_key_at = 0.0
        self.entries: list[JournalEntry] = []

    def note(self, event: str, **details: object) -> None:
        """Add an entry; `details` are plain values (numbers, strings, booleans)."""
        if len(self.entries) < self._max_entries:
            self.entries.append(JournalEntry(round((self._monotonic() - self._started_at) * 1000), event, details))

    def note_playback(self, text: str, position_ms: int) -> None:
        """Note that a sound starts to play at `position_ms`."""
        self.note("heard", text=text, **({"from_ms": position_ms} if position_ms else {}))

    def note_key(self, key: str, *, typed_ahead: bool = False) -> None:
        """Note a key that a prompt or an entry has taken.

        `typed_ahead`: it was pressed before, so the time at which it is taken says nothing about a pause.
        """
        is_after_pause = self._monotonic() - self._last_key_at > MAX_PAUSE_IN_RUN_S
        is_after_pause = is_after_pause and not (typed_ahead or self._in_entry)
        self._last_key_at = self._monotonic()
        if self._mask_enabled or is_after_pause or not key.isdigit():
            self._run_length = 0
            self._unmasked_run.clear()
        index = len(self.entries)
        self.note("key", key=MASK if self._mask_enabled else key)
        if key.isdigit() and not self._mask_enabled:
            if index < len(self.entries):
                self._unmasked_run.append(index)
            self._extend_run(1)

    def note_stall(self, stall_ms: int) -> None:
        """Note that the service did not run for `stall_ms`. A key that was pressed meanwhile may be lost."""
        self.note("service late", ms=stall_ms)

    def note_forgotten_keys(self, count: int) -> None:
        """Note that keys which were typed ahead are dropped. They may be the rest of a run."""
        self.note("keys forgotten", count=count)
        self._extend_run(count)

    def retract_key(self) -> None:
        """Remove the last key: it was pushed back for the next prompt, where it will be noted again."""
        if self.entries and self.entries[-1].event == "key":
            self.entries.pop()
            self._run_length = max(0, self._run_length - 1)
            if self._unmasked_run and self._unmasked_run[-1] == len(self.entries):
                self._unmasked_run.pop()

    def _extend_run(self, count: int) -> None:
        """Add digits to the current run, and mask it if it may be a PIN."""
        self._run_length += count
        if self._run_length >= SHORTEST_MASKED_RUN:
            for index in self._unmasked_run:
                entry = self.entries[index]
                self.entries[index] = replace(entry, details={**entry.details, "key": MASK})
            self._unmasked_run.clear()

    @contextmanager
    def one_entry(self) -> Iterator[None]:
        """Context in which all digits belong to one run, however long the pauses that a setting allows."""
        self._in_entry = True
        try:
            yield
        finally:
            self._in_entry = False

    @contextmanager
    def mask_keys(self, enabled: bool) -> Iterator[None]:
        """Note keys as "•" within the context if `enabled`."""
        before, self._mask_enabled = self._mask_enabled, enabled
        try:
            yield
        finally:
            self._mask_enabled = before
