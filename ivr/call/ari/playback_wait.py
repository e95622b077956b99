"""Waiting for the end of a sound or a key, and recognising keys that Asterisk reports twice."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from ivr.call.ari import protocol
from ivr.call.ari.protocol import Event

EARLY_END_TOLERANCE_MS = 300
"""A sound that ends this many milliseconds too early, or before its half, was not played to its end."""


MIN_KEY_GAP_MS = 40
"""Minimum gap in milliseconds between two presses of a key, even by a machine."""


@dataclass(slots=True)
class PlaybackWaiter:
    """Waits for a key of `keys`, or for the end of the first sound of a playback, which is followed by silence."""

    keys: str
    playback_id: str
    media_uri: str
    started_ms: float | None = None
    """Milliseconds by Asterisk's clock."""
    ended_ms: float | None = None
    key: str | None = None
    finished: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    stopped: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    """Done when Asterisk has stopped a playback that a key has ended."""
    end_event_missed: bool = False

    def on_event(self, event_type: str, at_ms: float | None) -> None:
        """Handle an event of this playback."""
        if event_type != "PlaybackStarted":
            self.mark_finished(at_ms)
            self.mark_stopped(at_ms)
        elif self.started_ms is None:  # The second start is that of the silence.
            self.started_ms = at_ms

    def mark_finished(self, at_ms: float | None) -> None:
        if not self.finished.done():
            self.ended_ms = at_ms
            self.finished.set_result(None)

    def finish_by_key(self, press: KeyPress) -> None:
        """End the wait by a key."""
        self.key = press.key
        self.mark_finished(press.at_ms)

    def mark_stopped(self, at_ms: float | None) -> None:
        if self.key and not self.stopped.done():
            self.ended_ms = at_ms or self.ended_ms
            self.stopped.set_result(None)

    @property
    def elapsed_ms(self) -> int:
        """Milliseconds from the start of the playback to the end of the wait; 0 if nothing was played."""
        if self.started_ms is None or self.ended_ms is None:
            return 0
        return max(0, round(self.ended_ms - self.started_ms))

    def ended_too_early(self, length_ms: int) -> bool:
        """Return whether a sound of `length_ms` cannot have been played completely."""
        return not self.end_event_missed and self.elapsed_ms < max(length_ms / 2, length_ms - EARLY_END_TOLERANCE_MS)


@dataclass(frozen=True, slots=True)
class KeyPress:
    """A key that was released `at_ms` by Asterisk's clock, after being held for `held_ms`."""

    key: str
    at_ms: float | None
    held_ms: int

    @classmethod
    def from_event(cls, event: Event) -> KeyPress | None:
        key, held = protocol.get_text(event, "digit"), event.get("duration_ms")
        return cls(key, protocol.timestamp_ms(event), held if isinstance(held, int) else 0) if len(key) == 1 else None

    def is_repeat_of(self, last: KeyPress) -> bool:
        """Return whether Asterisk reports the press `last` again: there was no time for another one."""
        if (self.key, self.held_ms) != (last.key, last.held_ms) or self.at_ms is None or last.at_ms is None:
            return False
        return self.at_ms - last.at_ms < self.held_ms + MIN_KEY_GAP_MS
