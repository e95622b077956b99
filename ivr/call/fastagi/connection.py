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
from collections.abc import Callable, Mapping

from ivr.call.fastagi import syntax
from ivr.call.fastagi.syntax import Reply
from ivr.call.names import LIMIT_VARIABLE
from ivr.call.watchdog import Watchdog
from ivr.errors import CallFailed, HungUp

LONGEST_LINE = 4096
LONGEST_HEADER = 16384
"""Bytes."""
ANSWER_WITHIN_S = 10
"""How long Asterisk may take for a command that does not play or record."""
LISTEN_AFTER_S = 0.02
"""How long after a reply the silence begins, while the loop is on time."""
NUDGE_AFTER_S = 0.004
"""How long a NOOP may go unanswered before it is taken to lie in Asterisk's buffer. Its answer takes 0.4 ms."""


class Connection(asyncio.Protocol):
    """`greeted` is called once, when the header block is complete; `lost`, once, when the socket is gone."""

    def __init__(
        self,
        greeted: Callable[[Connection], None],
        lost: Callable[[Connection], None],
        loop_is_late: Callable[[], bool] = lambda: False,
    ) -> None:
        self.headers: dict[str, str] = {}
        self.hung_up = False
        self.heard_key: Callable[[str], None] = lambda key: None
        """Called with each key that is pressed while no command of ours waits for one."""
        self._on_greeting = greeted
        self._on_loss = lost
        self._loop_is_late = loop_is_late
        self._transport: asyncio.Transport | None = None
        self._closed = False
        self._unread = b""
        self._header_bytes = 0
        self._in_header = True
        self._in_usage = False
        self._listening_line = b""
        self._listening = False
        self._listen_later: asyncio.TimerHandle | None = None
        self._quiet: asyncio.Future[None] | None = None
        self._waiter: asyncio.Future[Reply] | None = None
        self._watchdog: Watchdog | None = None

    def begin_with(self, headers: Mapping[str, str]) -> None:
        """The header block has been read by somebody else."""
        self.headers = dict(headers)
        self._in_header = False

    def caller_is_gone(self) -> None:
        """Asterisk has told of a hang-up in another way than by a line."""
        self.hung_up = True

    # -- commands ------------------------------------------------------------------------------------------------

    def listen_with(self, name: str, *arguments: object) -> None:
        """From now on, listen by this command whenever no other is in flight."""
        self._listening_line = syntax.command(name, *arguments)
        self._listen_if_idle()

    async def command(
        self, name: str, *arguments: object, within_s: float = ANSWER_WITHIN_S, also_dead: bool = False
    ) -> Reply:
        """Send one command and give its reply.

        Raises `HungUp` when the caller is gone (with `also_dead` only when the socket is gone), `CallFailed` when
        Asterisk does not answer within `within_s` seconds or does not know the command.
        """
        line = syntax.command(name, *arguments)
        await self.stop_listening(within_s)
        if self.hung_up and not also_dead:
            raise HungUp
        if self._watchdog and not self.hung_up and (seconds := self._watchdog.due(within_s)):
            await self._exchange(_limit(seconds), ANSWER_WITHIN_S)
        answer = await self._exchange(line, within_s)
        if answer.code == syntax.DEAD:
            self.hung_up = True
            raise HungUp
        if answer.code != 200:
            raise CallFailed(f"Asterisk refused {name}: {answer.code} {answer.note}")
        return answer

    def watched(self) -> None:
        """From now on the dialplan takes the call back unless it hears of us (`watchdog`)."""
        self._watchdog = Watchdog(asyncio.get_running_loop().time)

    async def unwatched(self) -> None:
        """The call may last as long as it likes."""
        if self._watchdog:
            self._watchdog = None
            await self.stop_listening()
            await self._exchange(_limit(0), ANSWER_WITHIN_S)

    async def stop_listening(self, within_s: float = ANSWER_WITHIN_S) -> None:
        """End the silence, if it is in flight; keys that come meanwhile are still heard. It begins again by itself
        unless a command follows soon, which may take `within_s`."""
        if not self._listening:
            return
        seconds = self._watchdog.due(within_s, costs_nothing=True) if self._watchdog else None
        self._write(_limit(seconds) if seconds else syntax.command("NOOP"))
        self._quiet = asyncio.get_running_loop().create_future()
        nudges = asyncio.get_running_loop().call_later(NUDGE_AFTER_S, self._nudge, self._quiet)
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                await self._quiet
        except TimeoutError:
            raise self._given_up(f"no end of the silence within {ANSWER_WITHIN_S} s") from None
        finally:
            nudges.cancel()
            self._quiet = None

    def _nudge(self, quiet: asyncio.Future[None]) -> None:
        """A space, which means nothing, makes Asterisk look into its buffer."""
        if not quiet.done() and self._transport and not self._transport.is_closing():
            self._transport.write(b" ")
            asyncio.get_running_loop().call_later(NUDGE_AFTER_S, self._nudge, quiet)

    @property
    def greeted(self) -> bool:
        """Whether the header block has been read to its end."""
        return not self._in_header

    def close(self) -> None:
        """Give the call back to the dialplan."""
        self._closed = True
        if self._transport:
            self._transport.close()

    async def _exchange(self, line: bytes, within_s: float) -> Reply:
        if self._waiter:
            raise CallFailed("two commands at a time on one call")
        self._write(line)
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(within_s):
                return await self._waiter
        except TimeoutError:
            raise self._given_up(f"no reply to {line[:40]!r} within {within_s} s") from None
        finally:
            self._waiter = None

    def _write(self, line: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            raise HungUp
        if self._listen_later:
            self._listen_later.cancel()
        self._transport.write(line)

    def _given_up(self, reason: str) -> CallFailed:
        self.close()
        return CallFailed(reason)

    def _listen_soon(self) -> None:
        """Listen unless a command follows. The task that has just got its answer runs first and may know one."""
        loop = asyncio.get_running_loop()
        after_s = 0 if self._loop_is_late() else LISTEN_AFTER_S
        self._listen_later = loop.call_later(after_s, self._listen_if_idle)

    def _listen_if_idle(self) -> None:
        if self._waiter or self._quiet or self._listening or self.hung_up or not self._listening_line:
            return
        if self._transport and not self._transport.is_closing():
            self._transport.write(self._listening_line)
            self._listening = True

    # -- what Asterisk sends ---------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if self._closed:
            transport.close()

    def data_received(self, data: bytes) -> None:
        self._unread += data
        *lines, self._unread = self._unread.split(b"\n")
        try:
            for line in lines:
                self._line(line.rstrip(b"\r"))
            if len(self._unread) > LONGEST_LINE:
                raise CallFailed(f"a line of more than {LONGEST_LINE} bytes")
        except CallFailed as failure:
            self._give_up(failure)

    def connection_lost(self, error: Exception | None) -> None:
        # Asterisk tells of a hang-up before it closes. Without that the caller may be talking on, be it that we closed
        # the socket or that it broke; then a recording goes on, and is adopted when it is over.
        reason = "the service is stopping" if self._closed else "Asterisk is gone, or the way to it"
        self._fail(HungUp() if self.hung_up and not self._closed else CallFailed(reason))
        self.hung_up = True
        self._on_loss(self)

    def _line(self, raw: bytes) -> None:
        line = raw.decode("utf-8", "replace")
        if self._in_header:
            self._header(line)
        elif line == "HANGUP":
            self.hung_up = True
        elif self._in_usage or syntax.opens_usage(line):
            self._in_usage = not syntax.closes_usage(line)
            if not self._in_usage:
                self._replied(syntax.reply(line))
        elif line:
            self._replied(syntax.reply(line))

    def _header(self, line: str) -> None:
        self._header_bytes += len(line) + 1
        if self._header_bytes > LONGEST_HEADER:
            raise CallFailed(f"a header block of more than {LONGEST_HEADER} bytes")
        if line:
            name, value = syntax.variable(line)
            self.headers.setdefault(name, value)  # What a line break in an argument forges comes later.
        else:
            self._in_header = False
            self._on_greeting(self)

    def _replied(self, answer: Reply) -> None:
        if self._listening:
            self._listening = False
            if answer.endpos is not None:
                self._silence_ended(answer)
                return
        if self._quiet and not self._quiet.done():
            self._quiet.set_result(None)
            self._listen_soon()
        elif self._waiter and not self._waiter.done():
            self._waiter.set_result(answer)
            self._listen_soon()
        else:
            raise CallFailed("a reply that nothing asked for")

    def _silence_ended(self, answer: Reply) -> None:
        if key := answer.key:
            self.heard_key(key)
        elif answer.result == "-1":
            self._listening_line = b""  # The channel is gone: nothing will be heard on it any more.
        self._listen_if_idle()

    def _give_up(self, failure: CallFailed) -> None:
        self._fail(failure)
        if self._transport:
            self._transport.abort()

    def _fail(self, reason: Exception) -> None:
        for waiting in (self._waiter, self._quiet):
            if waiting and not waiting.done():
                waiting.set_exception(reason)


def _limit(seconds: int) -> bytes:
    """Have the call end that many seconds from now; 0: never."""
    return syntax.command("SET VARIABLE", LIMIT_VARIABLE, seconds)
