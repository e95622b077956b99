"""The port to one call, over ARI.

ARI tells no positions: each is the time between two events by Asterisk's own clock, from the start of a playback to
where a key had it ended.

What only the dialplan can do it does on an errand (`errand`): recording, too. ARI itself would record into a folder of
its own only, count whole seconds, and leave a caller in silence whose service has died.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

import structlog

from ivr.audio.sound import Sound
from ivr.call.ari import protocol
from ivr.call.ari.channel import Channel
from ivr.call.ari.connection import ANSWER_WITHIN_S
from ivr.call.ari.errand import Errand, Verb
from ivr.call.ari.player import Player
from ivr.call.ari.protocol import Event
from ivr.call.ari.waiting import Press, Waiting
from ivr.call.arrival import Arrival
from ivr.call.journal import Journal
from ivr.call.names import gain
from ivr.call.port import Call, Played
from ivr.call.typeahead import Typeahead
from ivr.call.watchdog import Watchdog
from ivr.errors import BadArgument, CallFailed, HungUp, NotRecorded, UnplayableSound

WITH_KEYS, WITHOUT_KEYS = (20.0, 120.0), (10.0, 20.0)
"""Slack and farthest of the watchdog, whose every move is an errand. It is not moved between the keys of somebody who
types: while nothing plays, keys of a machine may be told twice. The limit lies behind what is going on by the 10 s that
an answer may take, at least; that is longer than the next start, or another service, needs to take the call up."""
TYPES_FOR_S = 3.0
"""From a key to the next."""

log = structlog.get_logger()


class AriCall(Call):
    """`watched`: the dialplan takes the call back unless it hears of us (`watchdog`). `hear` is given every event."""

    def __init__(
        self, channel: Channel, silence: Sound, arrival: Arrival, journal: Journal, typeahead: Typeahead, *,
        watched: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(arrival, journal, typeahead)
        self._channel = channel
        self._silence = silence
        self._player = Player(channel, silence)
        self._now = asyncio.get_running_loop().time
        self._watchdog = Watchdog(self._now) if watched else None
        self._types_until = 0.0
        self._errand: Errand | None = None
        self._dialplan_knows_us = False
        """Where the call is to come back to from an errand."""
        self._last_press: Press | None = None
        self._goes_to: tuple[str, str] | None = None
        self._gone: HungUp | CallFailed | None = None

    # -- the port ----------------------------------------------------------------------------------------------------

    async def _answer(self) -> None:
        await self._open_with("answer")

    async def ring(self) -> None:
        await self._open_with("progress")

    async def variable(self, name: str) -> str:
        self._check()
        return await self._channel.variable(name)

    async def tell(self, name: str, value: str) -> None:
        with suppress(HungUp, CallFailed):
            try:
                await self._send_on(Errand(Verb.TOLD, name, value))
            except BadArgument as error:
                log.warning("call.not_told", name=name, reason=str(error))
            else:
                await self._player.play_silence()

    async def extension_exists(self, context: str, extension: str) -> bool:
        return await self.variable(f"DIALPLAN_EXISTS({context},{extension},1)") == "1"

    async def leave(self, context: str, extension: str) -> None:
        self._check()
        self._goes_to = (context, extension)

    async def hang_up(self) -> None:
        self._check()
        await self._channel.hang_up()
        self._gone = HungUp()
        raise HungUp

    async def finish(self, status: str) -> None:
        # Where nobody is left to be told, the dialplan takes the missing status for a failure, as it should.
        with suppress(HungUp, CallFailed):
            if self._goes_to:
                await self._send_on(Errand(Verb.LEAVE))
                context, extension = self._goes_to
                await self._channel.go_to(context, extension)
            else:
                self._check()
                await self._player.stop()
                await self._channel.go_on(Errand(Verb.STATUS, status))

    async def _stream(self, sound: Sound, keys: str, start_ms: int) -> Played:
        left_ms = max(0, sound.length_ms - start_ms)
        within_s = left_ms / 1000 + ANSWER_WITHIN_S
        await self._watch(within_s)
        if key := self._typed_at_the_last_moment(keys):
            return Played(key, start_ms, typed_ahead=True)
        try:
            waiting = await self._player.play(sound.path, keys, start_ms, within_s)
        except TimeoutError:
            raise CallFailed(f"no end of {sound.path} within {within_s:g} s") from None
        self._check()
        if waiting.key:
            position_ms = start_ms + min(waiting.elapsed_ms, left_ms)
            return Played(waiting.key, position_ms, typed_ahead=waiting.started_ms is None)
        if waiting.ended_too_early(left_ms):
            await self._channel.must_be_ours()
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
        longest_s, decibels = max(1, round(longest_ms / 1000)), self.arrival.arguments.gain_db
        silence_s = max(1, round(silence_ms / 1000)) if silence_ms else 0
        within_s = longest_s + ANSWER_WITHIN_S
        limit_s = (self._watchdog and self._watchdog.due(within_s)) or ""
        louder = gain(decibels) if decibels else ""
        words = (path.stem, longest_s, silence_s, louder, limit_s)
        await self._send_on(Errand(Verb.RECORD, *map(str, words)), within_s)
        status = await self._channel.variable("RECORD_STATUS")
        await self._player.play_silence()
        if status == "ERROR":
            raise NotRecorded(f"Asterisk cannot write {path}: is its folder what IVR_TAKES says?")
        return status == "DTMF"

    # -- what Asterisk tells -----------------------------------------------------------------------------------------

    def hear(self, event: Event) -> None:
        """An event of this channel, in the order of their coming."""
        match event.get("type"):
            case "ChannelDtmfReceived":
                self._pressed(Press.of(event))
            case "PlaybackStarted" | "PlaybackContinuing" | "PlaybackFinished":
                self._player.hear(event)
            case "ChannelHangupRequest":
                self._hung_up(at_its_end=not (self._errand and self._errand.records))
            case "ChannelDestroyed":
                self._hung_up(at_its_end=True)
            case "ChannelDialplan" if self._gone and protocol.text(event, "dialplan_app") != "Record":
                self._hung_up(at_its_end=True)
            case "StasisStart" if self._errand:
                self._errand.is_back()

    @property
    def is_away(self) -> bool:
        """Whether the dialplan has the call for an errand, and will give it back."""
        return self._errand is not None

    @property
    def waits_for(self) -> Waiting | None:
        """The playback whose end is waited for."""
        return self._player.waiting

    def lost(self, reason: CallFailed) -> None:
        """It will not be ours again."""
        self._gone = self._gone or reason
        self._wake()

    def _hung_up(self, *, at_its_end: bool) -> None:
        """While the dialplan records, the end of what was said is not in the file yet."""
        self._gone = HungUp()
        if at_its_end:
            self._wake()

    def _wake(self) -> None:
        self._player.wake()
        if self._errand:
            self._errand.is_back()

    def _pressed(self, press: Press | None) -> None:
        last = self._last_press
        if press is None or (last and press.repeats(last)):
            return
        self._last_press = press
        if self._errand and self._errand.records:
            return  # What ends a recording means nothing else.
        self._types_until = self._now() + TYPES_FOR_S
        waiting = self._player.waiting
        if waiting is None or waiting.over.done():
            self.typeahead.put(press.key)
        elif press.key in waiting.keys and self.typeahead.accepts(press.key):
            waiting.is_ended_by(press)

    # -- steps ---------------------------------------------------------------------------------------------------------

    def _check(self) -> None:
        if self._gone:
            raise self._gone

    async def _open_with(self, what: str) -> None:
        """Begin to be heard, and to listen."""
        await self._watch(ANSWER_WITHIN_S)
        await self._player.stop()
        await self._channel.post(what)
        await self._player.play_silence()

    async def _send_on(self, errand: Errand, within_s: float = ANSWER_WITHIN_S) -> None:
        """Have the dialplan do something, and be back. Raises `HungUp`, `CallFailed`, `BadArgument`."""
        self._check()
        errand.extension(self._channel.application)  # Which it must fit.
        if not (errand.names or self._dialplan_knows_us):
            await self._send_on(Errand(Verb.HOME))
        self._errand = errand
        try:
            async with asyncio.timeout(within_s):
                await self._player.stop()
                await self._channel.go_on(errand)
                await errand.back
        except TimeoutError:
            raise CallFailed(f"the dialplan did not come back from {errand.verb} within {within_s:g} s") from None
        finally:
            self._errand = None
        self._check()
        self._dialplan_knows_us = True

    async def _watch(self, within_s: float) -> None:
        self._check()
        if self._watchdog is None:
            return
        types = self._now() < self._types_until
        self._watchdog.slack_s, self._watchdog.farthest_s = WITH_KEYS if types else WITHOUT_KEYS
        if seconds := self._watchdog.due(within_s):
            await self._send_on(Errand(Verb.LIMIT, str(seconds)))

    def _typed_at_the_last_moment(self, keys: str) -> str | None:
        """A key that came while something was asked of Asterisk: it was pressed before any that will end the sound."""
        while keys and (key := self.typeahead.take()):
            if key in keys:
                return key
        return None
