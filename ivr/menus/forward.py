"""Forwarding a message to another box, with a spoken intro or without (kazoo-behaviour §2.7; design)."""

from __future__ import annotations

from ivr.mailbox.capacity import LEAST_MS
from ivr.mailbox.mailbox import Mailbox
from ivr.menus.context import OwnerSession
from ivr.menus.recorder import Recorder
from ivr.storage.records import Message, RecordingPurpose, Take

MAX_TRIES = 3
MAX_ROUNDS = 4


class Forward(Recorder):
    """Asks where to, whether to say something first, and sends a copy."""

    def __init__(self, session: OwnerSession, message: Message) -> None:
        super().__init__(session.call_context)
        self._mailbox = session.mailbox
        self._message = message
        self._destination: Mailbox

    async def run(self) -> bool:
        """Whether the message was forwarded."""
        destination = await self._ask_destination()
        if destination is None:
            return False
        self._destination = destination
        if self._mailbox.settings.vm_message_forward_type == "prepend_forward":
            match await self._ask_forward_mode():
                case "prepend":
                    await self._record_intro()
                case "plain":
                    await self._forward_without_intro()
                case _:
                    return False
        else:
            await self._forward_without_intro()
        self.call.journal.note("forwarded", message=self._message.id, to=destination.id)
        await self.say("done/forwarded")
        return True

    async def _ask_destination(self) -> Mailbox | None:
        longest = self._mailbox.system.max_box_number_length
        for _ in range(MAX_TRIES):
            entry = await self.ask_digits("forward/enter-box", longest)
            found = None
            if entry.digits:
                find = self.services.boxes.by_number(self._mailbox.account_id, entry.digits)
                found = await self.call.run_while_listening(find)
            wrong = await self._destination_problem(found)
            if not wrong:
                return found
            await self.reject(wrong)
        await self.reject("forward/abort")
        return None

    async def _destination_problem(self, destination: Mailbox | None) -> str | None:
        """Said before they record an intro: whether it still fits when it comes, the store sees to."""
        if destination is None:
            return "entry/invalid"
        if destination.id == self._mailbox.id:
            return "forward/own-box"
        if await self.call.run_while_listening(
            self.services.capacity.is_too_full_for(destination, self._message.bytes)
        ):
            return "forward/box-full"
        return None

    async def _ask_forward_mode(self) -> str | None:
        for _ in range(MAX_ROUNDS):
            keys = self._mailbox.keys
            said = {"prepend": "prepend", "plain": "forward-plain", "cancel": "back-to-messages"}
            choices = [(what, keys.key("forward", action)) for action, what in said.items()]
            key = await self.ask_key(*(self.language.menu_option(what, key) for what, key in choices if key))
            action = keys.action("forward", key)
            if action:
                return action
            if key:
                await self.reject("entry/invalid")
        return None

    async def _forward_without_intro(self) -> None:
        await self.call.run_while_listening(self.services.delivery.forward(self._message, self._destination))

    async def _record_intro(self) -> None:
        """Any key cuts the instructions. Whatever was said goes along, be it by key, by silence or by hanging up."""
        if not self._destination.settings.skip_instructions:
            await self.call.play([await self.render("forward/intro")])
        await self.record(self._destination)

    async def _max_duration_ms(self, mailbox: Mailbox) -> int:
        """No longer than the box has room for beside the message itself."""
        longest_ms = await super()._max_duration_ms(mailbox)
        left_ms = await self.services.capacity.left_ms(mailbox, behind=self._message.bytes)
        return longest_ms if left_ms is None else min(longest_ms, max(left_ms, LEAST_MS))

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
        await self.services.delivery.forward(self._message, self._destination, take)

    async def _handle_short_take(self, take: Take) -> None:
        """The message goes all the same."""
        await self.services.delivery.forward(self._message, self._destination, take, intro=False)
