"""Sending a message to other mailboxes: recorded by an owner, for mailboxes and distribution lists, or as a reply.

Once something is recorded, hanging up sends it, as with a message of a caller.
"""

from __future__ import annotations

from dataclasses import replace

from ivr.mailbox.delivery import COPIES_PAYLOAD_KEY, find_copy_recipients
from ivr.mailbox.mailbox import MIN_RECORDING_MS, Mailbox
from ivr.menus.context import OwnerSession
from ivr.menus.recipients import ChooseRecipients, RecipientPrompts
from ivr.menus.recorder import Recorder
from ivr.menus.review import CallerReview, ReviewChoice
from ivr.storage.records import AuditAction, Caller, RecordingPurpose, Take

MAX_TRIES = 3
PROMPTS = RecipientPrompts(
    enter="compose/enter-box",
    full="compose/box-full",
    cancelled="compose/not-sent",
    abandoned="compose/abort",
)
OPTIONS = {"record_message": "record-message", "add_recipient": "add-recipient", "cancel": "cancel-message"}


class Compose(Recorder):
    """Asks for the mailboxes, records the message and sends it. `reply_to`: the mailbox that a reply goes to."""

    def __init__(self, session: OwnerSession, reply_to: Mailbox | None = None) -> None:
        super().__init__(session.call_context)
        self._session = session
        self._mailbox = session.mailbox
        self._reply_to = reply_to
        self._recipients = ChooseRecipients(session, PROMPTS)
        self._urgent = False

    async def run(self) -> bool:
        """Return whether the message was sent."""
        if self._reply_to and (problem := await self._recipients.add(self._reply_to)):
            await self.reject(problem)
            return False
        if not self._reply_to and not await self._recipients.run():
            return False
        tries = 0
        while tries < MAX_TRIES:
            match await self._recipients.ask_action("compose", OPTIONS):
                case "add_recipient":
                    await self._recipients.run()
                case "record_message":
                    tries += 1
                    match await self._record_message():
                        case True:
                            await self.say("compose/sent")
                            return True
                        case False:
                            await self.reject(self._shortfall_prompt)
                        case None:
                            break
                case _:
                    break
        await self.say("compose/not-sent")
        return False

    async def _record_message(self) -> bool | None:
        """Record and send; return whether the recording was enough, None if the owner has thrown it away."""
        first = self._recipients.mailboxes[0]
        if not first.settings.skip_instructions:  # Any key goes to the beep at once.
            await self.call.play([await self.render("compose/record")])
        take, choice = await self._record_until_choice(first)
        if choice is ReviewChoice.DISCARD:
            await self.call.run_while_listening(self.services.takes.discard(take))
            return None
        return await self._store_or_discard(take, first)

    async def _review_take(self, take: Take, mailbox: Mailbox, length_ms: int) -> ReviewChoice:
        may_be_urgent = all(box.settings.callers_may_mark_urgent for box in self._recipients.mailboxes)
        review = ComposeReview(self._session, take, length_ms, urgent=self._urgent, may_be_urgent=may_be_urgent)
        try:
            return await review.run()
        finally:
            self._urgent = review.urgent

    async def _max_duration_ms(self, mailbox: Mailbox) -> int:
        """Limit the recording to the mailboxes' capacity, but not below the minimum."""
        max_length_ms = await super()._max_duration_ms(mailbox)
        remaining_ms = await self._recipients.remaining_ms()
        return max_length_ms if remaining_ms is None else min(max_length_ms, max(remaining_ms, MIN_RECORDING_MS))

    async def _begin_take(self) -> Take:
        first, *further = self._recipients.mailboxes
        owner = self._session.user or self._mailbox.owner
        sender = Caller(self._mailbox.number, self._mailbox.settings.name)
        payload = {
            "urgent": self._urgent,
            "caller_user_id": owner and owner.id,
            COPIES_PAYLOAD_KEY: [mailbox.id for mailbox in further],
        }
        source = replace(self.call_context.recording_source, caller=sender)
        return await self.services.takes.begin(first.account_id, first.id, RecordingPurpose.MESSAGE, source, payload)

    async def _store_take(self, take: Take) -> None:
        marked = replace(take, payload={**(take.payload or {}), "urgent": self._urgent})
        first, *_ = self._recipients.mailboxes
        copies_for = await find_copy_recipients(marked, self.services.boxes)
        message = await self.services.delivery.deliver(marked, first, copies_for)
        for mailbox in (first, *copies_for):
            self.call.journal.note("message sent", message=message.id, to=mailbox.id)
        self._session.record(AuditAction.ADDED, [message.id])


class ComposeReview(CallerReview):
    """The review of a message before it is sent: it can also be thrown away."""

    def __init__(self, session: OwnerSession, take: Take, length_ms: int, *, urgent: bool, may_be_urgent: bool) -> None:
        self._may_be_urgent = may_be_urgent
        super().__init__(session.call_context, session.mailbox, take, length_ms, urgent=urgent, has_operator=False)

    def _update_options(self) -> None:
        super()._update_options()
        urgent = {action: option for action, option in self._options.items() if action == "urgent"}
        self._options = {
            "save": "send",
            "listen": "listen",
            "record": "record-again",
            **(urgent if self._may_be_urgent else {}),
            "discard": "discard",
        }
