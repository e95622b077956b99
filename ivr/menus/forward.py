"""Forwarding a message to other mailboxes, with or without a spoken intro.

Nothing is sent before the owner has heard where it goes: hanging up until then forwards nothing.
"""

from __future__ import annotations

from ivr.call.base import INTERDIGIT_TIMEOUT_MS
from ivr.errors import BoxFull, IvrError, NotFound
from ivr.mailbox.delivery import COPIES_PAYLOAD_KEY
from ivr.mailbox.mailbox import MIN_RECORDING_MS, Mailbox
from ivr.menus.context import OwnerSession
from ivr.menus.recipients import CANCEL_KEY, ChooseRecipients, RecipientPrompts, left_out
from ivr.menus.recorder import Recorder
from ivr.storage.records import AuditAction, Message, RecordingPurpose, Take

MAX_TRIES = 3
WAIT_AFTER_OPTIONS_MS = 1000
"""Silence after the options that sends the message. Their keys work while they are spoken, and a key 3 that comes too
late begins the next forward."""
PROMPTS = RecipientPrompts(
    enter="forward/enter-box",
    full="forward/box-full",
    cancelled="forward/not-forwarded",
    abandoned="forward/abort",
)


class Forward(Recorder):
    """Asks for the destinations and for an intro, and sends copies of the message."""

    def __init__(self, session: OwnerSession, message: Message) -> None:
        super().__init__(session.call_context)
        self._session = session
        self._mailbox = session.mailbox
        self._message = message
        self._recipients = ChooseRecipients(session, PROMPTS, message)
        self._failed: list[Mailbox] = []
        self._has_heard_options = False

    async def run(self) -> bool:
        """Return whether the message went to each mailbox that was chosen."""
        if not await self._recipients.run() or not await self._forward_as_chosen():
            return False
        for destination in self._recipients.mailboxes:
            if destination not in self._failed:
                self.call.journal.note("forwarded", message=self._message.id, to=destination.id)
        await self.say("done/forwarded", *left_out(self.language, [mailbox.number for mailbox in self._failed]))
        return not self._failed

    async def _forward_as_chosen(self) -> bool:
        """Forward with or without an intro; return False if the owner leaves. Without a word, an intro is no intro:
        the owner is told, and chooses again."""
        tries = 0
        while tries < MAX_TRIES:
            match await self._ask_how():
                case "add_recipient":
                    # An owner who leaves the entry has to know that the message still goes to those before.
                    self._has_heard_options = await self._recipients.run()
                case "prepend":
                    tries += 1
                    if await self._record_intro():
                        return True
                    await self.reject(self._shortfall_prompt)
                case "plain":
                    await self._forward_without_intro()
                    return True
                case "cancel":
                    await self.say("forward/not-forwarded")
                    return False
                case _:
                    return False
        await self.say("forward/not-forwarded")
        return False

    async def _ask_how(self) -> str | None:
        if self._mailbox.settings.vm_message_forward_type == "prepend_forward":
            return await self._ask_forward_mode()
        return await self._confirm()

    async def _confirm(self) -> str:
        """Say where the message goes, and send it unless a key says otherwise. Other keys are for the next menu.

        The options are said once, and again if no further mailbox was added. How to cancel comes first, so that there
        is time for it after a wrong name.
        """
        keys, call = self._mailbox.key_map, self.call
        sounds, wait_ms = self._recipients.take_confirmation(), INTERDIGIT_TIMEOUT_MS
        if not self._has_heard_options:
            add_key = keys.key_for("forward", "add_recipient")
            add = (self.language.menu_option("add-recipient", add_key),) if add_key else ()
            sounds, wait_ms = [*sounds, await self.render("entry/cancel", *add)], WAIT_AFTER_OPTIONS_MS
            self._has_heard_options = True
        key = (await call.play(sounds)).key or await call.wait_for_key(wait_ms)
        action = "cancel" if key == CANCEL_KEY else keys.action_for("forward", key)
        if key and (key == "#" or action in ("plain", "add_recipient", "cancel")):
            call.ignore_repeats(key)
        elif key:
            call.push_back(key)
        return action if action in ("add_recipient", "cancel") else "plain"

    async def _ask_forward_mode(self) -> str | None:
        """Return the action; None if the owner goes back to the message."""
        options = {
            "prepend": "prepend",
            "plain": "forward-plain",
            "add_recipient": "add-recipient",
            "cancel": "back-to-messages",
        }
        return await self._recipients.ask_action("forward", options)

    async def _forward_without_intro(self) -> None:
        """Forward to each mailbox. Those that cannot take it any more are left out; if none can, that is raised."""
        error = await self.call.run_while_listening(self._deliver_plain())
        if error and len(self._failed) == len(self._recipients.mailboxes):
            raise error

    async def _deliver_plain(self) -> IvrError | None:
        last_error: IvrError | None = None
        for destination in self._recipients.mailboxes:
            try:
                await self.services.delivery.forward(self._message, destination, sender=self._mailbox)
            except (BoxFull, NotFound) as error:
                last_error = error
                self._failed.append(destination)
        if len(self._failed) < len(self._recipients.mailboxes):
            self._session.record(AuditAction.FORWARDED, [self._message.id])
        return last_error

    async def _record_intro(self) -> bool:
        """Record the intro and forward; return whether the intro was long enough.

        A key, silence or hanging up ends the intro. If nothing was said, the message is not forwarded. Any key
        interrupts the instructions.
        """
        first = self._recipients.mailboxes[0]
        if not first.settings.skip_instructions:
            await self.call.play([await self.render("forward/intro")])
        return await self.record(first)

    async def _max_duration_ms(self, mailbox: Mailbox) -> int:
        """Limit the intro to the mailboxes' capacity after the message itself, but not below the minimum."""
        max_length_ms = await super()._max_duration_ms(mailbox)
        remaining_ms = await self._recipients.remaining_ms(reserved_bytes=self._message.bytes)
        return max_length_ms if remaining_ms is None else min(max_length_ms, max(remaining_ms, MIN_RECORDING_MS))

    async def _begin_take(self) -> Take:
        first, *further = self._recipients.mailboxes
        return await self.services.takes.begin(
            self._mailbox.account_id,
            self._mailbox.id,
            RecordingPurpose.INTRO,
            self.call_context.recording_source,
            {
                "original": self._message.id,
                "destination": first.id,
                COPIES_PAYLOAD_KEY: [mailbox.id for mailbox in further],
            },
        )

    async def _store_take(self, take: Take) -> None:
        first, *further = self._recipients.mailboxes
        await self.services.delivery.forward(self._message, first, take, sender=self._mailbox, copies_for=further)
        self._session.record(AuditAction.FORWARDED, [self._message.id])
