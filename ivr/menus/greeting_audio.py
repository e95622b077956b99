"""What a caller is greeted with (kazoo-behaviour §1.3; the name in the generic greeting is our design)."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from ivr.audio.sound import Sound
from ivr.call.argument_values import GreetingChoice as Wanted
from ivr.call.base import ALL_KEYS, PlayResult
from ivr.errors import UnplayableSound
from ivr.menus.menu import CallerMenu
from ivr.prompts.voice import Prompt

log = structlog.get_logger()


async def play_greeting(
    menu: CallerMenu, *, prefix: Sequence[Sound] = (), suffix: Sequence[Sound] = (), keys: str = ALL_KEYS
) -> PlayResult:
    """Play the greeting of the box, with what comes before and after it, until one of `keys`.

    A recording that Asterisk cannot play gives way to the box's number: no caller is turned away for it.
    """
    try:
        return await menu.call.play([*prefix, *await _render_greeting(menu), *suffix], keys)
    except UnplayableSound as fault:
        log.error("greeting.unplayable", box=menu.mailbox.id, error=str(fault))
        return await menu.call.play([await _render_number_greeting(menu), *suffix], keys)


async def render_introduction(menu: CallerMenu) -> list[Sound]:
    """The sentence before the greeting, where the box wants one."""
    return [await menu.render("greeting/intro")] if menu.mailbox.settings.play_greeting_intro else []


async def _render_greeting(menu: CallerMenu) -> list[Sound]:
    """The temporary greeting while it lasts, else the owner's own, else a generic one: with the owner's recorded name,
    else with the number of the box. Empty where box or dialplan want none."""
    mailbox, greetings = menu.mailbox, menu.services.greetings
    if mailbox.settings.skip_greeting or menu.call.incoming.arguments.greeting is Wanted.NONE:
        return []
    if own := await menu.call.run_while_listening(greetings.greeting(mailbox)):
        return [own]
    if mailbox.settings.use_person_not_available:
        return [await menu.render("greeting/nobody-available")]
    if name := await menu.call.run_while_listening(greetings.name(mailbox)):
        return [name, await menu.render(_absence_prompt(menu))]
    return [await _render_number_greeting(menu)]


async def _render_number_greeting(menu: CallerMenu) -> Sound:
    return await menu.render("greeting/person-at", menu.language.spell(menu.mailbox.number), _absence_prompt(menu))


def _absence_prompt(menu: CallerMenu) -> Prompt:
    """Why nobody comes: where the dialplan knows, they are on the phone."""
    busy = menu.call.incoming.arguments.greeting is Wanted.BUSY
    return "greeting/is-on-the-phone" if busy else "greeting/is-not-available"
