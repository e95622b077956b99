"""FastAGI connection: one command in flight, and keys are read between commands too (by streaming silence).

Keys pressed while no AGI command runs are lost, unless a command follows within about 80 ms. So if no command follows
soon after a reply, the connection starts an idle listen: it streams silence with all keys enabled. (Not immediately:
the next sound usually follows within a few milliseconds, and each start of the silence costs the caller a frame of 20
ms.)

The next command ends the silence *without a reply of its own*, except if a key came at the same instant. A NOOP between
the two makes the cases distinguishable, because its reply has no "endpos". If the limit of the watchdog has to be
renewed, that command replaces the NOOP.

Two lines that Asterisk reads at once are a trap: it processes the second only when more arrives. So a NOOP that is not
answered soon is followed by another one, and the next command waits until each has its reply. Only whole lines are
written: Asterisk reads a line that has begun in a loop without a pause, at real-time priority, until its end is there.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress

from ivr.call.fastagi import protocol
from ivr.call.fastagi.protocol import Reply
from ivr.call.incoming import ABSOLUTE_TIMEOUT_VARIABLE
from ivr.call.silent_connections import peer_address
from ivr.call.watchdog import Watchdog
from ivr.errors import CallFailed, ConnectionLost, HungUp

MAX_LINE_BYTES = 4096
MAX_HEADER_BYTES = 16384
RECORD_COMMAND = b"RECORD FILE"
NOOP = b"NOOP\n"
REPLY_TIMEOUT_S = 10
"""Seconds that Asterisk may take for a command that neither plays nor records."""
IDLE_LISTEN_DELAY_S = 0.02
"""Seconds from a reply to the start of the silence, while the loop is punctual."""
WAKE_READER_AFTER_S = 0.004
"""Seconds after which an unanswered NOOP is assumed to wait in Asterisk's buffer. Its reply takes 0.4 ms. Doubled each
time, because a machine that is late needs no more lines; after a reply it is no longer late."""


class FastAgiConnection(asyncio.Protocol):
    """`on_header` is called once, when the header block is complete; `on_disconnect` once, when the socket is
    closed."""

    def __init__(
        self,
        on_header: Callable[[FastAgiConnection], None],
        on_disconnect: Callable[[FastAgiConnection], None],
        is_loop_lagging: Callable[[], bool] = lambda: False,
        *,
        on_connect: Callable[[FastAgiConnection], None] = lambda connection: None,
    ) -> None:
        self.headers: dict[str, str] = {}
        self.hung_up = False
        self.on_key: Callable[[str], None] = lambda key: None
        """Called with each key that is pressed while no command of a menu waits for one."""
        self.on_stall: Callable[[int], None] = lambda stall_ms: None
        """Called when the loop stood still so long, in ms, that Asterisk may have dropped a key."""
        self._on_header = on_header
        self._on_disconnect = on_disconnect
        self._is_loop_lagging = is_loop_lagging
        self._on_connect = on_connect
        self.peer = ""
        """Address of the peer."""
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
        self._unanswered_noops = 0
        self._wake_timer: asyncio.TimerHandle
        self._pending_reply: asyncio.Future[Reply] | None = None
        self._is_recording = False
        self._watchdog: Watchdog | None = None

    def set_headers(self, headers: Mapping[str, str]) -> None:
        """Set a header block that was read elsewhere."""
        self.headers = dict(headers)
        self._in_header = False

    def mark_hung_up(self) -> None:
        """Note a hang-up that was reported in another way than by a line."""
        self.hung_up = True

    # -- commands ------------------------------------------------------------------------------------------------

    def set_idle_command(self, name: str, *arguments: object) -> None:
        """Set the command of the idle listen, and start it whenever no other command is in flight from now on."""
        self._idle_command = protocol.format_command(name, *arguments)
        self._start_idle_listen()

    async def send_command(
        self, name: str, *arguments: object, timeout_s: float = REPLY_TIMEOUT_S, allow_dead_channel: bool = False
    ) -> Reply:
        """Send one command and return its reply.

        Raises `HungUp` if the caller has hung up (with `allow_dead_channel` only if the socket is closed), and
        `CallFailed` if Asterisk does not reply within `timeout_s` seconds or rejects the command.
        """
        line = protocol.format_command(name, *arguments)
        await self.stop_idle_listen(timeout_s)
        if self.hung_up and not allow_dead_channel:
            raise HungUp
        if self._watchdog and not self.hung_up and (seconds := self._watchdog.renew(timeout_s)):
            await self._exchange(_absolute_timeout_command(seconds), REPLY_TIMEOUT_S)
        reply = await self._exchange(line, timeout_s)
        if reply.code == protocol.DEAD_CHANNEL:
            self.hung_up = True
            raise HungUp
        if reply.code != 200:
            raise CallFailed(f"Asterisk refused {name}: {reply.code} {reply.data}")
        return reply

    def start_watchdog(self) -> None:
        """Renew the time limit of the call from now on; the dialplan takes the call back when it is reached
        (`watchdog`)."""
        self._watchdog = Watchdog(asyncio.get_running_loop().time)

    async def stop_watchdog(self) -> None:
        """Remove the time limit of the call."""
        if self._watchdog:
            self._watchdog = None
            await self.stop_idle_listen()
            await self._exchange(_absolute_timeout_command(0), REPLY_TIMEOUT_S)

    async def stop_idle_listen(self, timeout_s: float = REPLY_TIMEOUT_S) -> None:
        """End the idle listen, if one is in flight; keys that come meanwhile are still reported.

        It starts again unless a command follows soon. `timeout_s`: how long that command may take.
        """
        if not self._idle_listening:
            return
        seconds = self._watchdog.renew(timeout_s, piggybacked=True) if self._watchdog else None
        self._write(_absolute_timeout_command(seconds) if seconds else NOOP)
        self._unanswered_noops = 1
        self._idle_listen_end = asyncio.get_running_loop().create_future()
        self._schedule_wake(WAKE_READER_AFTER_S)
        try:
            async with asyncio.timeout(REPLY_TIMEOUT_S):
                await self._idle_listen_end
        except TimeoutError:
            raise self._close_on_timeout(f"the idle listen did not end within {REPLY_TIMEOUT_S} s") from None
        finally:
            self._wake_timer.cancel()
            self._idle_listen_end = None

    def _schedule_wake(self, delay_s: float) -> None:
        self._wake_timer = asyncio.get_running_loop().call_later(delay_s, self._wake_asterisk_reader, delay_s)

    def _wake_asterisk_reader(self, waited_s: float) -> None:
        """Send a further NOOP, which makes Asterisk read its buffer."""
        if self._unanswered_noops and self._transport and not self._transport.is_closing():
            self._transport.write(NOOP)
            self._unanswered_noops += 1
            self._schedule_wake(2 * waited_s)

    @property
    def header_received(self) -> bool:
        """Whether the header block is complete."""
        return not self._in_header

    def close(self) -> None:
        """Return the call to the dialplan."""
        self._closed = True
        if self._transport:
            self._transport.close()

    async def _exchange(self, line: bytes, timeout_s: float) -> Reply:
        if self._pending_reply:
            raise CallFailed("a second command while one is in flight")
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
        """Start an idle listen unless a command follows. The task that waits for the reply runs first and may send
        one."""
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

    # -- input from Asterisk ---------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if self._closed:
            transport.close()
        self.peer = peer_address(transport.get_extra_info("peername"))
        self._on_connect(self)

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
        connected = self._transport.get_extra_info("socket") if self._transport else None
        if connected is not None:
            with suppress(OSError):
                while data := os.read(connected.fileno(), MAX_LINE_BYTES):
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
            self.headers.setdefault(name, value)  # A header forged by a line break in an argument comes later.
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
            self._unanswered_noops -= 1
            if self._unanswered_noops:  # Asterisk runs again, and may have read them all at once.
                self._acknowledge_now()
                self._wake_timer.cancel()
                self._schedule_wake(WAKE_READER_AFTER_S)
            else:
                self._idle_listen_end.set_result(None)
                self._schedule_idle_listen()
        elif self._pending_reply and not self._pending_reply.done():
            self._pending_reply.set_result(reply)
            self._schedule_idle_listen()
        else:
            raise CallFailed("a reply without a command")

    def _acknowledge_now(self) -> None:
        """Have the kernel acknowledge what has arrived (tcp(7)): Asterisk's next reply waits for that, 40 ms by
        default."""
        connected = self._transport.get_extra_info("socket") if self._transport else None
        if connected is not None and sys.platform == "linux":
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

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
        for future in (self._pending_reply, self._idle_listen_end):
            if future and not future.done():
                future.set_exception(reason)


def _absolute_timeout_command(seconds: int) -> bytes:
    """Format the command that sets the time limit of the call, in seconds from now; 0 removes it."""
    return protocol.format_command("SET VARIABLE", ABSOLUTE_TIMEOUT_VARIABLE, seconds)
