"""Choosing one of the earlier greetings that are still stored."""

from __future__ import annotations

from ivr.audio.formats import Sound
from ivr.mailbox.greetings import GreetingFiles, end_of_day, greeting_setting
from ivr.menus.context import OwnerSession
from ivr.menus.greeting_recording import NO_EXPIRY, GreetingDuration
from ivr.menus.menu import OwnerMenu
from ivr.storage.records import AuditAction, MediaKind

MAX_ROUNDS = 4
"""How often the choices are read out without an answer."""
ANNOUNCEMENTS = {
    MediaKind.UNAVAILABLE: "settings/earlier-greeting",
    MediaKind.BUSY: "settings/earlier-busy",
    MediaKind.TEMPORARY: "settings/earlier-temporary",
    MediaKind.NAME: "settings/earlier-name",
}
"""Kind of greeting → what is said before it, in the order in which they are played."""
OPTIONS = {
    "use_greeting": "use-recording",
    "hear_greeting": "replay",
    "next_greeting": "next-greeting",
    "cancel": "back-to-settings",
}


class ChooseGreeting(OwnerMenu):
    """Plays the earlier greetings and names, of each kind the newest first, until one is chosen."""

    @staticmethod
    async def is_offered(session: OwnerSession) -> bool:
        """Return whether the spoken menu offers it."""
        greetings = session.call_context.services.greeting_uploads
        for kind in ANNOUNCEMENTS:
            if await greetings.list_earlier(session.mailbox, kind):
                return True
        return False

    async def run(self) -> None:
        found = await self.call.run_while_listening(self._list_earlier())
        if not found:
            await self.say("settings/not-changed")
            return
        position = silent_rounds = 0
        with_audio = True
        while silent_rounds < MAX_ROUNDS:
            kind, files = found[position]
            sounds = await self._sounds(kind, files) if with_audio else []
            key = await self.read_key([*sounds, await self.render(*self._option_prompts(len(found)))])
            with_audio, silent_rounds = False, silent_rounds + 1
            match "cancel" if key == "*" else self.key_map.action_for("greetings", key):
                case "use_greeting":
                    await self._use(kind, files)
                    return
                case "hear_greeting":
                    with_audio, silent_rounds = True, 0
                case "next_greeting" if len(found) > 1:
                    position, with_audio, silent_rounds = (position + 1) % len(found), True, 0
                case "cancel":
                    return
                case _ if key:
                    await self.reject("entry/invalid")

    async def _list_earlier(self) -> list[tuple[MediaKind, GreetingFiles]]:
        greetings = self.services.greeting_uploads
        return [(kind, files) for kind in ANNOUNCEMENTS for files in await greetings.list_earlier(self.mailbox, kind)]

    async def _sounds(self, kind: MediaKind, files: GreetingFiles) -> list[Sound]:
        text = f"(earlier {kind} of {self.mailbox.number}: {files.media.id})"
        recording = await self.call.run_while_listening(self.services.greeting_uploads.fetch(files))
        return [await self.render(ANNOUNCEMENTS[kind]), Sound(recording, files.media.length_ms, text)]

    def _option_prompts(self, count: int) -> list[tuple[str, ...]]:
        offered = {action: option for action, option in OPTIONS.items() if count > 1 or action != "next_greeting"}
        keys = {option: self.key_map.key_for("greetings", action) for action, option in offered.items()}
        return [self.language.menu_option(option, key) for option, key in keys.items() if key]

    async def _use(self, kind: MediaKind, files: GreetingFiles) -> None:
        expires_at = None
        if kind is MediaKind.TEMPORARY:
            days = await GreetingDuration(self.call_context).run()
            if days is None:
                await self.say("settings/not-changed")
                return
            now = self.mailbox.local_time(self.services.clock.now())
            expires_at = None if days == NO_EXPIRY else end_of_day(days, now)
        media = await self.call.run_while_listening(
            self.services.greeting_uploads.use_earlier(self.mailbox, kind, files.media.id, expires_at=expires_at)
        )
        self.call.journal.note("in use", media=media.id, kind=media.kind)
        self.session.record(AuditAction.SETTINGS_CHANGED, [greeting_setting(media.kind)])
        await self.say("settings/in-use-again")
