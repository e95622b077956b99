"""What a caller is greeted with (kazoo-behaviour §1.3; the name in the generic greeting is our design)."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from ivr.audio.sound import Sound
from ivr.call.argument_values import Greeting as Wanted
from ivr.call.port import ALL_KEYS, Played
from ivr.errors import UnplayableSound
from ivr.menus.menu import CallerMenu
from ivr.prompts.voice import Meaning

log = structlog.get_logger()


async def greet(
    menu: CallerMenu, *, before: Sequence[Sound] = (), after: Sequence[Sound] = (), keys: str = ALL_KEYS
) -> Played:
    """Play the greeting of the box, with what comes before and after it, until one of `keys`.

    A recording that Asterisk cannot play gives way to the box's number: no caller is turned away for it.
    """
    try:
        return await menu.call.play([*before, *await _greeting(menu), *after], keys)
    except UnplayableSound as fault:
        log.error("greeting.unplayable", box=menu.mailbox.id, error=str(fault))
        return await menu.call.play([await _number(menu), *after], keys)


async def introduction(menu: CallerMenu) -> list[Sound]:
    """The sentence before the greeting, where the box wants one."""
    return [await menu.sound("greeting/intro")] if menu.mailbox.settings.play_greeting_intro else []


async def _greeting(menu: CallerMenu) -> list[Sound]:
    """The temporary greeting while it lasts, else the owner's own, else a generic one: with the owner's recorded name,
    else with the number of the box. Empty where box or dialplan want none."""
    mailbox, greetings = menu.mailbox, menu.mailroom.greetings
    if mailbox.settings.skip_greeting or menu.call.arrival.arguments.greeting is Wanted.NONE:
        return []
    if own := await menu.call.work(greetings.greeting(mailbox)):
        return [own]
    if mailbox.settings.use_person_not_available:
        return [await menu.sound("greeting/nobody-available")]
    if name := await menu.call.work(greetings.name(mailbox)):
        return [name, await menu.sound(_absent(menu))]
    return [await _number(menu)]


async def _number(menu: CallerMenu) -> Sound:
    return await menu.sound("greeting/person-at", menu.rules.spelled(menu.mailbox.number), _absent(menu))


def _absent(menu: CallerMenu) -> Meaning:
    """Why nobody comes: where the dialplan knows, they are on the phone."""
    busy = menu.call.arrival.arguments.greeting is Wanted.BUSY
    return "greeting/is-on-the-phone" if busy else "greeting/is-not-available"
