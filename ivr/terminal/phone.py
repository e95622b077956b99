"""One call from the terminal phone, from dialling to hanging up."""

from __future__ import annotations

import asyncio
import signal
from dataclasses import dataclass

from ivr.errors import CallFailed
from ivr.terminal.dialplan import find_route
from ivr.terminal.fake_asterisk import AgiRequest, FakeAsterisk
from ivr.terminal.handset import PhoneOptions, TerminalHandset
from ivr.terminal.keyboard import Keyboard
from ivr.terminal.screen import Screen
from ivr.terminal.sound import Loudspeaker, player_command


@dataclass(frozen=True, slots=True)
class PhoneIdentity:
    """Whose phone it is. `endpoint` None: a stranger's, known only by what it claims as its number."""

    account_id: str
    endpoint: str | None
    caller_number: str
    asterisk_secret: str
    """What the service's own Asterisk knows; "" where this phone may not know it."""


async def dial(number: str, identity: PhoneIdentity, address: tuple[str, int], options: PhoneOptions) -> str:
    """Dial, and stay until the call is over; gives its IVR_STATUS.

    Raises `BadArgument` for a number that leads nowhere, `CallFailed` where no service answers.
    """
    led = find_route(number, identity.account_id)
    device = identity.endpoint or "stranger"
    line = AgiRequest(
        path=led.path,
        arguments=led.arguments,
        channel=f"PJSIP/{device}-00000001",
        caller_number=identity.caller_number,
        dialplan_functions=_dialplan_functions(identity),
    )
    keyboard = Keyboard()
    screen = Screen()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, keyboard.hangup_event.set)
    keyboard.open()
    try:
        screen.print_line(f"☎ {device} dials {number}   (keys 0-9 * #, h hangs up)")
        console = TerminalHandset(keyboard, screen, Loudspeaker(None if options.fast else player_command()), options)
        status = await FakeAsterisk(line, console).connect_and_run(*address)
    except OSError as error:
        host, port = address
        raise CallFailed(f"no service answers at {host}:{port}: start it with 'ivr serve' ({error})") from error
    finally:
        keyboard.close()
        loop.remove_signal_handler(signal.SIGINT)
    screen.print_line(f"☎ the call is over ({status or 'the service gave no status'})")
    return status


def _dialplan_functions(identity: PhoneIdentity) -> dict[str, str]:
    """What the dialplan's expressions give on this call."""
    if identity.endpoint is None:
        return {"GLOBAL(IVR_SECRET)": identity.asterisk_secret}
    return {
        "GLOBAL(IVR_SECRET)": identity.asterisk_secret,
        f"PJSIP_ENDPOINT({identity.endpoint},auth)": "terminal",
        "REDIRECTING(count)": "0",
    }
