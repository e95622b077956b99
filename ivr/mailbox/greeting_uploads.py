"""Uploaded greetings and names: activate, find and deactivate them. The original upload is stored too."""

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
    """A greeting and its files; `upload` is None if it was recorded by phone."""

    media: StoredMedia
    recording: Path
    upload: Path | None


class GreetingUploads:
    """The greetings of all mailboxes, as REST clients manage them."""

    def __init__(self, store: MediaStore, recordings: AudioStore, clock: Clock, ids: IdGenerator) -> None:
        self._store = store
        self._recordings = recordings
        self._clock = clock
        self._ids = ids

    def active_media_id(self, mailbox: Mailbox, kind: MediaKind) -> str | None:
        """The id of the recording in use; None: callers hear the generic prompt."""
        media = mailbox.settings.media
        if kind is MediaKind.NAME:
            return (mailbox.owner.settings.get("media", {}).get("name") if mailbox.owner else None) or media.name
        if kind is MediaKind.TEMPORARY:
            return media.temporary_unavailable
        return media.unavailable or mailbox.settings.greeting_media_id

    async def activate(
        self, mailbox: Mailbox, kind: MediaKind, audio: ConvertedUpload, *, expected_media_id: str | None = None
    ) -> StoredMedia:
        """Store an upload and use it from now on; a name in all mailboxes of the owner.

        Raises `NotFound`, `BoxFull`, `StoreError`; `PreconditionFailed` if `expected_media_id` is not in use.
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
        except Exception:  # Not a cancellation: the store commits a transaction that has begun.
            for path in (target, self._recordings.upload_path(target)):
                await asyncio.to_thread(self._recordings.remove, path)
            raise
        return media

    async def find(self, mailbox: Mailbox, kind: MediaKind) -> GreetingFiles:
        """Return the recording in use. Raises `NotFound` if there is none and callers hear the generic prompt."""
        media_id = self.active_media_id(mailbox, kind)
        media = await self._store.get(mailbox.account_id, media_id) if media_id else None
        if media is None:
            raise NotFound(f"the mailbox has no recording {kind}", kind)
        recording = self._recordings.media_path(media.account_id, media.id)
        upload = self._recordings.upload_path(recording) if media.source == SOURCE_UPLOAD else None
        return GreetingFiles(media, recording, upload)

    async def deactivate(
        self, mailbox: Mailbox, kind: MediaKind, *, expected_media_id: str | None = None
    ) -> StoredMedia:
        """Return to the generic prompt. Return the recording that was in use.

        Raises `NotFound`; `PreconditionFailed` as `activate` does.
        """
        active = await self.find(mailbox, kind)
        owner = mailbox.owner if kind is MediaKind.NAME else None
        await self._store.deactivate(
            mailbox.id, kind, user_id=owner.id if owner else None, expected_media_id=expected_media_id
        )
        return active.media
