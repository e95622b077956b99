"""Calling back the person who left a message, as far as the rules of `ivr.mailbox.call_back_rules` allow it."""

from __future__ import annotations

from ivr.mailbox.call_back_rules import CallBackRefusal, extensions_to_dial, find_refusal
from ivr.menus.context import OwnerSession
from ivr.menus.dialplan_status import Status
from ivr.menus.menu import NextStep, OwnerMenu
from ivr.storage.records import AuditAction, Message

PROMPTS = {
    CallBackRefusal.NOT_AVAILABLE: "callback/not-available",
    CallBackRefusal.NOT_ALLOWED: "callback/not-allowed",
    CallBackRefusal.NO_SUCH_NUMBER: "callback/no-such-number",
}
MAX_ROUNDS = 3


class CallBackToCaller(OwnerMenu):
    """Sends the call to the account's call-back context, or plays the reason why it cannot."""

    def __init__(self, session: OwnerSession, message: Message) -> None:
        super().__init__(session)
        self._message = message

    @staticmethod
    def is_offered(session: OwnerSession, message: Message) -> bool:
        """Return whether the spoken menu offers it."""
        return _find_refusal(session, message) is None

    async def run(self) -> NextStep | None:
        """Return where the call continues; None after a rejection, which returns to the message."""
        refusal = _find_refusal(self.session, self._message)
        if refusal is None:
            if (extension := await self._find_extension(self.mailbox.callback_context)) is not None:
                self.session.record(AuditAction.CALLED_BACK, [self._message.id])
                await self.say("callback/calling")
                await self.call.continue_at(self.mailbox.callback_context, extension)
                return Status.BRANCH
            refusal = CallBackRefusal.NO_SUCH_NUMBER
        await self.reject(PROMPTS[refusal])
        return None

    async def _find_extension(self, context: str) -> str | None:
        """Return the first form of the number that the context has."""
        for extension in extensions_to_dial(self.mailbox, self._message):
            if await self.call.extension_exists(context, extension):
                return extension
        return None


class AnswerSender(OwnerMenu):
    """Asks how to answer a message, where the owner can call back as well as send a message."""

    async def run(self) -> str | None:
        """Return the action; None if the owner goes back to the message."""
        options = {"call_sender": "callback", "send_reply": "reply", "cancel": "back-to-messages"}
        keys = {option: self.key_map.key_for("callback", action) for action, option in options.items()}
        for _ in range(MAX_ROUNDS):
            key = await self.ask_key(*(self.language.menu_option(option, key) for option, key in keys.items() if key))
            action = "cancel" if key == "*" else self.key_map.action_for("callback", key)
            if action:
                return None if action == "cancel" else action
            if key:
                await self.reject("entry/invalid")
        return None


def _find_refusal(session: OwnerSession, message: Message) -> CallBackRefusal | None:
    return find_refusal(session.mailbox, message, by_own_phone=session.call_context.user is not None)
