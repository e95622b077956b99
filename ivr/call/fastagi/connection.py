"""One FastAGI socket: a command at a time, its reply, and an ear that never closes.

Keys pressed while no AGI command runs are lost, unless a command follows within about 80 ms. So soon after a reply to
which no next command is known yet, the connection plays silence with all keys enabled. (Not at once: most often the
next sound follows within a few milliseconds, and each start of a silence costs the caller a frame of 20 ms.)

The next command ends that silence *without a reply of its own*, except when a key came at the same instant; a NOOP
between the two tells the cases apart, for its reply alone has no "endpos". And two lines that Asterisk reads together
are a trap: it sees the second only when more arrives. So a NOOP that is not answered soon is followed by a space.
Where the watchdog's limit has to be moved, that takes the place of the NOOP.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from contextlib import suppress

from ivr.call.fastagi import protocol
from ivr.call.fastagi.protocol import Reply
from ivr.call.variables import ABSOLUTE_TIMEOUT_VARIABLE
from ivr.call.watchdog import Watchdog
from ivr.errors import CallFailed, ConnectionLost, HungUp

MAX_LINE_BYTES = 4096
MAX_HEADER_BYTES = 16384
"""Bytes."""
RECORD_COMMAND = b"RECORD FILE"
REPLY_TIMEOUT_S = 10
"""How long Asterisk may take for a command that does not play or record."""
IDLE_LISTEN_DELAY_S = 0.02
"""How long after a reply the silence begins, while the loop is on time."""
WAKE_READER_AFTER_S = 0.004
"""How long a NOOP may go unanswered before it is taken to lie in Asterisk's buffer. Its answer takes 0.4 ms."""


class FastAgiConnection(asyncio.Protocol):
    """`greeted` is called once, when the header block is complete; `lost`, once, when the socket is gone."""

    def __init__(
        self,
        on_header: Callable[[FastAgiConnection], None],
        on_disconnect: Callable[[FastAgiConnection], None],
        is_loop_lagging: Callable[[], bool] = lambda: False,
    ) -> None:
        self.headers: dict[str, str] = {}
        self.hung_up = False
        self.on_key: Callable[[str], None] = lambda key: None
        """Called with each key that is pressed while no command of ours waits for one."""
        self._on_header = on_header
        self._on_disconnect = on_disconnect
        self._is_loop_lagging = is_loop_lagging
        self._transport: asyncio.Transport | None = None
        self._closed = False
        self._buffer = b""
        self._header_bytes = 0
        self._in_header = True
        self._in_usage = False
        self._idle_command = b""
        self._idle_listening = False
        self._idle_listen_timer: asyncio.Handle | None = None
        self._idle_listen_end: asyncio.Future[None] | None = None
        self._pending_reply: asyncio.Future[Reply] | None = None
        self._is_recording = False
        self._watchdog: Watchdog | None = None

    def set_headers(self, headers: Mapping[str, str]) -> None:
        """The header block has been read by somebody else."""
        self.headers = dict(headers)
        self._in_header = False

    def mark_hung_up(self) -> None:
        """Asterisk has told of a hang-up in another way than by a line."""
        self.hung_up = True

    # -- commands ------------------------------------------------------------------------------------------------

    def set_idle_command(self, name: str, *arguments: object) -> None:
        """From now on, listen by this command whenever no other is in flight."""
        self._idle_command = protocol.format_command(name, *arguments)
        self._start_idle_listen()

    async def send_command(
        self, name: str, *arguments: object, timeout_s: float = REPLY_TIMEOUT_S, allow_dead_channel: bool = False
    ) -> Reply:
        """Send one command and give its reply.

        Raises `HungUp` when the caller is gone (with `also_dead` only when the socket is gone), `CallFailed` when
        Asterisk does not answer within `within_s` seconds or does not know the command.
        """
        line = protocol.format_command(name, *arguments)
        await self.stop_idle_listen(timeout_s)
        if self.hung_up and not allow_dead_channel:
            raise HungUp
        if self._watchdog and not self.hung_up and (seconds := self._watchdog.renew(timeout_s)):
            await self._exchange(_absolute_timeout_command(seconds), REPLY_TIMEOUT_S)
        answer = await self._exchange(line, timeout_s)
        if answer.code == protocol.DEAD_CHANNEL:
            self.hung_up = True
            raise HungUp
        if answer.code != 200:
            raise CallFailed(f"Asterisk refused {name}: {answer.code} {answer.data}")
        return answer

    def start_watchdog(self) -> None:
        """From now on the dialplan takes the call back unless it hears of us (`watchdog`)."""
        self._watchdog = Watchdog(asyncio.get_running_loop().time)

    async def stop_watchdog(self) -> None:
        """The call may last as long as it likes."""
        if self._watchdog:
            self._watchdog = None
            await self.stop_idle_listen()
            await self._exchange(_absolute_timeout_command(0), REPLY_TIMEOUT_S)

    async def stop_idle_listen(self, timeout_s: float = REPLY_TIMEOUT_S) -> None:
        """End the silence, if it is in flight; keys that come meanwhile are still heard. It begins again by itself
        unless a command follows soon, which may take `within_s`."""
        if not self._idle_listening:
            return
        seconds = self._watchdog.renew(timeout_s, piggybacked=True) if self._watchdog else None
        self._write(_absolute_timeout_command(seconds) if seconds else protocol.format_command("NOOP"))
        self._idle_listen_end = asyncio.get_running_loop().create_future()
        nudges = asyncio.get_running_loop().call_later(
            WAKE_READER_AFTER_S, self._wake_asterisk_reader, self._idle_listen_end
        )
        try:
            async with asyncio.timeout(REPLY_TIMEOUT_S):
                await self._idle_listen_end
        except TimeoutError:
            raise self._close_on_timeout(f"no end of the silence within {REPLY_TIMEOUT_S} s") from None
        finally:
            nudges.cancel()
            self._idle_listen_end = None

    def _wake_asterisk_reader(self, idle_listen_end: asyncio.Future[None]) -> None:
        """A space, which means nothing, makes Asterisk look into its buffer."""
        if not idle_listen_end.done() and self._transport and not self._transport.is_closing():
            self._transport.write(b" ")
            asyncio.get_running_loop().call_later(WAKE_READER_AFTER_S, self._wake_asterisk_reader, idle_listen_end)

    @property
    def header_received(self) -> bool:
        """Whether the header block has been read to its end."""
        return not self._in_header

    def close(self) -> None:
        """Give the call back to the dialplan."""
        self._closed = True
        if self._transport:
            self._transport.close()

    async def _exchange(self, line: bytes, timeout_s: float) -> Reply:
        if self._pending_reply:
            raise CallFailed("two commands at a time on one call")
        self._write(line)
        self._pending_reply = asyncio.get_running_loop().create_future()
        self._is_recording = line.startswith(RECORD_COMMAND)
        try:
            async with asyncio.timeout(timeout_s):
                return await self._pending_reply
        except TimeoutError:
            raise self._close_on_timeout(f"no reply to {line[:40]!r} within {timeout_s} s") from None
        finally:
            self._pending_reply = None
            self._is_recording = False

    def _write(self, line: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            raise HungUp
        if self._idle_listen_timer:
            self._idle_listen_timer.cancel()
        self._transport.write(line)

    def _close_on_timeout(self, reason: str) -> CallFailed:
        self.close()
        return CallFailed(reason)

    def _schedule_idle_listen(self) -> None:
        """Listen unless a command follows. The task that has just got its answer runs first and may know one."""
        loop = asyncio.get_running_loop()
        if self._is_loop_lagging():  # In the next turn, before the input of other calls and their timers.
            self._idle_listen_timer = loop.call_soon(self._start_idle_listen)
        else:
            self._idle_listen_timer = loop.call_later(IDLE_LISTEN_DELAY_S, self._start_idle_listen)

    def _start_idle_listen(self) -> None:
        if (
            self._pending_reply
            or self._idle_listen_end
            or self._idle_listening
            or self.hung_up
            or not self._idle_command
        ):
            return
        if self._transport and not self._transport.is_closing():
            self._transport.write(self._idle_command)
            self._idle_listening = True

    # -- what Asterisk sends ---------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if self._closed:
            transport.close()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        *lines, self._buffer = self._buffer.split(b"\n")
        try:
            for line in lines:
                self._on_line(line.rstrip(b"\r"))
            if len(self._buffer) > MAX_LINE_BYTES:
                raise CallFailed(f"a line of more than {MAX_LINE_BYTES} bytes")
        except CallFailed as failure:
            self._abort(failure)

    def connection_lost(self, error: Exception | None) -> None:
        if error:
            self._read_rest()
        self._fail_pending(self._reason_of_loss())
        self.hung_up = True
        self._on_disconnect(self)

    def _read_rest(self) -> None:
        """Read the lines that have arrived: writing found the connection reset before they were read."""
        socket = self._transport.get_extra_info("socket") if self._transport else None
        if socket is not None:
            with suppress(OSError):
                while data := os.read(socket.fileno(), MAX_LINE_BYTES):
                    self.data_received(data)

    def _reason_of_loss(self) -> Exception:
        """Return what a lost connection means for the command in flight.

        Asterisk closes the socket of a call that was hung up. It sends HANGUP first, but that line can be lost: it is
        written without TCP_NODELAY, so it waits until its predecessor is acknowledged; and if a command of ours is
        unread when Asterisk closes, the kernel sends a reset and discards what is waiting. So a lost connection is a
        hang-up. The exception is a recording: Asterisk may be recording on, and the take must not count as complete.
        """
        if self._closed:
            return CallFailed("the service is stopping")
        if self._is_recording and not self.hung_up:
            return ConnectionLost("the connection to Asterisk was lost during a recording")
        return HungUp()

    def _on_line(self, raw: bytes) -> None:
        line = raw.decode("utf-8", "replace")
        if self._in_header:
            self._on_header_line(line)
        elif line == "HANGUP":
            self.hung_up = True
        elif self._in_usage or protocol.is_usage_start(line):
            self._in_usage = not protocol.is_usage_end(line)
            if not self._in_usage:
                self._on_reply(protocol.parse_reply(line))
        elif line:
            self._on_reply(protocol.parse_reply(line))

    def _on_header_line(self, line: str) -> None:
        self._header_bytes += len(line) + 1
        if self._header_bytes > MAX_HEADER_BYTES:
            raise CallFailed(f"a header block of more than {MAX_HEADER_BYTES} bytes")
        if line:
            name, value = protocol.parse_header(line)
            self.headers.setdefault(name, value)  # What a line break in an argument forges comes later.
        else:
            self._in_header = False
            self._on_header(self)

    def _on_reply(self, reply: Reply) -> None:
        if self._idle_listening:
            self._idle_listening = False
            if reply.endpos is not None:
                self._on_idle_listen_done(reply)
                return
        if self._idle_listen_end and not self._idle_listen_end.done():
            self._idle_listen_end.set_result(None)
            self._schedule_idle_listen()
        elif self._pending_reply and not self._pending_reply.done():
            self._pending_reply.set_result(reply)
            self._schedule_idle_listen()
        else:
            raise CallFailed("a reply that nothing asked for")

    def _on_idle_listen_done(self, reply: Reply) -> None:
        if key := reply.key:
            self.on_key(key)
        elif reply.result == "-1":
            # The channel is gone; or, at the very beginning, Asterisk cannot play the file of silence.
            self._idle_command = b""
            self.hung_up = self.hung_up or bool(reply.endpos)
        self._start_idle_listen()

    def _abort(self, failure: CallFailed) -> None:
        self._fail_pending(failure)
        if self._transport:
            self._transport.abort()

    def _fail_pending(self, reason: Exception) -> None:
        for waiting in (self._pending_reply, self._idle_listen_end):
            if waiting and not waiting.done():
                waiting.set_exception(reason)


def _absolute_timeout_command(seconds: int) -> bytes:
    """Have the call end that many seconds from now; 0: never."""
    return protocol.format_command("SET VARIABLE", ABSOLUTE_TIMEOUT_VARIABLE, seconds)
