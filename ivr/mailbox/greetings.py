"""What a caller is greeted with: the temporary greeting while it lasts, then the owner's own, and the owner's name.

Where a box has none of them, the menus say a generic sentence (kazoo-behaviour §1.3; the name in it is our design).
"""

from __future__ import annotations

import asyncio
from datetime import datetime, time, timedelta
from pathlib import Path

from ivr.audio import wav
from ivr.audio.formats import Sound
from ivr.clock import Clock
from ivr.mailbox.box_settings import MediaIds as Pointers
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.takes import Takes
from ivr.storage.protocols import AudioStore, MediaStore
from ivr.storage.records import MediaKind, RecordingPurpose, StoredMedia, Take

MEDIA_KIND_BY_PURPOSE = {
    RecordingPurpose.GREETING: MediaKind.UNAVAILABLE,
    RecordingPurpose.TEMPORARY_GREETING: MediaKind.TEMPORARY,
    RecordingPurpose.NAME: MediaKind.NAME,
}
"""What the take of a greeting or a name becomes."""


def end_of_day(day_number: int, now: datetime) -> int:
    """Unix seconds at which the `n`-th day ends on the clock that `now` is read from; today is the first."""
    return int(datetime.combine(now.date() + timedelta(days=day_number), time(), now.tzinfo).timestamp())


class Greetings:
    """The greetings and names of all boxes."""

    def __init__(self, store: MediaStore, takes: Takes, recordings: AudioStore, clock: Clock) -> None:
        self._store = store
        self._takes = takes
        self._recordings = recordings
        self._clock = clock

    # -- what is heard -----------------------------------------------------------------------------------------------

    async def find_greeting(self, mailbox: Mailbox) -> Sound | None:
        """What callers hear; None: the generic sentence. A recording that is gone counts as none."""
        own = mailbox.settings.media.unavailable or mailbox.settings.greeting_media_id
        return await self.find_temporary_greeting(mailbox) or await self._find_sound(mailbox, own, "greeting")

    async def find_temporary_greeting(self, mailbox: Mailbox) -> Sound | None:
        """The temporary greeting, while it is in use."""
        media = mailbox.settings.media
        return (
            None
            if self._is_expired(media)
            else await self._find_sound(mailbox, media.temporary_unavailable, "temporary greeting")
        )

    async def find_name(self, mailbox: Mailbox) -> Sound | None:
        """The owner's name as they recorded it: kept with the user, else with the box (kazoo-behaviour §1.12)."""
        owners = mailbox.owner.settings.get("media", {}).get("name") if mailbox.owner else None
        return await self._find_sound(mailbox, owners or mailbox.settings.media.name, "name")

    # -- what its owner changes --------------------------------------------------------------------------------------

    async def activate(self, take: Take, mailbox: Mailbox, *, days: int | None = None) -> StoredMedia:
        """A take of a greeting or a name is in use from now on (kazoo-behaviour §2.5).

        `days`: a temporary greeting falls back at the end of that day, today being the first; None: it does not.
        Raises `NotFound` where the take is over already, `InvalidAudio`, `BoxFull`, `StoreError`: nothing has changed
        then.
        """
        media_id = str((take.payload or {})["media_id"])
        target = self._recordings.media_path(take.account_id, media_id)
        size = await asyncio.to_thread(self._recordings.copy_and_repair, Path(take.path), target)
        now = self._clock.now()
        media = StoredMedia(
            id=media_id,
            account_id=take.account_id,
            box_id=mailbox.id,
            kind=MEDIA_KIND_BY_PURPOSE[take.purpose],
            length_ms=wav.length_ms_from_size(size),
            bytes=size,
            created_at=int(now),
        )
        user_id = mailbox.owner.id if mailbox.owner and media.kind is MediaKind.NAME else None
        until = None if days is None else end_of_day(days, mailbox.local_time(now))
        await self._store.activate(media, user_id=user_id, take_id=take.id, expires_at=until)
        await self._takes.delete_file(take)
        return media

    async def remove_temporary(self, mailbox: Mailbox) -> bool:
        """Callers hear the own greeting again; whether there was a temporary one."""
        return await self._store.deactivate(mailbox.id, MediaKind.TEMPORARY)

    def _is_expired(self, media: Pointers) -> bool:
        return media.temporary_until is not None and self._clock.now() >= media.temporary_until

    async def _find_sound(self, mailbox: Mailbox, media_id: str | None, description: str) -> Sound | None:
        media = await self._store.get(mailbox.account_id, media_id) if media_id else None
        if media is None:
            return None
        path = self._recordings.media_path(media.account_id, media.id)
        return Sound(path, media.length_ms, f"({description} of {mailbox.number})") if path.exists() else None
