"""Forwarding a message to another box, with a spoken intro or without (kazoo-behaviour §2.7; design)."""

from __future__ import annotations

from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.message import Message
from ivr.mailbox.room import LEAST_MS
from ivr.mailbox.store import Purpose, Take
from ivr.menus.recorder import Recorder
from ivr.menus.visit import Session

TRIES = 3
ROUNDS = 4


class Forward(Recorder):
    """Asks where to, whether to say something first, and sends a copy."""

    def __init__(self, session: Session, message: Message) -> None:
        super().__init__(session.visit)
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
            match await self._ask_how():
                case "prepend":
                    await self._record_intro()
                case "plain":
                    await self._forward_plain()
                case _:
                    return False
        else:
            await self._forward_plain()
        self.call.journal.note("forwarded", message=self._message.id, to=destination.id)
        await self.say("done/forwarded")
        return True

    async def _ask_destination(self) -> Mailbox | None:
        longest = self._mailbox.system.max_box_number_length
        for _ in range(TRIES):
            entry = await self.ask_digits("forward/enter-box", longest)
            found = None
            if entry.digits:
                find = self.mailroom.boxes.by_number(self._mailbox.account_id, entry.digits)
                found = await self.call.work(find)
            wrong = await self._what_is_wrong_with(found)
            if not wrong:
                return found
            await self.refuse(wrong)
        await self.refuse("forward/abort")
        return None

    async def _what_is_wrong_with(self, found: Mailbox | None) -> str | None:
        """Said before they record an intro: whether it still fits when it comes, the store sees to."""
        if found is None:
            return "entry/invalid"
        if found.id == self._mailbox.id:
            return "forward/own-box"
        if await self.call.work(self.mailroom.room.is_too_full_for(found, self._message.bytes)):
            return "forward/box-full"
        return None

    async def _ask_how(self) -> str | None:
        for _ in range(ROUNDS):
            keys = self._mailbox.keys
            said = {"prepend": "prepend", "plain": "forward-plain", "cancel": "back-to-messages"}
            choices = [(what, keys.key("forward", action)) for action, what in said.items()]
            key = await self.ask_key(*(self.rules.choice(what, key) for what, key in choices if key))
            action = keys.action("forward", key)
            if action:
                return action
            if key:
                await self.refuse("entry/invalid")
        return None

    async def _forward_plain(self) -> None:
        await self.call.work(self.mailroom.delivery.forward(self._message, self._destination))

    async def _record_intro(self) -> None:
        """Any key cuts the instructions. Whatever was said goes along, be it by key, by silence or by hanging up."""
        if not self._destination.settings.skip_instructions:
            await self.call.play([await self.sound("forward/intro")])
        await self.record(self._destination)

    async def _longest_ms(self, mailbox: Mailbox) -> int:
        """No longer than the box has room for beside the message itself."""
        longest_ms = await super()._longest_ms(mailbox)
        left_ms = await self.mailroom.room.left_ms(mailbox, behind=self._message.bytes)
        return longest_ms if left_ms is None else min(longest_ms, max(left_ms, LEAST_MS))

    async def _begin(self) -> Take:
        payload = {"original": self._message.id, "destination": self._destination.id}
        return await self.mailroom.takes.begin(
            self._mailbox.account_id, self._mailbox.id, Purpose.INTRO, self.visit.source, payload
        )

    async def _keep(self, take: Take) -> None:
        await self.mailroom.delivery.forward(self._message, self._destination, take)

    async def _too_short(self, take: Take) -> None:
        """The message goes all the same."""
        await self.mailroom.delivery.forward(self._message, self._destination, take, intro=False)
