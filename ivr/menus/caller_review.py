"""What a caller does with the message that they just recorded: the review, and two keys more (kazoo-behaviour §2.3)."""

from __future__ import annotations

import structlog

from ivr.errors import StoreError
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.store import Take
from ivr.menus import apology
from ivr.menus.review import SPOKEN, Choice, Review
from ivr.menus.visit import Visit

log = structlog.get_logger()


class CallerReview(Review):
    """`urgent`: it is marked already; `operator`: there is one."""

    def __init__(
        self, visit: Visit, mailbox: Mailbox, take: Take, length_ms: int, *, urgent: bool, operator: bool
    ) -> None:
        super().__init__(visit, mailbox.keys, take, length_ms)
        self.urgent = urgent
        self._take = take
        self._may_mark = mailbox.settings.callers_may_mark_urgent
        self._operator = operator
        self._offer()

    def _offer(self) -> None:
        mark = {"urgent": "mark-normal" if self.urgent else "mark-urgent"} if self._may_mark else {}
        self._offers = {**SPOKEN, **mark, **({"operator": "operator"} if self._operator else {})}

    async def _choose(self, action: str | None, key: str | None) -> Choice | None:
        match action:
            case "urgent":
                await self._mark(not self.urgent)
                return None
            case "operator":
                return Choice.OPERATOR
            case _:
                return await super()._choose(action, key)

    async def _mark(self, urgent: bool) -> None:
        """The take carries the mark, so that a message which is adopted after a crash has it too."""
        try:
            await self.call.work(self.mailroom.takes.mark_urgent(self._take, urgent))
        except StoreError as error:
            log.warning("take.not_marked", take=self._take.id, error=str(error))
            await self.refuse(apology.prompt_for(error))
            return
        self.urgent = urgent
        self._offer()
        self.begin_again()
        await self.say("done/marked-urgent" if urgent else "done/marked-normal")
