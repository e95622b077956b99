"""One call over classic AGI, from its first moment to its last."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import structlog

from ivr.audio.sound import Sound
from ivr.call.agi.startup import received_sighup
from ivr.call.agi.stdio_transport import StdioTransport
from ivr.call.fastagi.call import FastAgiCall
from ivr.call.fastagi.connection import FastAgiConnection
from ivr.call.fastagi.handshake import read_incoming_call
from ivr.call.fastagi.loop_lag import LoopLagMonitor
from ivr.call.journal import Journal
from ivr.call.typeahead import Typeahead
from ivr.errors import CallFailed, HungUp

log = structlog.get_logger()


async def run_call(
    agi: Any,
    words: Sequence[str],
    handle_call: Callable[[FastAgiCall], Awaitable[None]],
    silence: Sound,
    secret: str,
    monotonic: Callable[[], float],
) -> None:
    """Let `answer(call)` have the call that `agi`, pyst2's, has opened. `words`: "check" or "leave", and the arguments.

    Raises nothing of what may happen to a call. A signal ends the call as a hang-up does: what was begun is finished.
    """
    pulse = LoopLagMonitor()
    pulse.start()
    connection = FastAgiConnection(lambda _: None, lambda _: None, pulse.is_lagging)
    connection.set_headers(agi.env)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, connection.mark_hung_up)
    if received_sighup(agi):  # Before this loop minded it.
        connection.mark_hung_up()
    pipes = StdioTransport(agi, connection)
    try:
        pipes.open()
        path, *rest = words or ("",)
        arrived = await read_incoming_call(connection, path, rest, secret)
        await handle_call(FastAgiCall(connection, silence, arrived, Journal(monotonic), Typeahead(monotonic)))
    except HungUp:
        log.info("call.gone", reason="hung up before it began")
    except CallFailed as failure:
        log.warning("call.failed", reason=str(failure))
    finally:
        pulse.stop()
        pipes.close()
        await asyncio.sleep(0)  # The connection learns of it by the loop's next turn.
