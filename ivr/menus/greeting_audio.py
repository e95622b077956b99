"""The sounds of a mailbox's greeting. The owner's recorded name in the generic greeting is an addition to Kazoo's."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from ivr.audio.sound import Sound
from ivr.call.arguments import GreetingChoice
from ivr.call.base import ALL_KEYS, PlayResult
from ivr.errors import UnplayableSound
from ivr.menus.menu import CallerMenu
from ivr.prompts.voice import Prompt

log = structlog.get_logger()


async def play_greeting(
    menu: CallerMenu, *, prefix: Sequence[Sound] = (), suffix: Sequence[Sound] = (), keys: str = ALL_KEYS
) -> PlayResult:
    """Play the greeting between `prefix` and `suffix` until one of `keys`.

    If Asterisk cannot play a recording, the greeting with the mailbox's number is played instead, so that no caller is
    turned away.
    """
    try:
        return await menu.call.play([*prefix, *await _render_greeting(menu), *suffix], keys)
    except UnplayableSound as error:
        log.error("greeting.unplayable", box=menu.mailbox.id, error=str(error))
        return await menu.call.play([await _render_number_greeting(menu), *suffix], keys)


async def render_introduction(menu: CallerMenu) -> list[Sound]:
    """Return the sentence before the greeting; empty unless the mailbox has `play_greeting_intro`."""
    return [await menu.render("greeting/intro")] if menu.mailbox.settings.play_greeting_intro else []


async def _render_greeting(menu: CallerMenu) -> list[Sound]:
    """Return the first that exists: temporary greeting, own greeting, generic greeting with the owner's recorded name,
    generic greeting with the mailbox's number. Empty if mailbox or dialplan disable it."""
    mailbox, greetings = menu.mailbox, menu.services.greetings
    if mailbox.settings.skip_greeting or menu.call.incoming.arguments.greeting is GreetingChoice.NONE:
        return []
    if greeting := await menu.call.run_while_listening(greetings.find_greeting(mailbox)):
        return [greeting]
    if mailbox.settings.use_person_not_available:
        return [await menu.render("greeting/nobody-available")]
    if name := await menu.call.run_while_listening(greetings.find_name(mailbox)):
        return [name, await menu.render(_absence_prompt(menu))]
    return [await _render_number_greeting(menu)]


async def _render_number_greeting(menu: CallerMenu) -> Sound:
    return await menu.render("greeting/person-at", menu.language.spell(menu.mailbox.number), _absence_prompt(menu))


def _absence_prompt(menu: CallerMenu) -> Prompt:
    """Return why the owner does not answer: on the phone, where the dialplan says so, else not available."""
    is_busy = menu.call.incoming.arguments.greeting is GreetingChoice.BUSY
    return "greeting/is-on-the-phone" if is_busy else "greeting/is-not-available"
