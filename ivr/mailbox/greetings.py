"""Greetings: the temporary one until it expires, else the owner's own; and the owner's recorded name.

If a mailbox has neither, the menus play a generic prompt with the name or the number.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, time, timedelta
from pathlib import Path

from ivr.audio import wav
from ivr.audio.formats import Sound
from ivr.clock import Clock
from ivr.mailbox.box_settings import MediaIds
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.takes import Takes
from ivr.storage.protocols import AudioStore, MediaStore
from ivr.storage.records import MediaKind, RecordingPurpose, StoredMedia, Take

MEDIA_KIND_BY_PURPOSE = {
    RecordingPurpose.GREETING: MediaKind.UNAVAILABLE,
    RecordingPurpose.TEMPORARY_GREETING: MediaKind.TEMPORARY,
    RecordingPurpose.NAME: MediaKind.NAME,
}
"""Which kind of recording a take becomes."""


def end_of_day(day_number: int, now: datetime) -> int:
    """Unix seconds at which a day ends in the time zone of `now`; day 1 is today."""
    return int(datetime.combine(now.date() + timedelta(days=day_number), time(), now.tzinfo).timestamp())


class Greetings:
    """The greetings and names of all mailboxes."""

    def __init__(self, store: MediaStore, takes: Takes, recordings: AudioStore, clock: Clock) -> None:
        self._store = store
        self._takes = takes
        self._recordings = recordings
        self._clock = clock

    # -- playing -----------------------------------------------------------------------------------------------

    async def find_greeting(self, mailbox: Mailbox) -> Sound | None:
        """The greeting for callers; None: the generic prompt. A recording whose file is missing counts as none."""
        media_id = mailbox.settings.media.unavailable or mailbox.settings.greeting_media_id
        return await self.find_temporary_greeting(mailbox) or await self._find_sound(mailbox, media_id, "greeting")

    async def find_temporary_greeting(self, mailbox: Mailbox) -> Sound | None:
        """The temporary greeting, unless it has expired."""
        media = mailbox.settings.media
        return (
            None
            if self._is_expired(media)
            else await self._find_sound(mailbox, media.temporary_unavailable, "temporary greeting")
        )

    async def find_name(self, mailbox: Mailbox) -> Sound | None:
        """The recorded name of the owner: the one of the user, else the one of the mailbox."""
        user_media_id = mailbox.owner.settings.get("media", {}).get("name") if mailbox.owner else None
        return await self._find_sound(mailbox, user_media_id or mailbox.settings.media.name, "name")

    # -- changes by the owner --------------------------------------------------------------------------------------

    async def activate(self, take: Take, mailbox: Mailbox, *, days: int | None = None) -> StoredMedia:
        """Turn a take into a greeting or name and use it from now on.

        `days`: a temporary greeting expires at the end of that day, day 1 being today; None: it does not expire. Raises
        `NotFound` if the take is finished already, `InvalidAudio`, `BoxFull`, `StoreError`; nothing has changed then.
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
        expires_at = None if days is None else end_of_day(days, mailbox.local_time(now))
        await self._store.activate(media, user_id=user_id, take_id=take.id, expires_at=expires_at)
        await self._takes.delete_file(take)
        return media

    async def remove_temporary(self, mailbox: Mailbox) -> bool:
        """Stop using the temporary greeting. Return whether there was one."""
        return await self._store.deactivate(mailbox.id, MediaKind.TEMPORARY)

    def _is_expired(self, media: MediaIds) -> bool:
        return media.temporary_until is not None and self._clock.now() >= media.temporary_until

    async def _find_sound(self, mailbox: Mailbox, media_id: str | None, description: str) -> Sound | None:
        media = await self._store.get(mailbox.account_id, media_id) if media_id else None
        if media is None:
            return None
        path = self._recordings.media_path(media.account_id, media.id)
        return Sound(path, media.length_ms, f"({description} of {mailbox.number})") if path.exists() else None
