"""One call from the terminal phone, from dialling to the hang-up."""

from __future__ import annotations

import asyncio
import re
import signal
from dataclasses import dataclass

from ivr.errors import BadArgument, CallFailed, describe_error
from ivr.terminal.fake_asterisk import AgiRequest, FakeAsterisk
from ivr.terminal.handset import PhoneOptions, Screen, TerminalHandset
from ivr.terminal.keyboard import Keyboard
from ivr.terminal.sound import Loudspeaker, player_command
from ivr.validation.networks import format_address


@dataclass(frozen=True, slots=True)
class PhoneIdentity:
    """The phone that calls. `endpoint` None: an unknown phone outside, with an unverified caller number."""

    account_id: str
    endpoint: str | None
    caller_number: str
    asterisk_secret: str
    """The secret that proves a call to come from the service's own Asterisk; "" if this call may not prove it."""


async def dial(number: str, identity: PhoneIdentity, address: tuple[str, int], options: PhoneOptions) -> str:
    """Dial a number, and return IVR_STATUS when the call is over.

    Raises `BadArgument` for an unknown extension, `CallFailed` if no service is reachable.
    """
    route = find_route(number, identity.account_id)
    device = identity.endpoint or "stranger"
    request = AgiRequest(
        path=route.path,
        arguments=route.arguments,
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
        loudspeaker = Loudspeaker(None if options.fast else player_command())
        handset = TerminalHandset(keyboard, screen, loudspeaker, options)
        status = await FakeAsterisk(request, handset).connect_and_run(*address)
    except OSError as error:
        host, port = address
        raise CallFailed(
            f"no service answers at {format_address(host, port)}: start it with 'ivr serve' ({describe_error(error)})"
        ) from error
    finally:
        keyboard.close()
        loop.remove_signal_handler(signal.SIGINT)
    screen.print_line(f"☎ the call is over ({status or 'the service gave no status'})")
    return status


def _dialplan_functions(identity: PhoneIdentity) -> dict[str, str]:
    """Return the values of dialplan expressions for this call."""
    if identity.endpoint is None:
        return {"GLOBAL(IVR_SECRET)": identity.asterisk_secret}
    return {
        "GLOBAL(IVR_SECRET)": identity.asterisk_secret,
        f"PJSIP_ENDPOINT({identity.endpoint},auth)": "terminal",
        "REDIRECTING(count)": "0",
    }


@dataclass(frozen=True, slots=True)
class Route:
    """The path of the AGI URL for a number, and its arguments."""

    path: str
    arguments: tuple[str, ...]


ROUTES: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    (r"\*97", "check", ("single_mailbox_login=true",)),
    (r"\*97(?P<number>\d+)\*(?P<message>\d+)", "check", ("number={number}", "message={message}")),
    (r"\*98", "check", ()),
    (r"\*98(?P<number>\d+)", "check", ("number={number}",)),
    (r"(?P<number>\d+)", "leave", ("number={number}",)),
)


def find_route(number: str, account_id: str) -> Route:
    """Return the route of a dialled number. Raises `BadArgument` if the dialplan has no extension for it."""
    for pattern, path, arguments in ROUTES:
        if match := re.fullmatch(pattern, number):
            words = tuple(argument.format(**match.groupdict()) for argument in arguments)
            return Route(path, (f"account={account_id}", *words))
    raise BadArgument(
        f"no extension {number!r}: dial *97 (your mailbox), *98 (any mailbox), *98 and a number, or a number"
    )
