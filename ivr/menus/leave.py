"""Leaving a message (kazoo-behaviour §1.3): greeting, beep, recording, review; hanging up keeps it."""

from __future__ import annotations

from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.store import Purpose, Take
from ivr.menus.menu import Menu, Next
from ivr.menus.recorder import Recorder
from ivr.menus.visit import Status, Visit


class Leave(Recorder):
    """A caller and the box that they reached."""

    def __init__(self, visit: Visit, mailbox: Mailbox) -> None:
        super().__init__(visit)
        self._mailbox = mailbox

    async def run(self) -> Next:
        await self._greet()
        if await self.record(self._mailbox):
            return await self.goodbye("done/message-left", "done/thank-you")
        return await self.goodbye("greeting/too-short", "done/goodbye")

    async def _greet(self) -> None:
        """Any key goes to the beep at once."""
        spelled = self.rules.spelled(self._mailbox.number)
        greeting = ("greeting/person-at", *spelled, "greeting/is-not-available")
        sounds = [await self.sound(greeting)] if not self._mailbox.settings.skip_greeting else []
        if not self._mailbox.settings.skip_instructions:
            sounds.append(await self.sound("greeting/leave-a-message"))
        await self.call.play(sounds)

    async def _begin(self) -> Take:
        return await self.mailroom.takes.begin(
            self._mailbox.account_id, self._mailbox.id, Purpose.MESSAGE, self.visit.source
        )

    async def _keep(self, take: Take) -> None:
        message = await self.mailroom.delivery.deliver(take, self._mailbox)
        self.call.journal.note("message left", message=message.id, length_ms=message.length_ms)


class NoSuchBox(Menu):
    """A caller reached a number that has no box (kazoo-behaviour §1.2)."""

    async def run(self) -> Next:
        return await self.goodbye("greeting/no-voicemail", status=Status.NOBOX)
