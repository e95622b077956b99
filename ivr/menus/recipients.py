"""Choosing the mailboxes that a message goes to: by their numbers, or by the number of a distribution list.

Each number is confirmed as it is understood. A wrong one is said; those before it stay.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ivr.audio.formats import Sound
from ivr.call.base import DigitsEndReason
from ivr.errors import NotFound
from ivr.mailbox.mailbox import Mailbox
from ivr.menus.context import OwnerSession
from ivr.menus.menu import OwnerMenu
from ivr.prompts.language import Language
from ivr.prompts.voice import Prompt
from ivr.storage.records import Message
from ivr.validation.fields import MAX_RECIPIENTS
from ivr.validation.numbers import MAX_BOX_NUMBER_LENGTH

MAX_TRIES = 3
MAX_ROUNDS = 4
CANCEL_KEY = "*"
"""Ends the entry of numbers, and so the menus around it too."""


@dataclass(frozen=True, slots=True)
class RecipientPrompts:
    """What is said while the mailboxes are chosen. `cancelled`, `abandoned`: the message goes nowhere."""

    enter: str
    full: str
    cancelled: str
    abandoned: str


class ChooseRecipients(OwnerMenu):
    """The mailboxes that one message goes to, in the order in which they were entered.

    `message`: the one that is forwarded; None: it is recorded later.
    """

    def __init__(self, session: OwnerSession, prompts: RecipientPrompts, message: Message | None = None) -> None:
        super().__init__(session)
        self._prompts = prompts
        self._message = message
        self._chosen: dict[str, Mailbox] = {}
        self._confirmation: list[Sound] = []

    @property
    def mailboxes(self) -> list[Mailbox]:
        return list(self._chosen.values())

    async def run(self) -> bool:
        """Ask for a number until it is understood; return whether it was. `*` and three wrong entries end it."""
        is_first = not self._chosen
        enter = self._prompts.enter if is_first else "recipients/enter-next"
        for _ in range(MAX_TRIES):
            entry = await self.ask_digits(enter, "entry/cancel", max_digits=MAX_BOX_NUMBER_LENGTH)
            if entry.is_cancelled or (not entry.digits and entry.end_reason is DigitsEndReason.TERMINATOR):
                if is_first:
                    await self.say(self._prompts.cancelled)
                return False
            if problem := await self._add_number(entry.digits):
                await self.reject(*problem)
            else:
                return True
        await self.reject(self._prompts.abandoned if is_first else "recipients/abandoned")
        return False

    def take_confirmation(self) -> list[Sound]:
        """Return who was added last, as it has not been said yet."""
        confirmation, self._confirmation = self._confirmation, []
        return confirmation

    async def ask_action(self, menu: str, options: Mapping[str, str]) -> str | None:
        """Say who was added last and what comes next; return the action of the key, None if the owner leaves.

        `options`: what is said for each action of `menu`, a menu of the key map.
        """
        keys = self.mailbox.key_map
        for _ in range(MAX_ROUNDS):
            keys_by_option = {option: keys.key_for(menu, action) for action, option in options.items()}
            spoken = [self.language.menu_option(option, key) for option, key in keys_by_option.items() if key]
            key = await self.read_key([*self.take_confirmation(), await self.render(*spoken)])
            action = keys.action_for(menu, key)
            if action == "cancel" or key == CANCEL_KEY:
                return None
            if action:
                return action
            if key:
                await self.reject("entry/invalid")
        return None

    async def add(self, mailbox: Mailbox) -> str:
        """Add a mailbox and let its recorded name, or else its number, be said next.

        Return the prompt that says why the message cannot go there; "" if it can.
        """
        if problem := await self._problem(mailbox):
            return problem
        if len(self._chosen | {mailbox.id: mailbox}) > MAX_RECIPIENTS:
            return "entry/invalid"
        self._chosen[mailbox.id] = mailbox
        name = await self.call.run_while_listening(self.services.greetings.find_name(mailbox))
        self._confirmation = [name or await self.render(_mailbox_prompt(self.language, mailbox.number))]
        return ""

    async def remaining_ms(self, reserved_bytes: int = 0) -> int | None:
        """Return the longest recording for which each of the mailboxes has space; None: no limit."""
        found = [
            await self.services.capacity.remaining_ms(mailbox, reserved_bytes=reserved_bytes)
            for mailbox in self._chosen.values()
        ]
        return min((remaining for remaining in found if remaining is not None), default=None)

    async def _add_number(self, number: str) -> tuple[Prompt, ...]:
        """Add the mailboxes that `number` names; return why there are none, () if there are some."""
        mailbox = await self._find(number)
        members = self.mailbox.distribution_lists.get(number)
        if mailbox is None and members:
            return await self._add_list(number, members)
        problem = await self.add(mailbox) if mailbox else "entry/invalid"
        return (problem,) if problem else ()

    async def _add_list(self, number: str, members: Iterable[str]) -> tuple[Prompt, ...]:
        """Add the members of a distribution list, without the sender; say which of them cannot take the message."""
        missing: list[str] = []
        found: dict[str, Mailbox] = {}
        for member in members:
            mailbox = await self._find(member)
            if mailbox and mailbox.id == self.mailbox.id:
                continue
            if mailbox is None or await self._problem(mailbox):
                missing.append(member)
            else:
                found[mailbox.id] = mailbox
        problem = left_out(self.language, missing)
        if not found:
            return problem or ("forward/own-box",)
        if len(self._chosen | found) > MAX_RECIPIENTS:
            return ("entry/invalid",)
        self._chosen |= found
        name = ("recipients/list", *self.language.spell(number))
        self._confirmation = [await self.render(name, *problem)]
        return ()

    async def _find(self, number: str) -> Mailbox | None:
        if not number:
            return None
        by_number = self.services.boxes.find_by_number(self.mailbox.account_id, number)
        return await self.call.run_while_listening(by_number)

    async def _problem(self, mailbox: Mailbox) -> str:
        """Return the prompt that says why the message cannot go there; "" if it can.

        This is checked before anything is recorded. The store checks the quota again when the message arrives.
        """
        if not mailbox.settings.enabled:
            return "entry/invalid"
        if mailbox.id == self.mailbox.id:
            return "forward/own-box"
        if await self.call.run_while_listening(self._is_full(mailbox)):
            return self._prompts.full
        return "" if self._message or not mailbox.settings.announcement_only else "recipients/takes-no-messages"

    async def _is_full(self, mailbox: Mailbox) -> bool:
        capacity = self.services.capacity
        return await (
            capacity.cannot_take(mailbox, self._message.bytes) if self._message else capacity.is_full(mailbox)
        )


def left_out(language: Language, numbers: Iterable[str]) -> tuple[Prompt, ...]:
    """Return the sentence that names the mailboxes to which a message cannot go; () without any."""
    mailboxes = [_mailbox_prompt(language, number) for number in numbers]
    return ("recipients/left-out", *mailboxes) if mailboxes else ()


def _mailbox_prompt(language: Language, number: str) -> Prompt:
    return ("recipients/mailbox", *language.spell(number))


async def find_sender(session: OwnerSession, message: Message) -> Mailbox | None:
    """Return the mailbox that a reply to `message` goes to: that of its caller, else of who forwarded it.

    None if there is no such mailbox in the account, or if it takes no messages.
    """
    services, account = session.call_context.services, session.mailbox.account
    if not session.mailbox.settings.may_send_messages:
        return None
    found = await services.boxes.find_by_number(account.id, message.caller.number) if message.caller.number else None
    if found is None and message.caller_user_id:
        try:
            user = await services.directory.user(message.caller_user_id)
            owned = await services.boxes.list_by_owner(user, account)
            found = next((mailbox for mailbox in owned if mailbox.id == user.voicemail_id), next(iter(owned), None))
        except NotFound:
            pass
    if found is None and message.forwarded_by:
        found = await services.boxes.find_by_number(account.id, message.forwarded_by.number)
    takes_messages = found and found.settings.enabled and not found.settings.announcement_only
    return found if takes_messages and found and found.id != session.mailbox.id else None
