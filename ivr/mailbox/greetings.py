"""What a caller is greeted with: the temporary greeting while it lasts, then the owner's own, and the owner's name.

Where a box has none of them, the menus say a generic sentence (kazoo-behaviour §1.3; the name in it is our design).
"""

from __future__ import annotations

from ivr.audio.sound import Sound
from ivr.clock import Clock
from ivr.mailbox.box import Media
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.recordings import Recordings
from ivr.mailbox.store import MediaStore


class Greetings:
    """The greetings and names of all boxes."""

    def __init__(self, store: MediaStore, recordings: Recordings, clock: Clock) -> None:
        self._store = store
        self._recordings = recordings
        self._clock = clock

    async def greeting(self, mailbox: Mailbox) -> Sound | None:
        """What callers hear; None: the generic sentence. A recording that is gone counts as none."""
        media = mailbox.settings.media
        temporary = None if self._is_over(media) else media.temporary_unavailable
        return await self._sound(mailbox, temporary, "temporary greeting") or await self._sound(
            mailbox, media.unavailable or mailbox.settings.greeting_media_id, "greeting"
        )

    async def name(self, mailbox: Mailbox) -> Sound | None:
        """The owner's name as they recorded it: kept with the user, else with the box (kazoo-behaviour §1.12)."""
        owners = mailbox.owner.settings.get("media", {}).get("name") if mailbox.owner else None
        return await self._sound(mailbox, owners or mailbox.settings.media.name, "name")

    def _is_over(self, media: Media) -> bool:
        return media.temporary_until is not None and self._clock.now() >= media.temporary_until

    async def _sound(self, mailbox: Mailbox, media_id: str | None, what: str) -> Sound | None:
        media = await self._store.get(mailbox.account_id, media_id) if media_id else None
        if media is None:
            return None
        path = self._recordings.media(media.account_id, media.id)
        return Sound(path, media.length_ms, f"({what} of {mailbox.number})") if path.exists() else None
