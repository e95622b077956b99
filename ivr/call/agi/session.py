"""One call over classic AGI, from its header to its end."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import structlog

from ivr.audio.formats import Sound
from ivr.call.agi.stdio_transport import StdioTransport, received_sighup
from ivr.call.fastagi.call import FastAgiCall
from ivr.call.fastagi.connection import FastAgiConnection
from ivr.call.fastagi.server import LoopLagMonitor, read_incoming_call
from ivr.call.journal import Journal
from ivr.call.owner_proof import OwnerProof
from ivr.call.typeahead import Typeahead
from ivr.errors import CallFailed, HungUp

log = structlog.get_logger()


async def run_call(
    agi: Any,
    words: Sequence[str],
    handle_call: Callable[[FastAgiCall], Awaitable[None]],
    silence: Sound,
    owner_proof: OwnerProof,
    monotonic: Callable[[], float],
) -> None:
    """Run `handle_call` for the call that pyst2's `agi` has opened. `words`: "check" or "leave", and the arguments.
    `owner_proof`: how a call proves that it is of our own Asterisk.

    Raises neither `HungUp` nor `CallFailed`. A signal counts as a hang-up: operations in progress are completed.
    """
    loop_lag = LoopLagMonitor(lambda stall_ms: connection.on_stall(stall_ms))
    loop_lag.start()
    connection = FastAgiConnection(lambda _: None, lambda _: None, loop_lag.is_lagging)
    connection.set_headers(agi.env)
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, connection.mark_hung_up)
    if received_sighup(agi):  # Before the handlers were installed.
        connection.mark_hung_up()
    transport = StdioTransport(agi, connection)
    try:
        transport.open()
        path, *arguments = words or ("",)
        incoming = await read_incoming_call(connection, path, arguments, owner_proof)
        await handle_call(FastAgiCall(connection, silence, incoming, Journal(monotonic), Typeahead(monotonic)))
    except HungUp:
        log.info("call.gone", reason="hung up before it began")
    except CallFailed as failure:
        log.warning("call.failed", reason=str(failure))
    finally:
        loop_lag.stop()
        transport.close()
        await asyncio.sleep(0)  # `connection_lost` is called in the next turn of the loop.
