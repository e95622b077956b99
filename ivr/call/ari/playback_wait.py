"""What a call waits for: the end of a sound, or a key. And what tells one press of a key from a repetition."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from ivr.call.ari import protocol
from ivr.call.ari.protocol import Event

EARLY_END_TOLERANCE_MS = 300
"""A sound that ends so much too early, or before its half, has not been played to its end."""


MIN_KEY_GAP_MS = 40
"""Between two presses of a key, even by a machine."""


@dataclass(slots=True)
class PlaybackWaiter:
    """For a key of `keys`, or the end of the first sound of a playback, which silence follows."""

    keys: str
    playback_id: str
    media_uri: str
    started_ms: float | None = None
    """By Asterisk's clock."""
    ended_ms: float | None = None
    key: str | None = None
    finished: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    stopped: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    """What a key has ended, Asterisk has ended."""
    end_event_missed: bool = False

    def on_event(self, event_type: str, at_ms: float | None) -> None:
        """An event of this playback."""
        if event_type != "PlaybackStarted":
            self.mark_finished(at_ms)
            self.mark_stopped(at_ms)
        elif self.started_ms is None:  # It starts again with the silence.
            self.started_ms = at_ms

    def mark_finished(self, at_ms: float | None) -> None:
        if not self.finished.done():
            self.ended_ms = at_ms
            self.finished.set_result(None)

    def finish_by_key(self, press: KeyPress) -> None:
        """A key came that counts."""
        self.key = press.key
        self.mark_finished(press.at_ms)

    def mark_stopped(self, at_ms: float | None) -> None:
        if self.key and not self.stopped.done():
            self.ended_ms = at_ms or self.ended_ms
            self.stopped.set_result(None)

    @property
    def elapsed_ms(self) -> int:
        """From the start of the playback to the end of the waiting; 0 where nothing was heard."""
        if self.started_ms is None or self.ended_ms is None:
            return 0
        return max(0, round(self.ended_ms - self.started_ms))

    def ended_too_early(self, length_ms: int) -> bool:
        """Whether so much of a sound cannot have been heard by now."""
        return not self.end_event_missed and self.elapsed_ms < max(length_ms / 2, length_ms - EARLY_END_TOLERANCE_MS)


@dataclass(frozen=True, slots=True)
class KeyPress:
    """A key that was let go `at_ms` by Asterisk's clock, after `held_ms`."""

    key: str
    at_ms: float | None
    held_ms: int

    @classmethod
    def from_event(cls, event: Event) -> KeyPress | None:
        key, held = protocol.get_text(event, "digit"), event.get("duration_ms")
        return cls(key, protocol.timestamp_ms(event), held if isinstance(held, int) else 0) if len(key) == 1 else None

    def is_repeat_of(self, last: KeyPress) -> bool:
        """Whether Asterisk only tells of the same press again: there was no time for another one."""
        if (self.key, self.held_ms) != (last.key, last.held_ms) or self.at_ms is None or last.at_ms is None:
            return False
        return self.at_ms - last.at_ms < self.held_ms + MIN_KEY_GAP_MS
