"""The directory: a caller spells a name with the keys of the phone, and chooses among the persons found.

The service dials nothing: it reports the number of the mailbox, and the dialplan dials it in a context of the site.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from ivr.audio.formats import Sound
from ivr.call.arguments import NameOrder
from ivr.mailbox import keypad_names
from ivr.mailbox.mailbox import Mailbox
from ivr.menus.dialplan_status import Status
from ivr.menus.menu import Menu, NextStep

MAX_LETTERS = 30
MAX_ROUNDS = 3
CHOOSE_KEY, NEXT_KEY, OPERATOR_KEY = "1", "*", "0"
"""The keys of app_voicemail's Directory()."""
ENTRY_PROMPTS = {
    NameOrder.FIRST: "directory/enter-first-name",
    NameOrder.LAST: "directory/enter-last-name",
    NameOrder.BOTH: "directory/enter-name",
}


class DirectoryResult(StrEnum):
    """The values of DIRECTORY_RESULT, which are those of Directory()."""

    SELECTED = "SELECTED"
    OPERATOR = "OPERATOR"
    ASSISTANT = "ASSISTANT"
    TIMEOUT = "TIMEOUT"
    FAILED = "FAILED"
    """Three entries have not found the person."""


class DialByName(Menu):
    """Asks for a name up to three times."""

    async def run(self) -> NextStep:
        for _ in range(MAX_ROUNDS):
            order = self.call.incoming.arguments.name_order
            entry = await self.ask_digits(ENTRY_PROMPTS[order], max_digits=MAX_LETTERS)
            if entry.is_cancelled:
                return await self._end(DirectoryResult.ASSISTANT)
            if entry.digits == OPERATOR_KEY:
                return await self._end(DirectoryResult.OPERATOR)
            if not entry.digits:
                continue
            found = await self.call.run_while_listening(self._find(entry.digits))
            self.call.journal.note("directory", digits=len(entry.digits), found=len(found))
            if not found:
                await self.reject("directory/not-found")
            elif result := await self._choose(found):
                return result
        return await self._end(DirectoryResult.FAILED if entry.digits else DirectoryResult.TIMEOUT)

    async def _find(self, digits: str) -> list[tuple[Mailbox, str]]:
        mailboxes = await self.services.boxes.list_by_account(self.call_context.account.id)
        order = self.call.incoming.arguments.name_order
        return keypad_names.find(
            mailboxes, digits, by_first=order is not NameOrder.LAST, by_last=order is not NameOrder.FIRST
        )

    async def _choose(self, found: Sequence[tuple[Mailbox, str]]) -> NextStep | None:
        """Say one name after the other until one is chosen; None if the caller wants none of them."""
        for mailbox, name in found:
            match await self._ask(mailbox, name):
                case None:
                    return await self._end(DirectoryResult.TIMEOUT)
                case key if key == CHOOSE_KEY:
                    return await self._end(DirectoryResult.SELECTED, mailbox.number)
                case key if key == OPERATOR_KEY:
                    return await self._end(DirectoryResult.OPERATOR)
        await self.say("directory/no-more")
        return None

    async def _ask(self, mailbox: Mailbox, name: str) -> str | None:
        """Say a name; return the valid key that is pressed, None if there is none."""
        options = [
            self.language.menu_option("call-person", CHOOSE_KEY),
            self.language.menu_option("next-name", NEXT_KEY),
        ]
        for _ in range(MAX_ROUNDS):
            key = await self.read_key([*await self._say_name(mailbox, name), await self.render(*options)])
            if key and key in (CHOOSE_KEY, NEXT_KEY, OPERATOR_KEY):
                return key
            if key:
                await self.reject("entry/invalid")
        return None

    async def _say_name(self, mailbox: Mailbox, name: str) -> list[Sound]:
        """Return the recorded name, else the name letter by letter; and the number, if the dialplan wants that."""
        recorded = await self.call.run_while_listening(self.services.greetings.find_name(mailbox))
        spelled = self.language.spell(keypad_names.plain_letters(name))
        sounds = [recorded or await self.render(spelled)]
        if self.call.incoming.arguments.say_extension:
            sounds.append(await self.render("envelope/extension", self.language.spell(mailbox.number)))
        return sounds

    async def _end(self, result: DirectoryResult, number: str = "") -> Status:
        self.call.flush_digits()
        await self.call.set_variable("DIRECTORY_EXTEN", number)
        await self.call.set_variable("DIRECTORY_RESULT", result)
        return Status.DONE if number else Status.EXIT
