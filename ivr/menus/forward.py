"""Forwarding a message to another mailbox, with or without a spoken intro."""

from __future__ import annotations

from ivr.call.base import DigitsEndReason
from ivr.mailbox.mailbox import MIN_RECORDING_MS, Mailbox
from ivr.menus.context import OwnerSession
from ivr.menus.recorder import Recorder
from ivr.storage.records import AuditAction, Message, RecordingPurpose, Take

MAX_TRIES = 3
MAX_ROUNDS = 4


class Forward(Recorder):
    """Asks for the destination and for an intro, and sends a copy of the message."""

    def __init__(self, session: OwnerSession, message: Message) -> None:
        super().__init__(session.call_context)
        self._session = session
        self._mailbox = session.mailbox
        self._message = message
        self._destination: Mailbox

    async def run(self) -> bool:
        """Return whether the message was forwarded."""
        destination = await self._ask_destination()
        if destination is None:
            return False
        self._destination = destination
        if self._mailbox.settings.vm_message_forward_type == "prepend_forward":
            if not await self._forward_as_chosen():
                return False
        else:
            await self._forward_without_intro()
        self.call.journal.note("forwarded", message=self._message.id, to=destination.id)
        await self.say("done/forwarded")
        return True

    async def _forward_as_chosen(self) -> bool:
        """Forward with or without an intro; return False if the owner leaves. Without a word, an intro is no intro:
        the owner is told, and chooses again."""
        for _ in range(MAX_TRIES):
            match await self._ask_forward_mode():
                case "prepend":
                    if await self._record_intro():
                        return True
                    await self.reject(self._shortfall_prompt)
                case "plain":
                    await self._forward_without_intro()
                    return True
                case _:
                    return False
        await self.say("forward/not-forwarded")
        return False

    async def _ask_destination(self) -> Mailbox | None:
        max_digits = self._mailbox.voicemail_settings.max_box_number_length
        for _ in range(MAX_TRIES):
            entry = await self.ask_digits("forward/enter-box", "entry/cancel", max_digits=max_digits)
            if entry.is_cancelled or (not entry.digits and entry.end_reason is DigitsEndReason.TERMINATOR):
                await self.say("forward/not-forwarded")
                return None
            destination = None
            if entry.digits:
                by_number = self.services.boxes.find_by_number(self._mailbox.account_id, entry.digits)
                destination = await self.call.run_while_listening(by_number)
            problem = await self._destination_problem(destination)
            if not problem:
                return destination
            await self.reject(problem)
        await self.reject("forward/abort")
        return None

    async def _destination_problem(self, destination: Mailbox | None) -> str | None:
        """Return the prompt that says why the message cannot go there; None if it can.

        This is checked before an intro is recorded. The store checks the quota again when the message arrives.
        """
        if destination is None or not destination.settings.enabled:
            return "entry/invalid"
        if destination.id == self._mailbox.id:
            return "forward/own-box"
        if await self.call.run_while_listening(self.services.capacity.cannot_take(destination, self._message.bytes)):
            return "forward/box-full"
        return None

    async def _ask_forward_mode(self) -> str | None:
        for _ in range(MAX_ROUNDS):
            keys = self._mailbox.key_map
            options = {"prepend": "prepend", "plain": "forward-plain", "cancel": "back-to-messages"}
            keys_by_option = {option: keys.key_for("forward", action) for action, option in options.items()}
            key = await self.ask_key(
                *(self.language.menu_option(option, key) for option, key in keys_by_option.items() if key)
            )
            action = keys.action_for("forward", key)
            if action:
                return action
            if key:
                await self.reject("entry/invalid")
        return None

    async def _forward_without_intro(self) -> None:
        await self.call.run_while_listening(self._deliver(None))

    async def _record_intro(self) -> bool:
        """Record the intro and forward; return whether the intro was long enough.

        A key, silence or hanging up ends the intro. If nothing was said, the message is not forwarded. Any key
        interrupts the instructions.
        """
        if not self._destination.settings.skip_instructions:
            await self.call.play([await self.render("forward/intro")])
        return await self.record(self._destination)

    async def _max_duration_ms(self, mailbox: Mailbox) -> int:
        """Limit the intro to the mailbox's capacity after the message itself, but not below the minimum."""
        max_length_ms = await super()._max_duration_ms(mailbox)
        remaining_ms = await self.services.capacity.remaining_ms(mailbox, reserved_bytes=self._message.bytes)
        return max_length_ms if remaining_ms is None else min(max_length_ms, max(remaining_ms, MIN_RECORDING_MS))

    async def _begin_take(self) -> Take:
        payload = {"original": self._message.id, "destination": self._destination.id}
        return await self.services.takes.begin(
            self._mailbox.account_id,
            self._mailbox.id,
            RecordingPurpose.INTRO,
            self.call_context.recording_source,
            payload,
        )

    async def _store_take(self, take: Take) -> None:
        await self._deliver(take)

    async def _deliver(self, take: Take | None) -> None:
        await self.services.delivery.forward(self._message, self._destination, take, sender=self._mailbox)
        self._session.record(AuditAction.FORWARDED, [self._message.id])
