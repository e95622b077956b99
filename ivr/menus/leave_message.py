"""Leaving a message: greeting, beep, recording, review. Hanging up stores the message."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import structlog

from ivr.audio.formats import Sound
from ivr.errors import UnplayableSound
from ivr.mailbox.delivery import COPIES_PAYLOAD_KEY, find_copy_recipients
from ivr.mailbox.mailbox import MIN_RECORDING_MS, Mailbox
from ivr.menus import dialplan_status
from ivr.menus.context import CallContext
from ivr.menus.dialplan_status import Status
from ivr.menus.exit_keys import Operator
from ivr.menus.greeting import Greeting
from ivr.menus.menu import NextStep
from ivr.menus.recorder import Recorder
from ivr.menus.review import CallerReview, ReviewChoice
from ivr.storage.records import RecordingPurpose, Take

NO_BEEP = "none"

log = structlog.get_logger()


class LeaveMessage(Recorder):
    """A caller of `mailbox` leaves a message. The first of `recipients` gets it, the others get copies.

    They are not full; `mailbox` is the first of them unless it is.
    """

    def __init__(self, call_context: CallContext, mailbox: Mailbox, recipients: Sequence[Mailbox]) -> None:
        super().__init__(call_context)
        self._mailbox = mailbox
        self._recipient, *self._copy_recipients = recipients
        self._urgent = call_context.call.incoming.arguments.urgent
        """The caller's mark; it also holds for a take that is recorded again."""
        self._operator_chosen = False

    async def run(self) -> NextStep:
        next_step = await Greeting(self.call_context, self._mailbox, parent=self).run()
        if next_step is not None:
            return next_step
        if not await self.record(self._mailbox):
            await self._invite_again()
            if not await self.record(self._mailbox):
                return await self.say_goodbye(self._shortfall_prompt, "done/goodbye", status=Status.NOMESSAGE)
        if self._operator_chosen:
            await self.say("done/saved")
            return await Operator(self.call_context, self._mailbox).run() or await self.say_goodbye()
        return await self.say_goodbye("done/message-left", "done/thank-you")

    async def _invite_again(self) -> None:
        """Say why there is no message yet. Any key goes to the beep."""
        instructions = [] if self._mailbox.settings.skip_instructions else ["greeting/leave-a-message"]
        self.call.flush_digits()
        await self.call.play([await self.render(self._shortfall_prompt, *instructions)])

    async def _begin_take(self) -> Take:
        return await self.services.takes.begin(
            self._recipient.account_id,
            self._recipient.id,
            RecordingPurpose.MESSAGE,
            self.call_context.recording_source,
            {
                "urgent": self._urgent,
                "caller_user_id": self.call_context.user and self.call_context.user.id,
                COPIES_PAYLOAD_KEY: [mailbox.id for mailbox in self._copy_recipients],
            },
        )

    async def _review_take(self, take: Take, mailbox: Mailbox, length_ms: int) -> ReviewChoice:
        if not mailbox.settings.review:
            return ReviewChoice.SAVE
        operator = await Operator(self.call_context, mailbox).find_target()
        review = CallerReview(
            self.call_context, mailbox, take, length_ms, urgent=self._urgent, has_operator=operator is not None
        )
        try:
            choice = await review.run()
        finally:
            self._urgent = review.urgent
        self._operator_chosen = choice is ReviewChoice.OPERATOR
        return choice

    async def _store_take(self, take: Take) -> None:
        marked = replace(take, payload={**(take.payload or {}), "urgent": self._urgent})
        copies_for = await find_copy_recipients(marked, self.services.boxes)
        message = await self.services.delivery.deliver(marked, self._recipient, copies_for)
        await dialplan_status.report_message_left(self.call, message)
        self.call.journal.note("message left", message=message.id, length_ms=message.length_ms, urgent=message.urgent)

    async def _play_beep(self) -> None:
        """Play the sound that the dialplan names as beep, or none; the usual beep if it cannot be played."""
        beep = self.call.incoming.arguments.beep
        if not beep:
            await super()._play_beep()
        elif beep != NO_BEEP:
            try:
                await self.call.play([Sound(Path(beep), 0, f"({beep})")], keys="")
            except UnplayableSound as error:
                log.warning("dialplan.beep", reason=str(error))
                await super()._play_beep()

    async def _max_duration_ms(self, mailbox: Mailbox) -> int:
        """Limit the recording to the capacity of the mailbox that it goes to, but not below the minimum.

        That mailbox may have become full during the call; the caller may speak nevertheless.
        """
        max_length_ms = await super()._max_duration_ms(mailbox)
        remaining_ms = await self.services.capacity.remaining_ms(self._recipient)
        return max_length_ms if remaining_ms is None else min(max_length_ms, max(remaining_ms, MIN_RECORDING_MS))
