"""The envelope of a message as its owner hears it: who left it, when, how long it is, and who forwarded it.

Users are announced by the name that they have recorded, if they called from a phone of their own. A number that a
caller merely claims is only said.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime

from ivr.audio.formats import Sound
from ivr.errors import NotFound
from ivr.mailbox.caller_id import identify
from ivr.menus.menu import OwnerMenu
from ivr.prompts.language import ClipKeys
from ivr.storage.records import Message

CALLER_SLOT = "slot/caller"
SENDER_SLOT = "slot/sender"
"""Stand for a recorded name in a prompt."""


class MessageEnvelope:
    """The envelope of one message. `menu`: supplies the call and renders prompts."""

    def __init__(self, menu: OwnerMenu, message: Message) -> None:
        self._menu = menu
        self._message = message
        self._names: dict[str, Sound | None] | None = None
        """Recorded names by slot; None: not looked up yet."""

    async def short_sounds(self) -> list[Sound]:
        """Return what is played with the message: the form that the mailbox has chosen."""
        names, language = await self._find_names(), self._menu.language
        if self._menu.mailbox.settings.envelope_type == "caller_and_time":
            prompt = language.caller_and_time(self._caller(names), *self._local_times(), hours_24=self._hours_24)
        else:
            prompt = language.received_time(*self._local_times(), hours_24=self._hours_24)
        return await self._render((*prompt, *self._forwarded_by(names)), names)

    async def full_sounds(self) -> list[Sound]:
        """Return the complete envelope: time, caller, length, and who forwarded the message."""
        names, language = await self._find_names(), self._menu.language
        received = language.received_time(*self._local_times(), hours_24=self._hours_24)
        length = language.length(self._message.length_ms)
        prompt = (*received, "envelope/from", *self._caller(names), *length, *self._forwarded_by(names))
        return await self._render(prompt, names)

    def _caller(self, names: dict[str, Sound | None]) -> ClipKeys:
        if names[CALLER_SLOT]:
            return (CALLER_SLOT,)
        return self._menu.language.caller_id(identify(self._message.caller).number)

    def _forwarded_by(self, names: dict[str, Sound | None]) -> ClipKeys:
        sender = self._message.forwarded_by
        if sender is None:
            return ()
        number = ("envelope/extension", *self._menu.language.spell(sender.number))
        return self._menu.language.forwarded_by((SENDER_SLOT,) if names[SENDER_SLOT] else number)

    async def _find_names(self) -> dict[str, Sound | None]:
        if self._names is None:
            self._names = await self._menu.call.run_while_listening(self._load_names())
        return self._names

    async def _load_names(self) -> dict[str, Sound | None]:
        services, sender = self._menu.services, self._message.forwarded_by
        names: dict[str, Sound | None] = {CALLER_SLOT: None, SENDER_SLOT: None}
        with suppress(NotFound):  # The user was deleted: the number is said.
            names[CALLER_SLOT] = await self._find_name_of_user(self._message.caller_user_id)
        with suppress(NotFound):
            if sender:
                names[SENDER_SLOT] = await services.greetings.find_name(await services.boxes.get(sender.box_id))
        return names

    async def _find_name_of_user(self, user_id: str | None) -> Sound | None:
        services = self._menu.services
        if user_id is None:
            return None
        user = await services.directory.user(user_id)
        account = await services.directory.account(user.account_id)
        for mailbox in await services.boxes.list_by_owner(user, account):
            if name := await services.greetings.find_name(mailbox):
                return name
        return None

    async def _render(self, prompt: ClipKeys, names: dict[str, Sound | None]) -> list[Sound]:
        """Return the prompt as sounds, with recorded names in their slots."""
        sounds: list[Sound] = []
        clips: list[str] = []
        for key in (*prompt, ""):
            name = names.get(key)
            if (name or not key) and clips:
                sounds.append(await self._menu.render(tuple(clips)))
                clips = []
            if name:
                sounds.append(name)
            elif key:
                clips.append(key)
        return sounds

    @property
    def _hours_24(self) -> bool:
        return self._menu.mailbox.clock == "24h"

    def _local_times(self) -> tuple[datetime, datetime]:
        """Return the message's time and the current time, in the owner's time zone."""
        mailbox = self._menu.mailbox
        return mailbox.local_time(self._message.time), mailbox.local_time(self._menu.services.clock.now())
