"""The main menu: how many messages there are, and which to hear (kazoo-behaviour §2.2)."""

from __future__ import annotations

from ivr.audio.sound import Sound
from ivr.mailbox.message import Counts, Folder
from ivr.menus.menu import Next, OwnerMenu
from ivr.menus.message_menu import MessageMenu
from ivr.menus.settings_menu import SettingsMenu
from ivr.menus.visit import Session
from ivr.prompts.voice import Meaning

ROUNDS = 4
"""Times that it is said before the caller is taken to be gone."""

FOLDERS = {"hear_new": Folder.NEW, "hear_saved": Folder.SAVED, "hear_deleted": Folder.DELETED}


class MainMenu(OwnerMenu):
    """`first`: the owner has just come in, and hears new messages at once if the box is set so."""

    def __init__(self, session: Session, *, first: bool = False) -> None:
        super().__init__(session)
        self._first = first

    async def run(self) -> Next:
        for _ in range(ROUNDS):
            counts = await self.call.work(self._count())
            if self._first and self._starts_at_once(counts):
                self._first = False
                await self.say(self._how_many(counts))
                return MessageMenu(self.session, Folder.NEW, home=self, at_once=True)
            key = await self.take_key(await self._menu(counts))
            match self.keys.action("main", key):
                case ("hear_new" | "hear_saved" | "hear_deleted") as action:
                    return MessageMenu(self.session, FOLDERS[action], home=self)
                case "configure" if not self.mailbox.settings.not_configurable:
                    return SettingsMenu(self.session, home=MainMenu)
                case "exit":
                    return await self.goodbye()
                case None if key is None:
                    continue
                case _:
                    await self.refuse("entry/invalid")
        return await self.goodbye()

    async def _count(self) -> Counts:
        await self.mailroom.delivery.arriving.settled(self.mailbox.id)
        not_before = self.mailbox.system.not_before(self.mailroom.clock.now())
        return await self.mailroom.messages.counts_now(self.mailbox.account_id, self.mailbox.id, not_before)

    def _starts_at_once(self, counts: Counts) -> bool:
        return self.session.own_phone and self.mailbox.settings.new_messages_at_once and counts.new > 0

    async def _menu(self, counts: Counts) -> list[Sound]:
        """Only what leads somewhere is said; every key works all the same."""
        said = {
            "hear_new": counts.new > 0,
            "hear_saved": counts.saved > 0,
            "hear_deleted": counts.deleted > 0,
            "configure": not self.mailbox.settings.not_configurable,
            "exit": True,
        }
        choices = [self._choice(action) for action, offered in said.items() if offered]
        return [
            await self.sound(self._how_many(counts)),
            await self.sound(*(choice for choice in choices if choice)),
        ]

    def _how_many(self, counts: Counts) -> Meaning:
        return self.rules.message_counts(counts.new, counts.saved, counts.urgent_new)

    def _choice(self, action: str) -> Meaning:
        key = self.keys.key("main", action)
        return self.rules.choice(action.replace("_", "-"), key) if key else ()
