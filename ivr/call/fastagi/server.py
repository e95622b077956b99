"""The FastAGI server: accepts Asterisk's connections and runs `handle_call` for each call.

A peer that sends nothing, half a header, or too much of anything is disconnected without effect on other calls. This
server replaces panoramisk's, which stops serving all calls after a port probe.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl

import structlog

from ivr.audio.formats import Sound
from ivr.call import arguments, incoming
from ivr.call.arguments import Action
from ivr.call.fastagi.call import NO_CHANNEL_CHECK, ChannelCheck, FastAgiCall
from ivr.call.fastagi.connection import FastAgiConnection
from ivr.call.incoming import IncomingCall, present_caller
from ivr.call.journal import Journal
from ivr.call.owner_proof import NOTHING_PROVEN, OwnerProof, Proof
from ivr.call.silent_connections import SilentConnections
from ivr.call.typeahead import Typeahead
from ivr.errors import CallFailed, HungUp

BACKLOG = 512
"""Connections that wait until they are accepted."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class FastAgiLimits:
    """Limits of one server."""

    max_calls: int = 500
    """Calls at a time. Further connections are closed at once; their dialplan continues without the service."""
    header_timeout_s: float = 5.0
    """Seconds that a peer may take for its header block."""
    max_silent: int = 100
    """Connections without a header; beyond it one of the address that has most of them is closed."""
    max_silent_per_address: int = 50
    """0: no limit."""


class FastAgiServer:
    """`handle_call(call)` runs one call to its end; `monotonic` returns seconds.

    `owner_proof`: how a call proves that it is of our own Asterisk.
    """

    def __init__(
        self,
        handle_call: Callable[[FastAgiCall], Awaitable[None]],
        silence: Sound,
        owner_proof: OwnerProof,
        monotonic: Callable[[], float],
        limits: FastAgiLimits = FastAgiLimits(),
        channel_check: ChannelCheck = NO_CHANNEL_CHECK,
    ) -> None:
        self._handle_call = handle_call
        self._silence = silence
        self._owner_proof = owner_proof
        self._monotonic = monotonic
        self._limits = limits
        self._channel_check = channel_check
        self._listener: asyncio.Server | None = None
        self._connections: set[FastAgiConnection] = set()
        self._silent = SilentConnections(limits.max_silent, limits.max_silent_per_address, self._drop_silent)
        """Connections without a header. They are no calls."""
        self._call_tasks: set[asyncio.Task[None]] = set()
        self._loop_lag = LoopLagMonitor(self._on_stall)

    async def start(self, host: str, port: int, listener: socket.socket | None = None) -> tuple[str, int]:
        """Start listening and return the address; `port` 0 chooses a free port.

        `listener`: a socket that listens there already.
        """
        loop = asyncio.get_running_loop()
        if listener:
            self._listener = await loop.create_server(self._accept, sock=listener, backlog=BACKLOG)
        else:
            self._listener = await loop.create_server(self._accept, host, port, backlog=BACKLOG)
        address = self._listener.sockets[0].getsockname()
        return str(address[0]), int(address[1])

    async def stop(self, grace_period_s: float = 5.0) -> None:
        """Accept no more calls, return those in progress to the dialplan, and wait for their clean-up."""
        self._loop_lag.stop()
        if self._listener:
            self._listener.close()
        for connection in list(self._connections):
            connection.close()
        if self._call_tasks:
            await asyncio.wait(self._call_tasks, timeout=grace_period_s)
        await asyncio.sleep(0)  # Sockets are closed in the next turn of the loop.

    def _accept(self) -> FastAgiConnection:
        return FastAgiConnection(
            self._on_header, self._on_disconnect, self._loop_lag.is_lagging, on_connect=self._on_connect
        )

    def _on_connect(self, connection: FastAgiConnection) -> None:
        if self._is_full():
            connection.close()
            return
        self._silent.add(connection, connection.peer)
        if not self._connections:
            self._loop_lag.start()  # Between calls it is not needed, and each tick costs processor time.
        self._connections.add(connection)
        asyncio.get_running_loop().call_later(self._limits.header_timeout_s, self._on_header_timeout, connection)

    def _drop_silent(self, connection: FastAgiConnection) -> None:
        log.info("call.dropped", reason="too many connections without a header", peer=connection.peer)
        self._connections.discard(connection)
        connection.close()

    def _is_full(self) -> bool:
        is_full = len(self._connections) - len(self._silent) >= self._limits.max_calls
        if is_full:
            log.warning("call.refused", reason="too many calls", limit=self._limits.max_calls)
        return is_full

    def _on_disconnect(self, connection: FastAgiConnection) -> None:
        self._connections.discard(connection)
        self._silent.discard(connection)
        if not self._connections:
            self._loop_lag.stop()

    def _on_stall(self, stall_ms: int) -> None:
        log.info("service.late", ms=stall_ms, calls=len(self._connections) - len(self._silent))
        for connection in self._connections:
            connection.on_stall(stall_ms)

    def _on_header_timeout(self, connection: FastAgiConnection) -> None:
        if connection in self._connections and not connection.header_received:
            log.info("call.dropped", reason="no AGI header within the time limit")
            connection.close()

    def _on_header(self, connection: FastAgiConnection) -> None:
        if self._is_full():
            connection.close()
            return
        self._silent.discard(connection)
        task = asyncio.get_running_loop().create_task(self._serve(connection))
        self._call_tasks.add(task)
        task.add_done_callback(self._call_tasks.discard)

    async def _serve(self, connection: FastAgiConnection) -> None:
        try:
            call = FastAgiCall(
                connection,
                self._silence,
                await read_incoming_call(connection, *_parse_request(connection.headers), self._owner_proof),
                Journal(self._monotonic),
                Typeahead(self._monotonic),
                self._channel_check,
            )
            await self._handle_call(call)
        except HungUp:
            log.info("call.gone", reason="hung up before it began")
        except CallFailed as failure:
            log.warning("call.failed", reason=str(failure))
        finally:
            connection.close()


def _parse_request(headers: Mapping[str, str]) -> tuple[str, list[str]]:
    """Return the path of the URL and its arguments, in the order of the dialplan."""
    path, _, query = headers.get("agi_network_script", "").partition("?")
    arguments = [headers[name] for name in sorted(headers, key=_argument_index) if name.startswith("agi_arg_")]
    return path, arguments + [f"{name}={value}" for name, value in parse_qsl(query)]


def _argument_index(name: str) -> int:
    digits = name.rpartition("_")[2]
    return int(digits) if digits.isdecimal() and len(digits) < 9 else 0


async def read_incoming_call(
    connection: FastAgiConnection, path: str, words: Sequence[str], owner_proof: OwnerProof
) -> IncomingCall:
    """Return the call on `connection`, which the dialplan has sent to `path` with `words`.

    Raises `HungUp`, `CallFailed`.
    """
    headers = connection.headers
    parsed, warnings = arguments.parse(path, words)
    for warning in warnings:
        log.warning("dialplan.argument", warning=warning, channel=headers.get("agi_channel"))
    if parsed.watchdog:
        connection.start_watchdog()
    proof = await _verify_identity(connection, parsed.action, owner_proof)
    caller_number, caller_name = present_caller(
        _empty_if_unknown(headers.get("agi_callerid", "")),
        _empty_if_unknown(headers.get("agi_calleridname", "")),
        headers.get("agi_callingpres", ""),
    )
    return IncomingCall(
        channel=headers.get("agi_channel", ""),
        uniqueid=headers.get("agi_uniqueid", ""),
        arguments=parsed,
        caller_number=caller_number,
        caller_name=caller_name,
        language=headers.get("agi_language", "en"),
        endpoint=proof.endpoint,
        forwarded=proof.is_forwarded,
        is_proven=proof.is_own_asterisk,
    )


async def _verify_identity(connection: FastAgiConnection, action: Action | None, owner_proof: OwnerProof) -> Proof:
    """Return what is proven of the call; in one round trip."""
    request = owner_proof.request(incoming.endpoint_of(connection.headers.get("agi_channel", "")), action)
    if request is None:
        return NOTHING_PROVEN
    reply = await connection.send_command(
        "GET FULL VARIABLE", ":".join(f"${{{expression}}}" for expression in request.expressions)
    )
    count = len(request.expressions)
    *values, last = ((reply.data or "") + ":" * count).split(":", count - 1)
    return request.verify((*values, last.rstrip(":")))


def _empty_if_unknown(value: str) -> str:
    return "" if value == "unknown" else value


TICK_S = 0.02
LAG_THRESHOLD_S = 0.005
"""Seconds of delay from which a tick counts as late: other callbacks will be late, too."""
LAG_MEMORY_TICKS = 50
"""Ticks for which a late tick counts: one second."""
STALL_S = 0.06
"""Seconds of delay of a tick from which a key may be lost: Asterisk drops one about 80 ms after a command, and the loop
may have stood still for up to `TICK_S` before the tick was due."""


class LoopLagMonitor:
    """Ticks in the running loop between `start` and `stop`.

    `on_stall` is called with the delay of a tick in ms, if that is long enough for a key to be lost.
    """

    def __init__(self, on_stall: Callable[[int], None]) -> None:
        self._on_stall = on_stall
        self._ticks_since_lag = LAG_MEMORY_TICKS
        self._next_tick_at = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        self._next_tick_at = asyncio.get_running_loop().time() + TICK_S
        self._timer = asyncio.get_running_loop().call_at(self._next_tick_at, self._tick)

    def stop(self) -> None:
        if self._timer:
            self._timer.cancel()

    def is_lagging(self) -> bool:
        """Return whether the loop was late within the last second, or is now."""
        overdue_s = asyncio.get_running_loop().time() - self._next_tick_at
        return self._ticks_since_lag < LAG_MEMORY_TICKS or overdue_s > LAG_THRESHOLD_S

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        delay_s = loop.time() - self._next_tick_at
        self._ticks_since_lag = 0 if delay_s > LAG_THRESHOLD_S else self._ticks_since_lag + 1
        if delay_s > STALL_S:
            self._on_stall(round(delay_s * 1000))
        self._next_tick_at = loop.time() + TICK_S
        self._timer = loop.call_at(self._next_tick_at, self._tick)
