"""The port to one call, over ARI.

Asterisk tells of every key, whatever plays. A wait plays silence all the same: a phone that hears no packets for a
while loses its rhythm, and some lines are cut. ARI tells no positions: each is the time between two events by
Asterisk's own clock, that of the playback's start and that of the key. Events of a playback that is over come late now
and then; each playback has an id of its own, and those of others are dropped.

The dialplan records (`ivr-ari` in asterisk-conf/extensions-ari.conf): ARI itself would record into a folder of its own
only, count whole seconds, and leave a caller in silence whose service has died.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ivr.audio.sound import Sound
from ivr.call.ari import protocol
from ivr.call.ari.channel import Channel
from ivr.call.ari.connection import ANSWER_WITHIN_S
from ivr.call.ari.protocol import Event
from ivr.call.arrival import Arrival
from ivr.call.journal import Journal
from ivr.call.names import GAIN_VARIABLE, LIMIT_VARIABLE, STATUS_VARIABLE, TAKE_VARIABLE, gain
from ivr.call.port import Call, Played
from ivr.call.typeahead import Typeahead
from ivr.call.watchdog import Watchdog
from ivr.errors import CallFailed, HungUp, LineLost, NotRecorded, TakenBack, UnplayableSound

RECORDING = ("ivr-ari", "record")
"""Where the dialplan records, and comes back from."""
LONGEST_VARIABLE = "IVRLONGEST"
SILENCE_VARIABLE = "IVRSILENCE"
"""Seconds, of a recording and of the silence that ends it."""
GOTO_VARIABLE = "IVRGOTO"
"""Where the dialplan goes on instead: context and extension."""
EARLY_MS = 300
"""A playback that ends so much too early was cut: then it is asked whether the caller is still there."""


@dataclass(slots=True)
class Waiting:
    """What the call waits for: a key of `keys`, and the end of a playback."""

    keys: str
    playback: str = ""
    started_ms: float | None = None
    """By Asterisk's clock."""
    key: str | None = None
    ended_ms: float | None = None
    failed: bool = False
    over: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def is_over(self, at_ms: float | None) -> None:
        self.ended_ms = at_ms
        if not self.over.done():
            self.over.set_result(None)

    @property
    def elapsed_ms(self) -> int:
        """From the start of the playback to the end of the waiting; 0 where nothing was heard."""
        if self.started_ms is None or self.ended_ms is None:
            return 0
        return max(0, round(self.ended_ms - self.started_ms))


class AriCall(Call):
    """`watched`: the dialplan takes the call back unless it hears of us (`watchdog`). `hear` is given every event."""

    def __init__(
        self, channel: Channel, silence: Sound, arrival: Arrival, journal: Journal, typeahead: Typeahead, *,
        watched: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(arrival, journal, typeahead)
        self._channel = channel
        self._silence = silence
        self._watchdog = Watchdog(asyncio.get_running_loop().time) if watched else None
        self._playbacks = 0
        self._waiting: Waiting | None = None
        self._recording: asyncio.Future[None] | None = None
        self._gone: HungUp | CallFailed | None = None

    # -- the port ----------------------------------------------------------------------------------------------------

    async def _answer(self) -> None:
        await self._watch(ANSWER_WITHIN_S)
        await self._post("answer")

    async def ring(self) -> None:
        await self._watch(ANSWER_WITHIN_S)
        await self._post("progress")

    async def variable(self, name: str) -> str:
        self._check()
        return await self._channel.variable(name)

    async def tell(self, name: str, value: str) -> None:
        with suppress(HungUp, CallFailed):
            self._check()
            await self._channel.set_variable(name, value)

    async def extension_exists(self, context: str, extension: str) -> bool:
        return await self.variable(f"DIALPLAN_EXISTS({context},{extension},1)") == "1"

    async def leave(self, context: str, extension: str) -> None:
        self._check()
        if self._watchdog:
            self._watchdog = None
            await self._channel.set_variable(LIMIT_VARIABLE, "0")
        await self._channel.set_variable(GOTO_VARIABLE, f"{context},{extension}")

    async def hang_up(self) -> None:
        self._check()
        await self._channel.hang_up()
        self._gone = HungUp()
        raise HungUp

    async def finish(self, status: str) -> None:
        # Where nobody is left to be told, the dialplan takes the missing status for a failure, as it should.
        await self.tell(STATUS_VARIABLE, status)
        with suppress(HungUp, CallFailed):
            await self._post("continue")

    async def _stream(self, sound: Sound, keys: str, start_ms: int) -> Played:
        within_s = max(0, sound.length_ms - start_ms) / 1000 + ANSWER_WITHIN_S
        await self._watch(within_s)
        if key := self._typed_at_the_last_moment(keys):
            return Played(key, start_ms, typed_ahead=True)
        self._playbacks += 1
        waiting = Waiting(keys, f"{self._channel.id}-{self._playbacks}")
        try:
            await self._until_over(waiting, within_s, self._play(waiting.playback, sound.path, start_ms))
        except TimeoutError:
            raise CallFailed(f"no end of {sound.path} within {within_s:g} s") from None
        position_ms = min(start_ms + waiting.elapsed_ms, max(start_ms, sound.length_ms))
        if waiting.key:
            await self._channel.stop_playback(waiting.playback)
            return Played(waiting.key, position_ms, typed_ahead=waiting.started_ms is None)
        if waiting.failed or position_ms < sound.length_ms - EARLY_MS:
            await self._still_there()
        if waiting.failed:
            raise UnplayableSound(f"Asterisk cannot play {sound.path}: is it there, and may Asterisk's user read it?")
        return Played(None, max(start_ms, sound.length_ms))

    async def _listen(self, ms: int, keys: str) -> str | None:
        left_ms = ms
        while left_ms > 0:
            stretch_ms = min(left_ms, self._silence.length_ms)
            played = await self._stream(self._silence, keys, self._silence.length_ms - stretch_ms)
            if played.key:
                return played.key
            left_ms -= stretch_ms
        return None

    async def _record(self, path: Path, longest_ms: int, silence_ms: int) -> bool:
        within_s = longest_ms / 1000 + ANSWER_WITHIN_S
        await self._watch(within_s)
        for name, value in self._to_record(path, longest_ms, silence_ms).items():
            await self._channel.set_variable(name, value)
        self._recording = asyncio.get_running_loop().create_future()
        try:
            context, extension = RECORDING
            await self._post("continue", context=context, extension=extension, priority=1)
            async with asyncio.timeout(within_s):
                await self._recording
            self._check()
        except TimeoutError:
            raise CallFailed(f"no end of the recording within {within_s:g} s") from None
        finally:
            self._recording = None
        status = await self._channel.variable("RECORD_STATUS")
        if status == "ERROR":
            raise NotRecorded(f"Asterisk cannot write {path}: its log has the reason")
        return status == "DTMF"

    def _to_record(self, path: Path, longest_ms: int, silence_ms: int) -> dict[str, str]:
        found = {
            TAKE_VARIABLE: str(path.with_suffix("")), LONGEST_VARIABLE: str(max(1, round(longest_ms / 1000))),
            SILENCE_VARIABLE: str(max(1, round(silence_ms / 1000)) if silence_ms else 0),
        }  # fmt: skip
        decibels = self.arrival.arguments.gain_db
        return {**found, GAIN_VARIABLE: gain(decibels)} if decibels else found

    # -- what Asterisk tells -----------------------------------------------------------------------------------------

    def hear(self, event: Event) -> None:
        """An event of this channel, in the order of their coming."""
        match event.get("type"):
            case "ChannelDtmfReceived":
                self._pressed(protocol.text(event, "digit"), protocol.moment_ms(event))
            case "PlaybackStarted" if self._is_of_now(event):
                assert self._waiting
                self._waiting.started_ms = protocol.moment_ms(event)
            case "PlaybackFinished" if self._is_of_now(event):
                assert self._waiting
                self._waiting.failed = protocol.text(event, "playback", "state") == "failed"
                self._waiting.is_over(protocol.moment_ms(event))
            case "ChannelHangupRequest":
                self._hung_up(closed=self._recording is None)
            case "ChannelDestroyed":
                self._hung_up(closed=True)
            case "ChannelDialplan" if protocol.text(event, "dialplan_app") != "Record":
                if self._gone and self._recording:
                    self._hung_up(closed=True)
            case "StasisStart" if self._recording and not self._recording.done():
                self._recording.set_result(None)

    @property
    def is_recording(self) -> bool:
        """Whether the dialplan has the call for a recording, and will give it back."""
        return self._recording is not None

    @property
    def playback(self) -> str:
        """The id of what is waited for, "" where nothing is."""
        return self._waiting.playback if self._waiting else ""

    def lost(self, reason: CallFailed) -> None:
        """It will not be ours again."""
        self._gone = self._gone or reason
        self._wake()

    def _hung_up(self, *, closed: bool) -> None:
        """`closed`: nothing is recorded any more. Before that, the end of what was said is not in the file."""
        self._gone = HungUp()
        if closed:
            self._wake()

    def _wake(self) -> None:
        for future in (self._waiting and self._waiting.over, self._recording):
            if future and not future.done():
                future.set_result(None)

    def _pressed(self, key: str, at_ms: float | None) -> None:
        waiting = self._waiting
        if len(key) != 1 or self._recording:
            return  # What ends a recording means nothing else.
        if waiting is None or waiting.over.done():
            self.typeahead.put(key)
        elif key in waiting.keys and self.typeahead.accepts(key):
            waiting.key = key
            waiting.is_over(at_ms)

    def _is_of_now(self, event: Event) -> bool:
        return bool(self._waiting and protocol.text(event, "playback", "id") == self._waiting.playback)

    # -- steps ---------------------------------------------------------------------------------------------------------

    def _check(self) -> None:
        if self._gone:
            raise self._gone

    async def _post(self, what: str, **values: str | int) -> None:
        self._check()
        await self._channel.post(what, once=False, **values)

    async def _play(self, playback: str, path: Path, start_ms: int) -> None:
        media = f"sound:{path.with_suffix('')}"
        try:
            await self._channel.post("play", playback, once=True, media=media, offsetms=start_ms or None)
        except LineLost:
            # It may have begun. Asterisk is asked as soon as it can be.
            if not await self._channel.is_playing(playback):
                await self._channel.post("play", playback, media=media, offsetms=start_ms or None)

    async def _until_over(self, waiting: Waiting, within_s: float, begin: Awaitable[None] | None = None) -> None:
        """Keys count for `waiting` from now on, before what it waits for has begun. Raises TimeoutError, `HungUp`."""
        self._waiting = waiting
        try:
            async with asyncio.timeout(within_s):
                if begin:
                    await begin
                await waiting.over
        finally:
            self._waiting = None
        if not waiting.key:
            self._check()

    async def _still_there(self) -> None:
        """Raises `HungUp`, `TakenBack`."""
        self._check()
        if not await self._channel.is_ours():
            raise TakenBack("the dialplan has the call again")

    async def _watch(self, within_s: float) -> None:
        self._check()
        if self._watchdog and (seconds := self._watchdog.due(within_s)):
            await self._channel.set_variable(LIMIT_VARIABLE, str(seconds))

    def _typed_at_the_last_moment(self, keys: str) -> str | None:
        """A key that came while something was asked of Asterisk: it was pressed before any that will end the sound."""
        while keys and (key := self.typeahead.take()):
            if key in keys:
                return key
        return None
