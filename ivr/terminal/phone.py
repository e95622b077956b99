"""One call from the terminal phone, from dialling to hanging up."""

from __future__ import annotations

import asyncio
import signal
from dataclasses import dataclass

from ivr.errors import CallFailed
from ivr.terminal.asterisk import Asterisk, Line
from ivr.terminal.console import Console, Manner
from ivr.terminal.dialplan import route
from ivr.terminal.keyboard import Keyboard
from ivr.terminal.screen import Screen
from ivr.terminal.sound import Loudspeaker, player


@dataclass(frozen=True, slots=True)
class Subscriber:
    """Whose phone it is. `endpoint` None: a stranger's, known only by what it claims as its number."""

    account: str
    endpoint: str | None
    caller: str
    secret: str
    """What the service's own Asterisk knows; "" where this phone may not know it."""


async def dial(number: str, subscriber: Subscriber, address: tuple[str, int], manner: Manner) -> str:
    """Dial, and stay until the call is over; gives its IVRSTATUS.

    Raises `BadArgument` for a number that leads nowhere, `CallFailed` where no service answers.
    """
    led = route(number, subscriber.account)
    device = subscriber.endpoint or "stranger"
    line = Line(
        path=led.path,
        arguments=led.arguments,
        channel=f"PJSIP/{device}-00000001",
        caller=subscriber.caller,
        functions=_functions(subscriber),
    )
    keyboard = Keyboard()
    screen = Screen()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, keyboard.hook.set)
    keyboard.open()
    try:
        screen.note(f"☎ {device} dials {number}   (keys 0-9 * #, h hangs up)")
        console = Console(keyboard, screen, Loudspeaker(None if manner.fast else player()), manner)
        status = await Asterisk(line, console).call(*address)
    except OSError as error:
        host, port = address
        raise CallFailed(f"no service answers at {host}:{port}: start it with 'ivr serve' ({error})") from error
    finally:
        keyboard.close()
        loop.remove_signal_handler(signal.SIGINT)
    screen.note(f"☎ the call is over ({status or 'the service gave no status'})")
    return status


def _functions(subscriber: Subscriber) -> dict[str, str]:
    """What the dialplan's expressions give on this call."""
    if subscriber.endpoint is None:
        return {"GLOBAL(IVR_SECRET)": subscriber.secret}
    return {
        "GLOBAL(IVR_SECRET)": subscriber.secret,
        f"PJSIP_ENDPOINT({subscriber.endpoint},auth)": "terminal",
        "REDIRECTING(count)": "0",
    }
