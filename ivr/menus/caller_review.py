"""The menu after a caller's recording: the review, with keys to mark it urgent and to reach the operator."""

from __future__ import annotations

import structlog

from ivr.errors import StoreError
from ivr.mailbox.mailbox import Mailbox
from ivr.menus import error_prompts
from ivr.menus.context import CallContext
from ivr.menus.review import DEFAULT_OPTIONS, Review, ReviewChoice
from ivr.storage.records import Take

log = structlog.get_logger()


class CallerReview(Review):
    """The review of a caller's message. `urgent`: whether it is marked already."""

    def __init__(
        self,
        call_context: CallContext,
        mailbox: Mailbox,
        take: Take,
        length_ms: int,
        *,
        urgent: bool,
        has_operator: bool,
    ) -> None:
        super().__init__(call_context, mailbox.key_map, take, length_ms)
        self.urgent = urgent
        self._take = take
        self._can_mark_urgent = mailbox.settings.callers_may_mark_urgent
        self._has_operator = has_operator
        self._update_options()

    def _update_options(self) -> None:
        mark_urgent = {"urgent": "mark-normal" if self.urgent else "mark-urgent"} if self._can_mark_urgent else {}
        operator = {"operator": "operator"} if self._has_operator else {}
        self._options = {**DEFAULT_OPTIONS, **mark_urgent, **operator}

    async def _apply_action(self, action: str | None, key: str | None) -> ReviewChoice | None:
        match action:
            case "urgent":
                await self._set_urgent(not self.urgent)
                return None
            case "operator":
                return ReviewChoice.OPERATOR
            case _:
                return await super()._apply_action(action, key)

    async def _set_urgent(self, urgent: bool) -> None:
        """Store the mark in the take, so that a message recovered after a crash has it too."""
        try:
            await self.call.run_while_listening(self.services.takes.mark_urgent(self._take, urgent))
        except StoreError as error:
            log.warning("take.mark_urgent_failed", take=self._take.id, error=str(error))
            await self.reject(error_prompts.prompt_for(error))
            return
        self.urgent = urgent
        self._update_options()
        self.reset_rounds()
        await self.say("done/marked-urgent" if urgent else "done/marked-normal")
