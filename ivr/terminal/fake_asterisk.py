"""Asterisk's side of one FastAGI call: executes AGI commands on a handset.

As in Asterisk, a new command ends a STREAM FILE in progress, which then gets no reply; a RECORD FILE is never
interrupted; and after a hang-up, which a HANGUP line reports, only commands for dead channels work.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import shlex
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from ivr.audio.wav import SAMPLES_PER_MS
from ivr.terminal import sound
from ivr.terminal.sound import SoundFile

STATE_RINGING, STATE_UP = 4, 6
UNKNOWN_APPLICATION = -2
_VARIABLE = re.compile(r"\$\{([^{}]*)\}")
_HASH = re.compile(r"SHA1\((.*)\)")


def evaluate(text: str, functions: Mapping[str, str]) -> str:
    """Return a text with the values of its dialplan expressions, the innermost first. An unknown one is empty."""

    def value(match: re.Match[str]) -> str:
        if hashed := _HASH.fullmatch(match[1]):
            return hashlib.sha1(hashed[1].encode()).hexdigest()
        return functions.get(match[1], "")

    while _VARIABLE.search(text):
        text = _VARIABLE.sub(value, text)
    return text


class Handset(Protocol):
    """The device of the person: plays and records, with keys and a hook."""

    @property
    def hangup_event(self) -> asyncio.Event:
        """Set when the person hangs up."""

    async def play(
        self, sound_file: SoundFile, start_ms: int, digits: str, interrupt: asyncio.Event
    ) -> tuple[str | None, int]:
        """Play until a key of `digits`, the end, a hang-up or `interrupt`. Return the key and the position reached."""

    async def record(self, path: Path, digits: str, max_ms: int, silence_ms: int) -> tuple[str | None, int]:
        """Record into `path`. Return the key that ended the recording, and its length in milliseconds."""


@dataclass(frozen=True, slots=True)
class AgiRequest:
    """A call as the dialplan passes it to AGI: path of the URL, arguments, channel and caller."""

    path: str
    arguments: tuple[str, ...]
    channel: str
    caller_number: str
    dialplan_functions: Mapping[str, str] = field(default_factory=dict)
    """Values of dialplan expressions, such as "GLOBAL(IVR_SECRET)"."""
    caller_name: str = "unknown"


class FakeAsterisk:
    """One call on one connection. `variables` are the channel variables that the service has set."""

    def __init__(self, request: AgiRequest, handset: Handset) -> None:
        self.variables: dict[str, str] = {}
        self.goto: dict[str, str] = {}
        self.is_answered = False
        self._request = request
        self._handset = handset
        self._commands: asyncio.Queue[str | None] = asyncio.Queue()
        self._command_received = asyncio.Event()
        self._handlers: dict[str, Callable[..., Awaitable[str | None]]] = {
            "NOOP": self._noop,
            "ANSWER": self._answer,
            "EXEC": self._exec,
            "STREAM FILE": self._stream_file,
            "RECORD FILE": self._record_file,
            "GET VARIABLE": self._get_variable,
            "GET FULL VARIABLE": self._get_full_variable,
            "SET VARIABLE": self._set_variable,
            "SET CONTEXT": self._set_context,
            "SET EXTENSION": self._set_extension,
            "SET PRIORITY": self._set_priority,
            "CHANNEL STATUS": self._channel_status,
            "HANGUP": self._hang_up,
        }

    async def connect_and_run(self, host: str, port: int) -> str:
        """Run the whole call. Return IVR_STATUS, or "" if it is not set. Raises OSError without a service."""
        reader, writer = await asyncio.open_connection(host, port)
        path = self._request.path
        header_fields = {"agi_network": "yes", "agi_network_script": path, "agi_request": f"agi://{host}/{path}"}
        return await self.run_session(reader, writer, header_fields, lambda: writer.write(b"HANGUP\n"))

    async def run_session(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        header_fields: Mapping[str, str],
        on_hangup: Callable[[], object],
    ) -> str:
        """Run the whole call over two streams, with `header_fields` first in the header block. Return IVR_STATUS."""
        reader_task = asyncio.create_task(self._read_commands(reader))
        hangup_task = asyncio.create_task(self._notify_hangup(on_hangup))
        try:
            writer.write(self._header(header_fields))
            while (command := await self._next_command()) is not None:
                if (reply := await self._execute(command)) is not None:
                    writer.write(f"{reply}\n".encode())
                    await writer.drain()
        except ConnectionError:
            pass  # The service has closed the connection. The variables it set before count.
        finally:
            reader_task.cancel()
            hangup_task.cancel()
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
        return self.variables.get("IVR_STATUS", "")

    # -- the connection ----------------------------------------------------------------------------------------------

    def _header(self, header_fields: Mapping[str, str]) -> bytes:
        request = self._request
        fields = {
            **header_fields,
            "agi_channel": request.channel,
            "agi_language": "en",
            "agi_type": "PJSIP",
            "agi_uniqueid": "terminal.1",
            "agi_callerid": request.caller_number,
            "agi_calleridname": request.caller_name,
            "agi_enhanced": "0.0",
            **{f"agi_arg_{n}": word for n, word in enumerate(request.arguments, 1)},
        }
        return "".join(f"{name}: {value}\n" for name, value in fields.items()).encode(errors="surrogateescape") + b"\n"

    async def _read_commands(self, reader: asyncio.StreamReader) -> None:
        while line := await reader.readline():
            self._commands.put_nowait(line.decode().rstrip("\n"))
            self._command_received.set()
        self._commands.put_nowait(None)
        self._command_received.set()

    async def _next_command(self) -> str | None:
        command = await self._commands.get()
        if self._commands.empty():
            self._command_received.clear()
        return command

    async def _notify_hangup(self, on_hangup: Callable[[], object]) -> None:
        await self._handset.hangup_event.wait()
        on_hangup()

    async def _execute(self, command: str) -> str | None:
        words = _split_command(command)
        for length in (3, 2, 1):
            if handler := self._handlers.get(" ".join(words[:length]).upper()):
                if self._handset.hangup_event.is_set() and handler not in (self._noop, self._set_variable):
                    return "511 Command Not Permitted on a dead channel or intercept routine"
                return await handler(*words[length:])
        return "510 Invalid or unknown command"

    # -- commands ----------------------------------------------------------------------------------------------------

    async def _noop(self, *_: str) -> str:
        return "200 result=0"

    async def _answer(self) -> str:
        self.is_answered = True
        return "200 result=0"

    async def _exec(self, application: str, *_: str) -> str:
        """Accept Progress(), which opens audio before the answer; here it is always open."""
        return f"200 result={0 if application.lower() == 'progress' else UNKNOWN_APPLICATION}"

    async def _stream_file(self, stem: str, digits: str = "", offset: str = "0") -> str | None:
        sound_file = sound.read_sound_file(stem)
        if sound_file is None:
            return "200 result=-1 endpos=0"
        start_ms = int(offset) // SAMPLES_PER_MS
        key, position_ms = await self._handset.play(sound_file, start_ms, digits, self._command_received)
        if key is None and self._command_received.is_set():
            return None
        result = -1 if self._handset.hangup_event.is_set() else ord(key) if key else 0
        return f"200 result={result} endpos={position_ms * SAMPLES_PER_MS}"

    async def _record_file(self, stem: str, file_format: str, digits: str, timeout_ms: str, *options: str) -> str:
        silence_ms = next((1000 * int(word[2:]) for word in options if word.startswith("s=")), 0)
        try:
            key, length_ms = await self._handset.record(
                Path(f"{stem}.{file_format}"), digits, int(timeout_ms), silence_ms
            )
        except ConnectionError:
            raise
        except OSError:
            return "200 result=-1 (writefile)"
        end = f"endpos={length_ms * SAMPLES_PER_MS}"
        if self._handset.hangup_event.is_set():
            return f"200 result=-1 (hangup) {end}"
        return f"200 result={ord(key)} (dtmf) {end}" if key else f"200 result=0 (timeout) {end}"

    async def _get_variable(self, name: str) -> str:
        value = self.variables.get(name)
        return "200 result=0" if value is None else f"200 result=1 ({value})"

    async def _get_full_variable(self, expression: str) -> str:
        value = evaluate(expression, self._request.dialplan_functions)
        return f"200 result=1 ({value})"

    async def _set_variable(self, name: str, value: str) -> str:
        self.variables[name] = value
        return "200 result=1"

    async def _set_context(self, context: str) -> str:
        self.goto["context"] = context
        return "200 result=0"

    async def _set_extension(self, extension: str) -> str:
        self.goto["extension"] = extension
        return "200 result=0"

    async def _set_priority(self, priority: str) -> str:
        self.goto["priority"] = priority
        return "200 result=0"

    async def _channel_status(self) -> str:
        return f"200 result={STATE_UP if self.is_answered else STATE_RINGING}"

    async def _hang_up(self) -> str:
        self._handset.hangup_event.set()
        return "200 result=1"


def _split_command(command: str) -> list[str]:
    """Split a command into words as res_agi does: only double quotes group."""
    lexer = shlex.shlex(command, posix=True, punctuation_chars="")
    lexer.quotes, lexer.commenters, lexer.whitespace_split = '"', "", True
    return list(lexer)
