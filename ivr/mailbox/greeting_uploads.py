"""Greetings and names that programs bring, take away, or give back as they were brought."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from ivr.clock import Clock
from ivr.errors import NotFound
from ivr.ids import IdGenerator
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.uploads import ConvertedUpload
from ivr.storage.protocols import AudioStore, MediaStore
from ivr.storage.records import MediaKind, StoredMedia

SOURCE_UPLOAD = "upload"


@dataclass(frozen=True, slots=True)
class GreetingFiles:
    """A greeting and where it lies; `upload` is None where it was spoken at a phone."""

    media: StoredMedia
    recording: Path
    upload: Path | None


class GreetingUploads:
    """The greetings of all boxes, as programs see them."""

    def __init__(self, store: MediaStore, recordings: AudioStore, clock: Clock, ids: IdGenerator) -> None:
        self._store = store
        self._recordings = recordings
        self._clock = clock
        self._ids = ids

    def active_media_id(self, mailbox: Mailbox, kind: MediaKind) -> str | None:
        """The id of what callers hear; None: the generic one."""
        media = mailbox.settings.media
        if kind is MediaKind.NAME:
            return (mailbox.owner.settings.get("media", {}).get("name") if mailbox.owner else None) or media.name
        if kind is MediaKind.TEMPORARY:
            return media.temporary_unavailable
        return media.unavailable or mailbox.settings.greeting_media_id

    async def activate(
        self, mailbox: Mailbox, kind: MediaKind, audio: ConvertedUpload, *, expected_media_id: str | None = None
    ) -> StoredMedia:
        """What was brought is heard from now on; a name in all boxes of its owner.

        Raises `NotFound`, `BoxFull`, `StoreError`; `PreconditionFailed` where `instead_of` is not what is in use.
        """
        media = StoredMedia(
            id=self._ids.new_document_id(),
            account_id=mailbox.account_id,
            box_id=mailbox.id,
            kind=kind,
            length_ms=audio.length_ms,
            bytes=audio.size_bytes,
            created_at=int(self._clock.now()),
            source=SOURCE_UPLOAD,
            content_type=audio.audio_format.content_type,
        )
        target = self._recordings.media_path(media.account_id, media.id)
        try:
            await asyncio.to_thread(self._recordings.hard_link, audio.upload_path, self._recordings.upload_path(target))
            await asyncio.to_thread(self._recordings.hard_link, audio.recording_path, target)
            owner = mailbox.owner if kind is MediaKind.NAME else None
            await self._store.activate(media, user_id=owner.id if owner else None, expected_media_id=expected_media_id)
        except Exception:  # A cancellation is none: the store does what it has begun.
            for path in (target, self._recordings.upload_path(target)):
                await asyncio.to_thread(self._recordings.remove, path)
            raise
        return media

    async def find(self, mailbox: Mailbox, kind: MediaKind) -> GreetingFiles:
        """What is in use. Raises `NotFound` where callers hear the generic one."""
        media_id = self.active_media_id(mailbox, kind)
        media = await self._store.get(mailbox.account_id, media_id) if media_id else None
        if media is None:
            raise NotFound(f"the box has no recording {kind}", kind)
        recording = self._recordings.media_path(media.account_id, media.id)
        upload = self._recordings.upload_path(recording) if media.source == SOURCE_UPLOAD else None
        return GreetingFiles(media, recording, upload)

    async def deactivate(
        self, mailbox: Mailbox, kind: MediaKind, *, expected_media_id: str | None = None
    ) -> StoredMedia:
        """Callers hear the generic one again; gives what it was. Raises `NotFound`; `PreconditionFailed` as `use` does."""
        found = await self.find(mailbox, kind)
        owner = mailbox.owner if kind is MediaKind.NAME else None
        await self._store.deactivate(
            mailbox.id, kind, user_id=owner.id if owner else None, expected_media_id=expected_media_id
        )
        return found.media
