"""Playback over ARI: one sound after another with silence behind each, so that something plays at any time.

Silence follows each sound in the same playback; the next playback is queued before that silence is stopped. So the
media stream never pauses, and Asterisk reports keys as they come: while nothing plays, it extends short keys to 80 ms
and reports those that come meanwhile twice.

Events of a finished playback sometimes come late. Each playback has its own id, and events of others are ignored.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ivr.audio.formats import Sound
from ivr.call.ari import protocol
from ivr.call.ari.channel import Channel
from ivr.call.ari.protocol import Event
from ivr.errors import ConnectionLost, HungUp

STOP_TIMEOUT_S = 1.0
"""Seconds that Asterisk may take to stop a sound."""


class Player:
    """Plays on one channel. Every method that sends a request raises as `Channel.post`."""

    def __init__(self, channel: Channel, silence: Sound) -> None:
        self.current: PlaybackWaiter | None = None
        """The playback that is waited for."""
        self._channel = channel
        self._silence_media_uri = _media_uri(silence.path)
        self._playback_count = 0
        self._silence_playback_id = ""
        """The playback whose silence is playing."""
        self._stopping: PlaybackWaiter | None = None
        """A playback that a key has ended, until Asterisk has stopped it."""

    async def play(self, path: Path, keys: str, start_ms: int, timeout_s: float) -> PlaybackWaiter:
        """Play from `start_ms` until a key of `keys`, the end, or `cancel_waits`.

        A key counts also before the sound has begun. Raises `TimeoutError` after `timeout_s` seconds.
        """
        waiter = PlaybackWaiter(keys, self._next_playback_id(), _media_uri(path))
        self.current = waiter
        try:
            async with asyncio.timeout(timeout_s):
                await self._start(waiter, start_ms)
                await waiter.finished
        finally:
            self.current = None
        if waiter.key:
            self._stopping = waiter
            await self._stop(waiter)
        else:
            self._silence_playback_id = waiter.playback_id
        return waiter

    async def play_silence(self) -> None:
        """Play silence until something else is played."""
        self._silence_playback_id = self._next_playback_id()
        await self._channel.play(self._silence_playback_id, self._silence_media_uri)

    async def stop_silence(self) -> None:
        """Stop the silence before a request that a playback would delay."""
        if self._silence_playback_id:
            before, self._silence_playback_id = self._silence_playback_id, ""
            await self._channel.stop_playback(before)

    def on_playback_event(self, event: Event) -> None:
        """Handle an event of a playback of this channel."""
        playback, kind = protocol.get_text(event, "playback", "id"), protocol.get_text(event, "type")
        for waiter in (self.current, self._stopping):
            if waiter and playback == waiter.playback_id:
                waiter.on_event(kind, protocol.timestamp_ms(event))
                return
        if playback == self._silence_playback_id and kind == "PlaybackFinished":
            self._silence_playback_id = ""

    def cancel_waits(self) -> None:
        """End all waits: the events will not come."""
        if self.current:
            self.current.mark_finished(None)
        if self._stopping:
            self._stopping.mark_stopped(None)

    async def _start(self, waiter: PlaybackWaiter, start_ms: int) -> None:
        media = f"{waiter.media_uri},{self._silence_media_uri}"
        before, self._silence_playback_id = self._silence_playback_id, ""
        try:
            await self._channel.play(waiter.playback_id, media, start_ms, at_most_once=True)
        except ConnectionLost:
            # The playback may have begun: find out on the next connection.
            if not await self._channel.get_playing_media_uri(waiter.playback_id):
                await self._channel.play(waiter.playback_id, media, start_ms)
        if before:
            await self._channel.stop_playback(before)

    async def _stop(self, waiter: PlaybackWaiter) -> None:
        """Replace a sound by silence. Its position is that at which Asterisk stopped it: a little behind the key."""
        with suppress(HungUp, TimeoutError):
            await self.play_silence()
            await self._channel.stop_playback(waiter.playback_id)
            if waiter.started_ms is not None:
                async with asyncio.timeout(STOP_TIMEOUT_S):
                    await waiter.stopped
        self._stopping = None

    def _next_playback_id(self) -> str:
        self._playback_count += 1
        return self._channel.playback_id(self._playback_count)


def _media_uri(path: Path) -> str:
    """Return the media URI of a file. A comma in its name would make two of it."""
    return f"sound:{path.with_suffix('')}"


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
