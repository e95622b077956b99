"""Leaving a message (kazoo-behaviour §1.3): greeting, beep, recording, review; hanging up keeps it."""

from __future__ import annotations

from dataclasses import replace

from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.store import Purpose, Take
from ivr.menus.caller_review import CallerReview
from ivr.menus.greeting import Greeting
from ivr.menus.menu import Next
from ivr.menus.operator import Operator
from ivr.menus.recorder import Recorder
from ivr.menus.review import Choice
from ivr.menus.visit import Status, Visit


class Leave(Recorder):
    """A caller and the box that they reached."""

    def __init__(self, visit: Visit, mailbox: Mailbox) -> None:
        super().__init__(visit)
        self._mailbox = mailbox
        self._urgent = False
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
            self._mailbox.account_id, self._mailbox.id, Purpose.MESSAGE, self.visit.source, {"urgent": self._urgent}
        )

    async def _review(self, take: Take, mailbox: Mailbox, length_ms: int) -> Choice:
        operator = await Operator(self.visit, mailbox).extension()
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
        self.call.journal.note("message left", message=message.id, length_ms=message.length_ms, urgent=message.urgent)

    async def _longest_ms(self, mailbox: Mailbox) -> int:
        """No longer than the box has room for."""
        longest_ms = await super()._longest_ms(mailbox)
        left_ms = await self.mailroom.room.left_ms(mailbox)
        return longest_ms if left_ms is None else min(longest_ms, left_ms)
