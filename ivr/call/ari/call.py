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
from ivr.call.ari.connection import RESPONSE_TIMEOUT_S
from ivr.call.ari.dialplan_action import DialplanAction, Verb
from ivr.call.ari.playback_wait import KeyPress, PlaybackWaiter
from ivr.call.ari.player import Player
from ivr.call.ari.protocol import Event
from ivr.call.base import Call, PlayResult
from ivr.call.incoming import IncomingCall
from ivr.call.journal import Journal
from ivr.call.typeahead import Typeahead
from ivr.call.variables import volume_adjustment
from ivr.call.watchdog import Watchdog
from ivr.errors import BadArgument, CallFailed, HungUp, RecordingFailed, UnplayableSound

WATCHDOG_WHILE_TYPING, WATCHDOG_OTHERWISE = (20.0, 120.0), (10.0, 20.0)
"""Slack and farthest of the watchdog, whose every move is an errand. It is not moved between the keys of somebody who
types: while nothing plays, keys of a machine may be told twice. The limit lies behind what is going on by the 10 s that
an answer may take, at least; that is longer than the next start, or another service, needs to take the call up."""
TYPING_WINDOW_S = 3.0
"""From a key to the next."""

log = structlog.get_logger()


class AriCall(Call):
    """`watched`: the dialplan takes the call back unless it hears of us (`watchdog`). `hear` is given every event."""

    def __init__(
        self,
        channel: Channel,
        silence: Sound,
        incoming: IncomingCall,
        journal: Journal,
        typeahead: Typeahead,
        *,
        has_watchdog: bool = False,
    ) -> None:
        super().__init__(incoming, journal, typeahead)
        self._channel = channel
        self._silence = silence
        self._player = Player(channel, silence)
        self._now = asyncio.get_running_loop().time
        self._watchdog = Watchdog(self._now) if has_watchdog else None
        self._typing_until = 0.0
        self._dialplan_action: DialplanAction | None = None
        self._app_remembered = False
        """Where the call is to come back to from an errand."""
        self._last_key_press: KeyPress | None = None
        self._continue_target: tuple[str, str] | None = None
        self._end_reason: HungUp | CallFailed | None = None

    # -- the port ----------------------------------------------------------------------------------------------------

    async def _answer(self) -> None:
        await self._open_media("answer")

    async def send_progress(self) -> None:
        await self._open_media("progress")

    async def get_variable(self, name: str) -> str:
        self._raise_if_ended()
        return await self._channel.get_variable(name)

    async def set_variable(self, name: str, value: str) -> None:
        with suppress(HungUp, CallFailed):
            try:
                await self._run_dialplan_action(DialplanAction(Verb.SET_VARIABLE, name, value))
            except BadArgument as error:
                log.warning("call.not_told", name=name, reason=str(error))
            else:
                await self._player.play_silence()

    async def extension_exists(self, context: str, extension: str) -> bool:
        return await self.get_variable(f"DIALPLAN_EXISTS({context},{extension},1)") == "1"

    async def continue_at(self, context: str, extension: str) -> None:
        self._raise_if_ended()
        self._continue_target = (context, extension)

    async def hang_up(self) -> None:
        self._raise_if_ended()
        await self._channel.hang_up()
        self._end_reason = HungUp()
        raise HungUp

    async def return_to_dialplan(self, status: str) -> None:
        # Where nobody is left to be told, the dialplan takes the missing status for a failure, as it should.
        with suppress(HungUp, CallFailed):
            if self._continue_target:
                await self._run_dialplan_action(DialplanAction(Verb.CONTINUE))
                context, extension = self._continue_target
                await self._channel.continue_at(context, extension)
            else:
                self._raise_if_ended()
                await self._player.stop_silence()
                await self._channel.continue_in_dialplan(DialplanAction(Verb.STATUS, status))

    async def _play_file(self, sound: Sound, keys: str, start_ms: int) -> PlayResult:
        left_ms = max(0, sound.length_ms - start_ms)
        within_s = left_ms / 1000 + RESPONSE_TIMEOUT_S
        await self._renew_watchdog(within_s)
        if key := self._take_pending_key(keys):
            return PlayResult(key, start_ms, typed_ahead=True)
        try:
            waiting = await self._player.play(sound.path, keys, start_ms, within_s)
        except TimeoutError:
            raise CallFailed(f"no end of {sound.path} within {within_s:g} s") from None
        if waiting.key:  # Also if the caller hung up right behind it: the next request raises `HungUp`.
            position_ms = start_ms + min(waiting.elapsed_ms, left_ms)
            return PlayResult(waiting.key, position_ms, typed_ahead=waiting.started_ms is None)
        self._raise_if_ended()
        if waiting.ended_too_early(left_ms):
            await self._channel.require_in_stasis()
            raise UnplayableSound(f"Asterisk cannot play {sound.path}: is it there, and may Asterisk's user read it?")
        return PlayResult(None, max(start_ms, sound.length_ms))

    async def _wait_for_key(self, timeout_ms: int, keys: str) -> str | None:
        left_ms = timeout_ms
        while left_ms > 0:
            stretch_ms = min(left_ms, self._silence.length_ms)
            played = await self._play_file(self._silence, keys, self._silence.length_ms - stretch_ms)
            if played.key:
                return played.key
            left_ms -= stretch_ms
        return None

    async def _record(self, path: Path, max_length_ms: int, silence_ms: int) -> bool:
        longest_s, decibels = max(1, round(max_length_ms / 1000)), self.incoming.arguments.gain_db
        silence_s = max(1, round(silence_ms / 1000)) if silence_ms else 0
        within_s = longest_s + RESPONSE_TIMEOUT_S
        limit_s = (self._watchdog and self._watchdog.renew(within_s)) or ""
        louder = volume_adjustment(decibels) if decibels else ""
        words = (path.stem, longest_s, silence_s, louder, limit_s)
        await self._run_dialplan_action(DialplanAction(Verb.RECORD, *map(str, words)), within_s)
        status = await self._channel.get_variable("RECORD_STATUS")
        await self._player.play_silence()
        if status == "ERROR":
            raise RecordingFailed(f"Asterisk cannot write {path}: is its folder what IVR_TAKES_FOLDER says?")
        return status == "DTMF"

    # -- what Asterisk tells -----------------------------------------------------------------------------------------

    def on_event(self, event: Event) -> None:
        """An event of this channel, in the order of their coming."""
        match event.get("type"):
            case "ChannelDtmfReceived":
                self._on_dtmf(KeyPress.from_event(event))
            case "PlaybackStarted" | "PlaybackContinuing" | "PlaybackFinished":
                self._player.on_playback_event(event)
            case "ChannelHangupRequest":
                self._on_hang_up(recording_complete=not (self._dialplan_action and self._dialplan_action.is_recording))
            case "ChannelDestroyed":
                self._on_hang_up(recording_complete=True)
            case "ChannelDialplan" if self._end_reason and protocol.get_text(event, "dialplan_app") != "Record":
                self._on_hang_up(recording_complete=True)
            case "StasisStart" if self._dialplan_action:
                self._dialplan_action.mark_returned()

    @property
    def is_in_dialplan(self) -> bool:
        """Whether the dialplan has the call for an errand, and will give it back."""
        return self._dialplan_action is not None

    @property
    def current_playback(self) -> PlaybackWaiter | None:
        """The playback whose end is waited for."""
        return self._player.current

    def fail(self, reason: CallFailed) -> None:
        """It will not be ours again."""
        self._end_reason = self._end_reason or reason
        self._release_waiters()

    def _on_hang_up(self, *, recording_complete: bool) -> None:
        """While the dialplan records, the end of what was said is not in the file yet."""
        self._end_reason = HungUp()
        if recording_complete:
            self._release_waiters()

    def _release_waiters(self) -> None:
        self._player.cancel_waits()
        if self._dialplan_action:
            self._dialplan_action.mark_returned()

    def _on_dtmf(self, press: KeyPress | None) -> None:
        last = self._last_key_press
        if press is None or (last and press.is_repeat_of(last)):
            return
        self._last_key_press = press
        if self._dialplan_action and self._dialplan_action.is_recording:
            return  # What ends a recording means nothing else.
        self._typing_until = self._now() + TYPING_WINDOW_S
        waiting = self._player.current
        if waiting is None or waiting.finished.done():
            self.typeahead.put(press.key)
        elif press.key in waiting.keys and self.typeahead.accept(press.key):
            waiting.finish_by_key(press)

    # -- steps ---------------------------------------------------------------------------------------------------------

    def _raise_if_ended(self) -> None:
        if self._end_reason:
            raise self._end_reason

    async def _open_media(self, operation: str) -> None:
        """Begin to be heard, and to listen."""
        await self._renew_watchdog(RESPONSE_TIMEOUT_S)
        await self._player.stop_silence()
        await self._channel.post(operation)
        await self._player.play_silence()

    async def _run_dialplan_action(self, action: DialplanAction, timeout_s: float = RESPONSE_TIMEOUT_S) -> None:
        """Have the dialplan do something, and be back. Raises `HungUp`, `CallFailed`, `BadArgument`."""
        self._raise_if_ended()
        action.build_extension(self._channel.application)  # Which it must fit.
        if not (action.carries_app or self._app_remembered):
            await self._run_dialplan_action(DialplanAction(Verb.REMEMBER_APP))
        self._dialplan_action = action
        try:
            async with asyncio.timeout(timeout_s):
                await self._player.stop_silence()
                await self._channel.continue_in_dialplan(action)
                await action.returned
        except TimeoutError:
            raise CallFailed(f"the dialplan did not come back from {action.verb} within {timeout_s:g} s") from None
        finally:
            self._dialplan_action = None
        self._raise_if_ended()
        self._app_remembered = True

    async def _renew_watchdog(self, timeout_s: float) -> None:
        self._raise_if_ended()
        if self._watchdog is None:
            return
        types = self._now() < self._typing_until
        self._watchdog.slack_s, self._watchdog.max_ahead_s = WATCHDOG_WHILE_TYPING if types else WATCHDOG_OTHERWISE
        if seconds := self._watchdog.renew(timeout_s):
            await self._run_dialplan_action(DialplanAction(Verb.SET_TIMEOUT, str(seconds)))

    def _take_pending_key(self, keys: str) -> str | None:
        """A key that came while something was asked of Asterisk: it was pressed before any that will end the sound."""
        while keys and (key := self.typeahead.pop()):
            if key in keys:
                return key
        return None
