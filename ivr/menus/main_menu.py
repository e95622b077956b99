"""The main menu: how many messages there are, and which to hear."""

from __future__ import annotations

from ivr.audio.formats import Sound
from ivr.errors import IvrError
from ivr.mailbox.folder_cursor import FolderCursor
from ivr.menus.compose import Compose
from ivr.menus.context import OwnerSession
from ivr.menus.menu import NextStep, OwnerMenu, prompt_for
from ivr.menus.message_menu import MessageMenu
from ivr.menus.settings_menu import SettingsMenu
from ivr.prompts.voice import Prompt
from ivr.storage.records import Folder, FolderCounts, Message

MAX_ROUNDS = 4
"""How often the menu is read out before the call ends."""

MAX_PREFETCHED = 3
"""How many new messages are fetched from the store of recordings before the owner asks for them."""

FOLDERS = {"hear_new": Folder.NEW, "hear_saved": Folder.SAVED, "hear_deleted": Folder.DELETED}


class MainMenu(OwnerMenu):
    """`just_signed_in`: new messages play at once, if the mailbox is set so."""

    def __init__(self, session: OwnerSession, *, just_signed_in: bool = False) -> None:
        super().__init__(session)
        self._just_signed_in = just_signed_in

    async def run(self) -> NextStep:
        rounds = 0
        while rounds < MAX_ROUNDS:
            rounds += 1
            counts = await self.call.run_while_listening(self._load_counts())
            if rounds == 1 and counts.new:
                self.services.delivery.prefetch_found(self._first_new_messages)  # While the counts are said.
            if self._just_signed_in and self._should_autoplay(counts):
                self._just_signed_in = False
                await self.say(self._counts_prompt(counts))
                return MessageMenu(self.session, Folder.NEW, parent=self, autoplay=True)
            key = await self.read_key(await self._menu_sounds(counts))
            match self.key_map.action_for("main", key):
                case ("hear_new" | "hear_saved" | "hear_deleted") as action:
                    return MessageMenu(self.session, FOLDERS[action], parent=self)
                case "compose" if self.mailbox.settings.may_send_messages:
                    rounds = 0
                    await self._compose()
                case "configure" if not self.mailbox.settings.not_configurable:
                    return SettingsMenu(self.session, make_parent=MainMenu)
                case "exit":
                    return await self.say_goodbye()
                case None if key is None:
                    continue
                case _:
                    await self.reject("entry/invalid")
        return await self.say_goodbye()

    async def _compose(self) -> None:
        try:
            await Compose(self.session).run()
        except IvrError as error:
            await self.report_error(error, prompt_for(error))

    async def _load_counts(self) -> FolderCounts:
        """Return the counts, including messages whose delivery is about to complete."""
        await self.services.delivery.pending_deliveries.wait_until_done(self.mailbox.id)
        not_before = self.mailbox.voicemail_settings.retention_cutoff(self.services.clock.now())
        return await self.services.messages.expire_and_count(self.mailbox.account_id, self.mailbox.id, not_before)

    async def _first_new_messages(self) -> list[Message]:
        now = self.services.clock.now()
        cursor = await FolderCursor.open(self.services.messages, self.mailbox, Folder.NEW, now)
        first = await cursor.current_message()
        return [first, *await cursor.following_messages(MAX_PREFETCHED - 1)] if first else []

    def _should_autoplay(self, counts: FolderCounts) -> bool:
        return self.session.own_phone and self.mailbox.settings.new_messages_at_once and counts.new > 0

    async def _menu_sounds(self, counts: FolderCounts) -> list[Sound]:
        """Return the counts and the options that have an effect now. Every key works, read out or not."""
        offered = {
            "hear_new": counts.new > 0,
            "hear_saved": counts.saved > 0,
            "hear_deleted": counts.deleted > 0,
            "compose": self.mailbox.settings.may_send_messages,
            "configure": not self.mailbox.settings.not_configurable,
            "exit": True,
        }
        options = [self._option_prompt(action) for action, is_offered in offered.items() if is_offered]
        return [
            await self.render(self._counts_prompt(counts)),
            await self.render(*(option for option in options if option)),
        ]

    def _counts_prompt(self, counts: FolderCounts) -> Prompt:
        return self.language.message_counts(counts.new, counts.saved, counts.urgent_new)

    def _option_prompt(self, action: str) -> Prompt:
        key = self.key_map.key_for("main", action)
        return self.language.menu_option(action.replace("_", "-"), key) if key else ()
