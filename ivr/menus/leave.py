"""Leaving a message (kazoo-behaviour §1.3): greeting, beep, recording, review; hanging up keeps it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import structlog

from ivr.audio.sound import Sound
from ivr.call.arguments import Addressee
from ivr.errors import NotFound, UnplayableSound
from ivr.mailbox import copies
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.room import LEAST_MS
from ivr.mailbox.store import Purpose, Take
from ivr.menus import outcome
from ivr.menus.caller_review import CallerReview
from ivr.menus.greeting import Greeting
from ivr.menus.menu import Next
from ivr.menus.operator import Operator
from ivr.menus.recorder import Recorder
from ivr.menus.review import Choice
from ivr.menus.visit import Status, Visit

NO_BEEP = "none"

log = structlog.get_logger()


class Leave(Recorder):
    """A caller and the box that they reached."""

    def __init__(self, visit: Visit, mailbox: Mailbox) -> None:
        super().__init__(visit)
        self._mailbox = mailbox
        self._urgent = visit.call.arrival.arguments.urgent
        """As the caller marked it; it outlives a take that they record again."""
        self._to_operator = False

    async def run(self) -> Next:
        elsewhere = await Greeting(self.visit, self._mailbox).run()
        if elsewhere is not None:
            return elsewhere
        if not await self.record(self._mailbox):
            return await self.goodbye("greeting/too-short", "done/goodbye", status=Status.NOMESSAGE)
        if self._to_operator:
            await self.say("done/saved")
            return await Operator(self.visit, self._mailbox).run() or await self.goodbye()
        return await self.goodbye("done/message-left", "done/thank-you")

    async def _begin(self) -> Take:
        return await self.mailroom.takes.begin(
            self._mailbox.account_id, self._mailbox.id, Purpose.MESSAGE, self.visit.source,
            {"urgent": self._urgent, copies.PAYLOAD: await self._further_boxes()},
        )  # fmt: skip

    async def _further_boxes(self) -> list[str]:
        """Ids of the boxes that get a copy. One that there is not, or that is full, is told in the log."""
        found: list[str] = []
        for addressee in self.call.arrival.arguments.copies:
            try:
                box = await self._box_of(addressee)
            except NotFound as error:
                log.warning("dialplan.copy", number=addressee.number, reason=str(error))
                continue
            if await self.mailroom.room.is_full(box):
                log.warning("dialplan.copy", number=addressee.number, reason="the box is full")
            elif box.id not in (self._mailbox.id, *found):
                found.append(box.id)
        return found

    async def _box_of(self, addressee: Addressee) -> Mailbox:
        directory, account = self.mailroom.directory, self.visit.account
        if addressee.account:
            account = await directory.account_called(addressee.account)
        box = await self.mailroom.boxes.by_number(account.id, addressee.number)
        if box is None:
            raise NotFound(f"there is no box {addressee.number} in the account {account.name}")
        return box

    async def _review(self, take: Take, mailbox: Mailbox, length_ms: int) -> Choice:
        operator = await Operator(self.visit, mailbox).place()
        review = CallerReview(self.visit, mailbox, take, length_ms, urgent=self._urgent, operator=operator is not None)
        try:
            choice = await review.run()
        finally:
            self._urgent = review.urgent
        self._to_operator = choice is Choice.OPERATOR
        return choice

    async def _keep(self, take: Take) -> None:
        marked = replace(take, payload={**(take.payload or {}), "urgent": self._urgent})
        message = await self.mailroom.delivery.deliver(marked, self._mailbox)
        await copies.Copies(self.mailroom.boxes, self.mailroom.delivery).make(marked, message)
        await outcome.kept(self.call, message)
        self.call.journal.note("message left", message=message.id, length_ms=message.length_ms, urgent=message.urgent)

    async def _beep(self) -> None:
        """Another sound, or none, where the dialplan says so."""
        asked = self.call.arrival.arguments.beep
        if not asked:
            await super()._beep()
        elif asked != NO_BEEP:
            try:
                await self.call.play([Sound(Path(asked), 0, f"({asked})")], keys="")
            except UnplayableSound as error:
                log.warning("dialplan.beep", reason=str(error))
                await super()._beep()

    async def _longest_ms(self, mailbox: Mailbox) -> int:
        """No longer than the box has room for, if it is not full since the call began."""
        longest_ms = await super()._longest_ms(mailbox)
        left_ms = await self.mailroom.room.left_ms(mailbox)
        return longest_ms if left_ms is None else min(longest_ms, max(left_ms, LEAST_MS))
