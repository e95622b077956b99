"""The port to one call, over FastAGI.

`STREAM FILE` takes and gives positions in samples and ends at any key, so seeking is our own arithmetic; waiting for a
key is playing silence, because keys are lost while no command runs (see `connection`).
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from ivr.audio.sound import Sound
from ivr.audio.wav import SAMPLES_PER_MS
from ivr.call.arrival import Arrival
from ivr.call.fastagi.connection import ANSWER_WITHIN_S, Connection
from ivr.call.fastagi.syntax import Reply
from ivr.call.journal import Journal
from ivr.call.names import FRAME_VARIABLE, GAIN_VARIABLE, STATUS_VARIABLE, TAKE_VARIABLE, gain
from ivr.call.port import ALL_KEYS, Call, Played
from ivr.call.typeahead import Typeahead
from ivr.errors import BadArgument, CallFailed, HungUp, NotRecorded, UnplayableSound

MOST_FRAMES = 10
ALIVE = {"4", "5", "6"}
"""Of CHANNEL STATUS: ringing, either way, as in early media; up."""


class FastAgiCall(Call):
    """`silence` is a long file of nothing; waiting plays the end of it."""

    def __init__(
        self, connection: Connection, silence: Sound, arrival: Arrival, journal: Journal, typeahead: Typeahead
    ) -> None:
        super().__init__(arrival, journal, typeahead)
        self._connection = connection
        self._silence = silence
        connection.heard_key = typeahead.put

    async def _answer(self) -> None:
        await self._connection.command("ANSWER")
        self._listen_from_now_on()

    async def ring(self) -> None:
        await self._connection.command("EXEC", "Progress")
        self._listen_from_now_on()

    def _listen_from_now_on(self) -> None:
        self._connection.listen_with("STREAM FILE", _stem(self._silence.path), ALL_KEYS)

    async def variable(self, name: str) -> str:
        reply = await self._connection.command("GET VARIABLE", name)
        return reply.note or ""

    async def extension_exists(self, context: str, extension: str) -> bool:
        asked = f"${{DIALPLAN_EXISTS({context},{extension},1)}}"
        return (await self._connection.command("GET FULL VARIABLE", asked)).note == "1"

    async def tell(self, name: str, value: str) -> None:
        with suppress(HungUp, CallFailed, BadArgument):  # A value with a line break in it cannot be told over AGI.
            await self._connection.command("SET VARIABLE", name, value, also_dead=True)

    async def leave(self, context: str, extension: str) -> None:
        await self._connection.unwatched()
        for _ in range(MOST_FRAMES):
            if not await self.variable(FRAME_VARIABLE):
                break
            await self._connection.command("EXEC", "StackPop")
        await self._connection.command("SET CONTEXT", context)
        await self._connection.command("SET EXTENSION", extension)
        await self._connection.command("SET PRIORITY", "1")

    async def hang_up(self) -> None:
        await self._connection.command("HANGUP")
        raise HungUp

    async def finish(self, status: str) -> None:
        # Where nobody is left to be told, the dialplan takes the missing status for a failure, as it should.
        await self.tell(STATUS_VARIABLE, status)
        self._connection.close()

    async def _stream(self, sound: Sound, keys: str, start_ms: int) -> Played:
        position = start_ms * SAMPLES_PER_MS
        while True:
            within_s = max(0, sound.length_ms - position // SAMPLES_PER_MS) / 1000 + ANSWER_WITHIN_S
            await self._connection.stop_listening(within_s)
            if keys and (key := self._typed_at_the_last_moment(keys)):
                return Played(key, position // SAMPLES_PER_MS, typed_ahead=True)
            reply = await self._connection.command(
                "STREAM FILE", _stem(sound.path), keys and ALL_KEYS, position, within_s=within_s
            )
            key = await self._key_of(reply, sound)
            position = max(position, reply.endpos or 0)
            if key is None or (key in keys and self.typeahead.accepts(key)):
                return Played(key, position // SAMPLES_PER_MS)

    def _typed_at_the_last_moment(self, keys: str) -> str | None:
        """A key that came while the listening was being ended: it was pressed before any that will end the sound."""
        while key := self.typeahead.take():
            if key in keys:
                return key
        return None

    async def _listen(self, ms: int, keys: str) -> str | None:
        left_ms = ms
        while left_ms > 0:
            stretch_ms = min(left_ms, self._silence.length_ms)
            start_ms = self._silence.length_ms - stretch_ms
            played = await self._stream(self._silence, keys, start_ms)
            if played.key:
                return played.key
            left_ms -= stretch_ms
        return None

    async def _record(self, path: Path, longest_ms: int, silence_ms: int) -> bool:
        await self._connection.command("SET VARIABLE", TAKE_VARIABLE, _stem(path))
        gain_db = self.arrival.arguments.gain_db
        if gain_db:
            await self._connection.command("SET VARIABLE", GAIN_VARIABLE, gain(gain_db))
        silence = (f"s={max(1, round(silence_ms / 1000))}",) if silence_ms else ()
        reply = await self._connection.command(
            "RECORD FILE", _stem(path), "wav", ALL_KEYS, longest_ms, *silence,
            within_s=longest_ms / 1000 + ANSWER_WITHIN_S,
        )  # fmt: skip
        if reply.note == "hangup":
            raise HungUp
        if reply.result == "-1":
            await self._raise_hang_up_or(
                NotRecorded(f"Asterisk cannot write {path}: {reply.note or 'no reason given'}")
            )
        return reply.note == "dtmf"

    async def _key_of(self, reply: Reply, sound: Sound) -> str | None:
        if reply.result == "-1":
            what = f"Asterisk cannot play {sound.path}: is it there, and may Asterisk's user read it?"
            await self._raise_hang_up_or(UnplayableSound(what))
        return reply.key

    async def _raise_hang_up_or(self, failure: CallFailed) -> None:
        """Asterisk says -1 for both."""
        status = await self._connection.command("CHANNEL STATUS")  # Raises HungUp on a dead channel.
        raise failure if status.result in ALIVE else HungUp


def _stem(path: Path) -> str:
    """Asterisk wants the name without its extension."""
    return str(path.with_suffix(""))
