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
from ivr.call.ari.protocol import Event
from ivr.call.ari.waiting import Waiting
from ivr.errors import LineLost

CUT_WITHIN_S = 1.0
"""How long Asterisk may take to end a sound."""


class Player:
    """Plays on one channel. Every method that asks something of it raises as `Channel.post`."""

    def __init__(self, channel: Channel, silence: Sound) -> None:
        self.waiting: Waiting | None = None
        """What is played, and heard."""
        self._channel = channel
        self._silence = _media(silence.path)
        self._count = 0
        self._tail = ""
        """The playback whose silence is heard now."""
        self._cutting: Waiting | None = None
        """What a key has ended, until Asterisk says so."""

    async def play(self, path: Path, keys: str, start_ms: int, within_s: float) -> Waiting:
        """Play from `start_ms` until a key of `keys`, the end, or `wake`; a key counts before it has begun.

        Raises TimeoutError.
        """
        waiting = Waiting(keys, self._next(), _media(path))
        self.waiting = waiting
        try:
            async with asyncio.timeout(within_s):
                await self._begin(waiting, start_ms)
                await waiting.over
        finally:
            self.waiting = None
        if waiting.key:
            self._cutting = waiting
            await self._cut(waiting)
        else:
            self._tail = waiting.playback
        return waiting

    async def play_silence(self) -> None:
        """Until something else follows."""
        self._tail = self._next()
        await self._channel.play(self._tail, self._silence)

    async def stop(self) -> None:
        """End the silence, before what nothing may hold back."""
        if self._tail:
            before, self._tail = self._tail, ""
            await self._channel.stop_playback(before)

    def hear(self, event: Event) -> None:
        """An event of a playback of this channel."""
        playback, kind = protocol.text(event, "playback", "id"), protocol.text(event, "type")
        for waiting in (self.waiting, self._cutting):
            if waiting and playback == waiting.playback:
                waiting.hear(kind, protocol.moment_ms(event))
                return
        if playback == self._tail and kind == "PlaybackFinished":
            self._tail = ""

    def wake(self) -> None:
        """What is waited for will not come."""
        if self.waiting:
            self.waiting.is_over(None)
        if self._cutting:
            self._cutting.is_cut(None)

    async def _begin(self, waiting: Waiting, start_ms: int) -> None:
        media = f"{waiting.media},{self._silence}"
        before, self._tail = self._tail, ""
        try:
            await self._channel.play(waiting.playback, media, start_ms, once=True)
        except LineLost:
            # It may have begun. Asterisk is asked as soon as it can be.
            if not await self._channel.playing(waiting.playback):
                await self._channel.play(waiting.playback, media, start_ms)
        if before:
            await self._channel.stop_playback(before)

    async def _cut(self, waiting: Waiting) -> None:
        """Silence instead of a sound, which stood where it was when Asterisk ended it: a little behind the key."""
        await self.play_silence()
        await self._channel.stop_playback(waiting.playback)
        if waiting.started_ms is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(CUT_WITHIN_S):
                    await waiting.cut
        self._cutting = None

    def _next(self) -> str:
        self._count += 1
        return self._channel.playback(self._count)


def _media(path: Path) -> str:
    """As ARI names a file; one with a comma in its name would be two."""
    return f"sound:{path.with_suffix('')}"
