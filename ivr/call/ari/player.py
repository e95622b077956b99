"""What a caller hears over ARI: one sound after another, and silence behind each, so that something plays at any time.

Silence follows each sound in the same playback; the next one is put in line before that silence is ended. The line
stays open, phones keep their rhythm, and Asterisk takes keys as they come: while nothing plays, it draws short ones out
to 80 ms and tells of those that come meanwhile twice.

Events of a playback that is over come late now and then; each playback has an id of its own, and those of others are
dropped.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

from ivr.audio.sound import Sound
from ivr.call.ari import protocol
from ivr.call.ari.channel import Channel
from ivr.call.ari.playback_wait import PlaybackWaiter
from ivr.call.ari.protocol import Event
from ivr.errors import ConnectionLost, HungUp

STOP_TIMEOUT_S = 1.0
"""How long Asterisk may take to end a sound."""


class Player:
    """Plays on one channel. Every method that asks something of it raises as `Channel.post`."""

    def __init__(self, channel: Channel, silence: Sound) -> None:
        self.current: PlaybackWaiter | None = None
        """What is played, and heard."""
        self._channel = channel
        self._silence_media_uri = _media_uri(silence.path)
        self._playback_count = 0
        self._silence_playback_id = ""
        """The playback whose silence is heard now."""
        self._stopping: PlaybackWaiter | None = None
        """What a key has ended, until Asterisk says so."""

    async def play(self, path: Path, keys: str, start_ms: int, timeout_s: float) -> PlaybackWaiter:
        """Play from `start_ms` until a key of `keys`, the end, or `wake`; a key counts before it has begun.

        Raises TimeoutError.
        """
        waiting = PlaybackWaiter(keys, self._next_playback_id(), _media_uri(path))
        self.current = waiting
        try:
            async with asyncio.timeout(timeout_s):
                await self._start(waiting, start_ms)
                await waiting.finished
        finally:
            self.current = None
        if waiting.key:
            self._stopping = waiting
            await self._stop(waiting)
        else:
            self._silence_playback_id = waiting.playback_id
        return waiting

    async def play_silence(self) -> None:
        """Until something else follows."""
        self._silence_playback_id = self._next_playback_id()
        await self._channel.play(self._silence_playback_id, self._silence_media_uri)

    async def stop_silence(self) -> None:
        """End the silence, before what nothing may hold back."""
        if self._silence_playback_id:
            before, self._silence_playback_id = self._silence_playback_id, ""
            await self._channel.stop_playback(before)

    def on_playback_event(self, event: Event) -> None:
        """An event of a playback of this channel."""
        playback, kind = protocol.get_text(event, "playback", "id"), protocol.get_text(event, "type")
        for waiting in (self.current, self._stopping):
            if waiting and playback == waiting.playback_id:
                waiting.on_event(kind, protocol.timestamp_ms(event))
                return
        if playback == self._silence_playback_id and kind == "PlaybackFinished":
            self._silence_playback_id = ""

    def cancel_waits(self) -> None:
        """What is waited for will not come."""
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
            # It may have begun. Asterisk is asked as soon as it can be.
            if not await self._channel.get_playing_media_uri(waiter.playback_id):
                await self._channel.play(waiter.playback_id, media, start_ms)
        if before:
            await self._channel.stop_playback(before)

    async def _stop(self, waiter: PlaybackWaiter) -> None:
        """Silence instead of a sound, which stood where it was when Asterisk ended it: a little behind the key."""
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
    """As ARI names a file; one with a comma in its name would be two."""
    return f"sound:{path.with_suffix('')}"
