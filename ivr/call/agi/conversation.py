"""One call over classic AGI, from its first moment to its last."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import structlog

from ivr.audio.sound import Sound
from ivr.call.agi.opening import has_hung_up
from ivr.call.agi.pipes import Pipes
from ivr.call.fastagi.arriving import arrival
from ivr.call.fastagi.call import FastAgiCall
from ivr.call.fastagi.connection import Connection
from ivr.call.fastagi.pulse import Pulse
from ivr.call.journal import Journal
from ivr.call.typeahead import Typeahead
from ivr.errors import CallFailed, HungUp

log = structlog.get_logger()


async def converse(
    agi: Any, words: Sequence[str], answer: Callable[[FastAgiCall], Awaitable[None]], silence: Sound, secret: str,
    monotonic: Callable[[], float],
) -> None:  # fmt: skip
    """Let `answer(call)` have the call that `agi`, pyst2's, has opened. `words`: "check" or "leave", and the arguments.

    Raises nothing of what may happen to a call. A signal ends the call as a hang-up does: what was begun is finished.
    """
    pulse = Pulse()
    pulse.start()
    connection = Connection(lambda _: None, lambda _: None, pulse.is_late)
    connection.begin_with(agi.env)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, connection.caller_is_gone)
    if has_hung_up(agi):  # Before this loop minded it.
        connection.caller_is_gone()
    pipes = Pipes(agi, connection)
    try:
        pipes.open()
        path, *rest = words or ("",)
        arrived = await arrival(connection, path, rest, secret)
        await answer(FastAgiCall(connection, silence, arrived, Journal(monotonic), Typeahead(monotonic)))
    except HungUp:
        log.info("call.gone", reason="hung up before it began")
    except CallFailed as failure:
        log.warning("call.failed", reason=str(failure))
    finally:
        pulse.stop()
        pipes.close()
        await asyncio.sleep(0)  # The connection learns of it by the loop's next turn.
