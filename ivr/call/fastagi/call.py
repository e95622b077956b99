"""A call over FastAGI or classic AGI.

`STREAM FILE` takes and returns positions in samples and ends at any key, so seeking is done here by arithmetic. Waiting
for a key means playing silence, because keys are lost while no command runs (`connection`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ivr.audio.formats import Sound
from ivr.audio.wav import SAMPLES_PER_MS
from ivr.call.base import ALL_KEYS, Call, PlayResult
from ivr.call.fastagi.connection import REPLY_TIMEOUT_S, FastAgiConnection
from ivr.call.fastagi.protocol import Reply
from ivr.call.incoming import (
    GOSUB_FRAME_VARIABLE,
    STATUS_VARIABLE,
    TAKE_VARIABLE,
    VOLUME_VARIABLE,
    IncomingCall,
    dialplan_names,
    volume_adjustment,
)
from ivr.call.journal import Journal
from ivr.call.typeahead import Typeahead
from ivr.errors import BadArgument, CallFailed, ConnectionLost, HungUp, RecordingFailed, UnplayableSound

MAX_GOSUB_FRAMES = 10
ALIVE_CHANNEL_STATES = {"4", "5", "6"}
"""Results of CHANNEL STATUS: ringing in either direction, as in early media; up."""


async def always_unknown(channel: str) -> bool | None:
    """Return None: without AMI it is not known whether a channel still exists."""
    return None


@dataclass(frozen=True, slots=True)
class ChannelCheck:
    """Finds out whether a channel is gone; `is_gone` returns None if it is not known.

    A channel that was hung up still exists while it runs its extension h, so it is looked for several times.
    """

    is_gone: Callable[[str], Awaitable[bool | None]] = always_unknown
    attempts: int = 10
    interval_s: float = 0.1

    async def confirm_gone(self, channel: str) -> bool:
        """Return True once the channel is gone, False if it stays or if that is not known."""
        for _ in range(self.attempts):
            is_gone = await self.is_gone(channel)
            if is_gone is not False:
                return bool(is_gone)
            await asyncio.sleep(self.interval_s)
        return False


NO_CHANNEL_CHECK = ChannelCheck()


class FastAgiCall(Call):
    """A call over one FastAGI connection. `silence` is a long silent file; waiting plays the end of it."""

    def __init__(
        self,
        connection: FastAgiConnection,
        silence: Sound,
        incoming: IncomingCall,
        journal: Journal,
        typeahead: Typeahead,
        channel_check: ChannelCheck = NO_CHANNEL_CHECK,
    ) -> None:
        super().__init__(incoming, journal, typeahead)
        self._channel_check = channel_check
        self._connection = connection
        self._silence = silence
        connection.on_key = typeahead.put
        connection.on_stall = journal.note_stall

    async def _answer(self) -> None:
        await self._connection.send_command("ANSWER")
        self._enable_idle_listen()

    async def send_progress(self) -> None:
        await self._connection.send_command("EXEC", "Progress")
        self._enable_idle_listen()

    def _enable_idle_listen(self) -> None:
        self._connection.set_idle_command("STREAM FILE", _path_without_suffix(self._silence.path), ALL_KEYS)

    async def get_variable(self, name: str) -> str:
        reply = await self._connection.send_command("GET VARIABLE", name)
        return reply.data or ""

    async def extension_exists(self, context: str, extension: str) -> bool:
        expression = f"${{DIALPLAN_EXISTS({context},{extension},1)}}"
        return (await self._connection.send_command("GET FULL VARIABLE", expression)).data == "1"

    async def set_variable(self, name: str, value: str) -> None:
        with suppress(HungUp, CallFailed, BadArgument):  # A value with a line break cannot be sent over AGI.
            for one in dialplan_names(name, self.incoming.arguments):
                await self._connection.send_command("SET VARIABLE", one, value, allow_dead_channel=True)

    async def continue_at(self, context: str, extension: str) -> None:
        await self._connection.stop_watchdog()
        for _ in range(MAX_GOSUB_FRAMES):
            if not await self.get_variable(GOSUB_FRAME_VARIABLE):
                break
            await self._connection.send_command("EXEC", "StackPop")
        await self._connection.send_command("SET CONTEXT", context)
        await self._connection.send_command("SET EXTENSION", extension)
        await self._connection.send_command("SET PRIORITY", "1")

    async def hang_up(self) -> None:
        await self._connection.send_command("HANGUP")
        raise HungUp

    async def return_to_dialplan(self, status: str) -> None:
        # If the socket is closed, the dialplan takes the missing status for a failure, which is right.
        await self.set_variable(STATUS_VARIABLE, status)
        self._connection.close()

    async def _play_file(self, sound: Sound, keys: str, start_ms: int) -> PlayResult:
        position = start_ms * SAMPLES_PER_MS
        while True:
            timeout_s = max(0, sound.length_ms - position // SAMPLES_PER_MS) / 1000 + REPLY_TIMEOUT_S
            await self._connection.stop_idle_listen(timeout_s)
            if keys and (key := self._take_pending_key(keys)):
                return PlayResult(key, position // SAMPLES_PER_MS, typed_ahead=True)
            reply = await self._connection.send_command(
                "STREAM FILE", _path_without_suffix(sound.path), keys and ALL_KEYS, position, timeout_s=timeout_s
            )
            key = await self._key_or_raise(reply, sound)
            position = max(position, reply.endpos or 0)
            if key is None or (key in keys and self.typeahead.accept(key)):
                return PlayResult(key, position // SAMPLES_PER_MS)

    def _take_pending_key(self, keys: str) -> str | None:
        """Take a key that came while the idle listen was being ended: it was pressed before any that will end the
        sound."""
        while key := self.typeahead.pop():
            if key in keys:
                return key
        return None

    async def _wait_for_key(self, timeout_ms: int, keys: str) -> str | None:
        remaining_ms = timeout_ms
        while remaining_ms > 0:
            stretch_ms = min(remaining_ms, self._silence.length_ms)
            start_ms = self._silence.length_ms - stretch_ms
            played = await self._play_file(self._silence, keys, start_ms)
            if played.key:
                return played.key
            remaining_ms -= stretch_ms
        return None

    async def _record(self, path: Path, max_length_ms: int, silence_ms: int) -> bool:
        for name in dialplan_names(TAKE_VARIABLE, self.incoming.arguments):
            await self._connection.send_command("SET VARIABLE", name, _path_without_suffix(path))
        gain_db = self.incoming.arguments.gain_db
        if gain_db:
            await self._connection.send_command("SET VARIABLE", VOLUME_VARIABLE, volume_adjustment(gain_db))
        silence = (f"s={max(1, round(silence_ms / 1000))}",) if silence_ms else ()
        try:
            reply = await self._connection.send_command(
                "RECORD FILE",
                _path_without_suffix(path),
                "wav",
                ALL_KEYS,
                max_length_ms,
                *silence,
                timeout_s=max_length_ms / 1000 + REPLY_TIMEOUT_S,
            )
        except ConnectionLost:
            # If the channel is there, Asterisk records on: the take is recovered when it has stopped growing.
            if await self._channel_check.confirm_gone(self.incoming.channel):
                raise HungUp from None
            raise
        if reply.data == "hangup":
            raise HungUp
        if reply.result == "-1":
            await self._raise_hung_up_or_failure(
                RecordingFailed(f"Asterisk cannot write {path}: {reply.data or 'no reason given'}")
            )
        return reply.data == "dtmf"

    async def _key_or_raise(self, reply: Reply, sound: Sound) -> str | None:
        if reply.result == "-1":
            message = f"Asterisk cannot play {sound.path}: is it there, and may Asterisk's user read it?"
            await self._raise_hung_up_or_failure(UnplayableSound(message))
        return reply.key

    async def _raise_hung_up_or_failure(self, failure: CallFailed) -> None:
        """Raise `HungUp` if the channel is gone, else `failure`: the result is -1 for both."""
        status = await self._connection.send_command("CHANNEL STATUS")  # Raises HungUp on a dead channel.
        raise failure if status.result in ALIVE_CHANNEL_STATES else HungUp


def _path_without_suffix(path: Path) -> str:
    """Return the path as Asterisk expects it, without the suffix."""
    return str(path.with_suffix(""))
