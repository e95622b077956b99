"""Choosing the folder, by its label, that a message is put into."""

from __future__ import annotations

from ivr.menus.menu import OwnerMenu
from ivr.prompts.voice import Prompt

MAX_ROUNDS = 3
BACK_KEY = "0"
RECORDED_LABELS = {"work": "folder-work", "family": "folder-family", "friends": "folder-friends"}
"""Labels that have a recording of their own, in lower case; those of app_voicemail. Others are said as numbers."""


class ChooseFolder(OwnerMenu):
    """Offers `folder_labels`: the first has key 1."""

    async def run(self) -> str | None:
        """Return the label; None if the owner goes back to the message, or chooses none."""
        labels = self.mailbox.voicemail_settings.folder_labels
        options = [self._option(label, number) for number, label in enumerate(labels, 1)]
        for _ in range(MAX_ROUNDS):
            key = await self.ask_key(*options, self.language.menu_option("back-to-messages", BACK_KEY))
            if key == BACK_KEY:
                return None
            if key and key.isdigit() and int(key) <= len(labels):
                return labels[int(key) - 1]
            if key:
                await self.reject("entry/invalid")
        return None

    def _option(self, label: str, number: int) -> Prompt:
        recorded = RECORDED_LABELS.get(label.lower())
        if recorded:
            return self.language.menu_option(recorded, str(number))
        to_folder, press = self.language.menu_option("folder", str(number))
        return (to_folder, *self.language.spell(str(number)), press)
