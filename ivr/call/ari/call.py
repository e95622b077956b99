"""A call over ARI.

ARI reports no positions. A position is the time between two events by Asterisk's own clock, from the start of a
playback to the moment at which a key ended it.

Operations that ARI lacks are dialplan actions (`dialplan_action`). Recording is one of them: ARI itself would record
only into a folder of its own, count whole seconds, and leave the caller in silence if the service dies.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

import structlog

from ivr.audio.formats import Sound
from ivr.call.ari import protocol
from ivr.call.ari.channel import Channel, DialplanAction, Verb, split_value
from ivr.call.ari.connection import RESPONSE_TIMEOUT_S
from ivr.call.ari.player import KeyPress, PlaybackWaiter, Player
from ivr.call.ari.protocol import Event
from ivr.call.base import Call, PlayResult
from ivr.call.incoming import IncomingCall, volume_adjustment
from ivr.call.journal import Journal
from ivr.call.typeahead import Typeahead
from ivr.call.watchdog import Watchdog
from ivr.errors import BadArgument, CallFailed, HungUp, RecordingFailed, UnplayableSound

WATCHDOG_WHILE_TYPING, WATCHDOG_OTHERWISE = (20.0, 120.0), (10.0, 20.0)
"""Slack and maximum of the watchdog in seconds. Each renewal is a dialplan action. It is not renewed between the keys
of a caller who types: while nothing plays, Asterisk may report keys of a machine twice. The limit lies at least 10 s,
which a response may take, behind the operation in progress; the next start or another service resumes the call
sooner."""
TYPING_WINDOW_S = 3.0
"""Seconds after a key during which another is expected."""

log = structlog.get_logger()


class AriCall(Call):
    """`on_event` must be called with every event of the channel.

    `has_watchdog`: the dialplan takes the call back at a time limit, which has to be renewed (`watchdog`).
    """

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
        self._has_media = False
        """The call was answered, or hears early media: only then anything is played."""
        self._app_remembered = False
        """The dialplan knows the application to which the channel returns from a dialplan action."""
        self._last_key_press: KeyPress | None = None
        self._continue_target: tuple[str, str] | None = None
        self._end_reason: HungUp | CallFailed | None = None

    # -- Call ----------------------------------------------------------------------------------------------------

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
                for n, piece in enumerate(split_value(name, value)):
                    verb = Verb.ADD_TO_VARIABLE if n else Verb.SET_VARIABLE
                    await self._run_dialplan_action(DialplanAction(verb, name, piece))
            except BadArgument as error:
                log.warning("call.variable_not_set", name=name, reason=str(error))
            else:
                if self._has_media:
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
        # If the channel is gone, the dialplan takes the missing status for a failure, which is right.
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
        remaining_ms = max(0, sound.length_ms - start_ms)
        timeout_s = remaining_ms / 1000 + RESPONSE_TIMEOUT_S
        await self._renew_watchdog(timeout_s)
        if key := self._take_pending_key(keys):
            return PlayResult(key, start_ms, typed_ahead=True)
        try:
            waiter = await self._player.play(sound.path, keys, start_ms, timeout_s)
        except TimeoutError:
            raise CallFailed(f"{sound.path} did not end within {timeout_s:g} s") from None
        if waiter.key:  # Also if the caller hung up right behind it: the next request raises `HungUp`.
            position_ms = start_ms + min(waiter.elapsed_ms, remaining_ms)
            return PlayResult(waiter.key, position_ms, typed_ahead=waiter.started_ms is None)
        self._raise_if_ended()
        if waiter.ended_too_early(remaining_ms):
            await self._channel.require_in_stasis()
            raise UnplayableSound(f"Asterisk cannot play {sound.path}: is it there, and may Asterisk's user read it?")
        return PlayResult(None, max(start_ms, sound.length_ms))

    async def _wait_for_key(self, timeout_ms: int, keys: str) -> str | None:
        remaining_ms = timeout_ms
        while remaining_ms > 0:
            stretch_ms = min(remaining_ms, self._silence.length_ms)
            played = await self._play_file(self._silence, keys, self._silence.length_ms - stretch_ms)
            if played.key:
                return played.key
            remaining_ms -= stretch_ms
        return None

    async def _record(self, path: Path, max_length_ms: int, silence_ms: int) -> bool:
        max_length_s, gain_db = max(1, round(max_length_ms / 1000)), self.incoming.arguments.gain_db
        silence_s = max(1, round(silence_ms / 1000)) if silence_ms else 0
        timeout_s = max_length_s + RESPONSE_TIMEOUT_S
        limit_s = (self._watchdog and self._watchdog.renew(timeout_s)) or ""
        volume = volume_adjustment(gain_db) if gain_db else ""
        arguments = (path.stem, max_length_s, silence_s, volume, limit_s)
        await self._run_dialplan_action(DialplanAction(Verb.RECORD, *map(str, arguments)), timeout_s)
        status = await self._channel.get_variable("RECORD_STATUS")
        await self._player.play_silence()
        if status == "ERROR":
            raise RecordingFailed(
                f"Asterisk cannot write {path}: is IVR_TAKES_FOLDER of the dialplan the folder of that file?"
            )
        return status == "DTMF"

    # -- events -----------------------------------------------------------------------------------------

    def on_event(self, event: Event) -> None:
        """Handle an event of this channel. Events must be passed in their order."""
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
        """Whether the dialplan has the channel for a dialplan action, and will return it."""
        return self._dialplan_action is not None

    @property
    def current_playback(self) -> PlaybackWaiter | None:
        """The playback that is waited for."""
        return self._player.current

    def fail(self, reason: CallFailed) -> None:
        """End the call with `reason`: the channel will not return to this service."""
        self._end_reason = self._end_reason or reason
        self._release_waiters()

    def _on_hang_up(self, *, recording_complete: bool) -> None:
        """Note the hang-up. While the dialplan records, the file is not complete yet, so waiters are not released."""
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
            return  # A key that ends a recording has no other effect.
        self._typing_until = self._now() + TYPING_WINDOW_S
        waiter = self._player.current
        if waiter is None or waiter.finished.done():
            self.typeahead.put(press.key)
        elif press.key in waiter.keys and self.typeahead.accept(press.key):
            waiter.finish_by_key(press)

    # -- steps ---------------------------------------------------------------------------------------------------------

    def _raise_if_ended(self) -> None:
        if self._end_reason:
            raise self._end_reason

    async def _open_media(self, operation: str) -> None:
        """Answer or send progress, and start to listen."""
        await self._renew_watchdog(RESPONSE_TIMEOUT_S)
        await self._player.stop_silence()
        await self._channel.post(operation)
        self._has_media = True
        await self._player.play_silence()

    async def _run_dialplan_action(self, action: DialplanAction, timeout_s: float = RESPONSE_TIMEOUT_S) -> None:
        """Send the channel to a dialplan action and wait for its return. Raises `HungUp`, `CallFailed`,
        `BadArgument`."""
        self._raise_if_ended()
        action.build_extension(self._channel.application)  # Raises if it is too long.
        if not (action.carries_app or self._app_remembered):
            await self._run_dialplan_action(DialplanAction(Verb.REMEMBER_APP))
        self._dialplan_action = action
        try:
            async with asyncio.timeout(timeout_s):
                await self._player.stop_silence()
                await self._channel.continue_in_dialplan(action)
                await action.returned
        except TimeoutError:
            raise CallFailed(f"the channel did not return from {action.verb} within {timeout_s:g} s") from None
        finally:
            self._dialplan_action = None
        self._raise_if_ended()
        self._app_remembered = True

    async def _renew_watchdog(self, timeout_s: float) -> None:
        self._raise_if_ended()
        if self._watchdog is None:
            return
        is_typing = self._now() < self._typing_until
        self._watchdog.slack_s, self._watchdog.max_ahead_s = WATCHDOG_WHILE_TYPING if is_typing else WATCHDOG_OTHERWISE
        if seconds := self._watchdog.renew(timeout_s):
            await self._run_dialplan_action(DialplanAction(Verb.SET_TIMEOUT, str(seconds)))

    def _take_pending_key(self, keys: str) -> str | None:
        """Take a key that came during a request: it was pressed before any that will end the sound."""
        while keys and (key := self.typeahead.pop()):
            if key in keys:
                return key
        return None
