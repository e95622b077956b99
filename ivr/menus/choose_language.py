"""The choice of the language that the owner hears."""

from __future__ import annotations

from ivr.menus.menu import OwnerMenu
from ivr.storage.records import AuditAction

KEYS = "123456789"
"""The keys of the languages, in the order of `ivr.prompts.languages`. Each language names itself."""


class ChooseLanguage(OwnerMenu):
    """Offers every language that has prompts. The call goes on in the chosen one."""

    async def run(self) -> None:
        voice = self.call_context.voice
        languages = dict(zip(KEYS, voice.languages, strict=False))
        sounds = [await self.call_context.render_in(code, "this-language", key) for key, code in languages.items()]
        key = await self.read_key([*sounds, await self.render("entry/cancel")])
        if key is None or key == "*":
            return
        if key not in languages:
            await self.reject("entry/invalid")
            return
        await self.call.run_while_listening(self._store(languages[key]))
        self.session.record(AuditAction.SETTINGS_CHANGED, ["language"])
        self.call.journal.note("language", language=languages[key])
        voice.switch_to(languages[key])
        await self.say("settings/language-is")

    async def _store(self, code: str) -> None:
        """Store the language of the person who is signed in; that of the mailbox if it has no owner."""
        if user := self.session.user:
            user = await self.services.directory.user(user.id)
            await self.services.directory.update_user(user.model_copy(update={"language": code}))
        else:
            await self.services.boxes.patch_from_phone(self.mailbox.id, {"language": code})
