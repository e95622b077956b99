"""Greetings: the temporary one until it expires, else the owner's own; and the owner's recorded name.

If a mailbox has neither, the menus play a generic prompt with the name or the number.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from pathlib import Path

import structlog

from ivr.audio import wav
from ivr.audio.formats import Sound
from ivr.clock import Clock
from ivr.errors import NotFound, StoreError
from ivr.ids import IdGenerator
from ivr.mailbox.box_settings import MediaIds
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.takes import Takes
from ivr.mailbox.uploads import ConvertedUpload
from ivr.storage.protocols import AudioStore, MediaStore
from ivr.storage.records import MediaKind, RecordingPurpose, StoredMedia, Take

MEDIA_KIND_BY_PURPOSE = {
    RecordingPurpose.GREETING: MediaKind.UNAVAILABLE,
    RecordingPurpose.BUSY_GREETING: MediaKind.BUSY,
    RecordingPurpose.TEMPORARY_GREETING: MediaKind.TEMPORARY,
    RecordingPurpose.NAME: MediaKind.NAME,
}
"""Which kind of recording a take becomes."""

log = structlog.get_logger()


def greeting_setting(kind: MediaKind) -> str:
    """Return the name of the setting that a greeting or name is, as the audit log shows it."""
    return f"media.{kind}"


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

    async def find_greeting(self, mailbox: Mailbox, *, busy: bool = False) -> Sound | None:
        """The greeting for callers; None: the generic prompt. A recording whose file is missing counts as none.

        `busy`: the owner is on the phone, for which there may be a greeting of its own.
        """
        media_id = mailbox.settings.media.unavailable or mailbox.settings.greeting_media_id
        busy_id = mailbox.settings.media.busy if busy else None
        return (
            await self.find_temporary_greeting(mailbox)
            or await self._find_sound(mailbox, busy_id, "busy greeting")
            or await self._find_sound(mailbox, media_id, "greeting")
        )

    async def find_temporary_greeting(self, mailbox: Mailbox) -> Sound | None:
        """The temporary greeting, unless it has expired."""
        media = mailbox.settings.media
        return (
            None
            if self._is_expired(media)
            else await self._find_sound(mailbox, media.temporary_unavailable, "temporary greeting")
        )

    async def find_name(self, mailbox: Mailbox) -> Sound | None:
        """The recorded name of the mailbox, else of its owner."""
        return await self._find_sound(mailbox, self._name_id(mailbox), "name")

    def prefetch(self, mailbox: Mailbox) -> None:
        """Begin to fetch what a caller of the mailbox will hear first."""
        media = mailbox.settings.media
        greetings = [media.busy, media.unavailable or mailbox.settings.greeting_media_id]
        if media.temporary_unavailable and not self._is_expired(media):
            greetings = [media.temporary_unavailable]
        ids = greetings if any(greetings) else [self._name_id(mailbox)]
        self._recordings.prefetch(*(self._recordings.media_path(mailbox.account_id, id_) for id_ in ids if id_))

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
        user_id = mailbox.named_user.id if mailbox.named_user and media.kind is MediaKind.NAME else None
        expires_at = None if days is None else end_of_day(days, mailbox.local_time(now))
        await self._store.activate(media, user_id=user_id, take_id=take.id, expires_at=expires_at)
        await self._takes.delete_file(take)
        return media

    async def remove_temporary(self, mailbox: Mailbox) -> bool:
        """Stop using the temporary greeting. Return whether there was one."""
        return await self._store.deactivate(mailbox.id, MediaKind.TEMPORARY)

    def _is_expired(self, media: MediaIds) -> bool:
        return media.temporary_until is not None and self._clock.now() >= media.temporary_until

    @staticmethod
    def _name_id(mailbox: Mailbox) -> str | None:
        users_own = mailbox.owner.settings.get("media", {}).get("name") if mailbox.owner else None
        return mailbox.active_media_id(MediaKind.NAME) or users_own

    async def _find_sound(self, mailbox: Mailbox, media_id: str | None, description: str) -> Sound | None:
        media = await self._store.get(mailbox.account_id, media_id) if media_id else None
        if media is None:
            return None
        path = self._recordings.media_path(media.account_id, media.id)
        try:
            await self._recordings.fetch(path)
        except StoreError as error:  # The caller hears what is said without it, and leaves a message.
            log.warning("greeting.not_fetched", box=mailbox.id, media=media.id, error=str(error))
            return None
        return Sound(path, media.length_ms, f"({description} of {mailbox.number})") if path.exists() else None


SOURCE_UPLOAD = "upload"
MAX_EARLIER = 10


@dataclass(frozen=True, slots=True)
class GreetingFiles:
    """A greeting and its files; `upload` is None if it was recorded by phone."""

    media: StoredMedia
    recording: Path
    upload: Path | None


class GreetingUploads:
    """The stored greetings of all mailboxes: uploads, and earlier greetings that can be used again."""

    def __init__(self, store: MediaStore, recordings: AudioStore, clock: Clock, ids: IdGenerator) -> None:
        self._store = store
        self._recordings = recordings
        self._clock = clock
        self._ids = ids

    async def activate(
        self, mailbox: Mailbox, kind: MediaKind, audio: ConvertedUpload, *, expected_media_id: str | None = None
    ) -> StoredMedia:
        """Store an upload and use it from now on; a name in all mailboxes of the owner, unless this one is shared.

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
            await asyncio.to_thread(self._recordings.copy, audio.upload_path, self._recordings.upload_path(target))
            await asyncio.to_thread(self._recordings.copy, audio.recording_path, target)
            owner = mailbox.named_user if kind is MediaKind.NAME else None
            await self._store.activate(media, user_id=owner.id if owner else None, expected_media_id=expected_media_id)
        except Exception:  # Not a cancellation: the store commits a transaction that has begun.
            for path in (target, self._recordings.upload_path(target)):
                await asyncio.to_thread(self._recordings.remove, path)
            raise
        return media

    async def find(self, mailbox: Mailbox, kind: MediaKind) -> GreetingFiles:
        """Return the recording in use. Raises `NotFound` if there is none and callers hear the generic prompt."""
        media_id = mailbox.active_media_id(kind)
        media = await self._store.get(mailbox.account_id, media_id) if media_id else None
        if media is None:
            raise NotFound(f"the mailbox has no recording {kind}", kind)
        return self._files(media)

    async def list_earlier(self, mailbox: Mailbox, kind: MediaKind) -> list[GreetingFiles]:
        """Return the recordings of a mailbox that are not in use and still stored, newest first."""
        active_id = mailbox.active_media_id(kind)
        stored = await self._store.list_stored(mailbox.id, kind, MAX_EARLIER + 1)
        found = [self._files(media) for media in stored if media.id != active_id]
        missing = await asyncio.to_thread(self._recordings.find_missing, [files.recording for files in found])
        return [files for files in found if files.recording not in missing][:MAX_EARLIER]

    async def find_earlier(self, mailbox: Mailbox, kind: MediaKind, media_id: str) -> GreetingFiles:
        """Return one of `list_earlier`. Raises `NotFound`."""
        for files in await self.list_earlier(mailbox, kind):
            if files.media.id == media_id:
                return files
        raise NotFound("there is no such recording", media_id)

    async def use_earlier(
        self, mailbox: Mailbox, kind: MediaKind, media_id: str, *, expires_at: int | None = None
    ) -> StoredMedia:
        """Use one of `list_earlier` again. `expires_at`: end of a temporary greeting (Unix s).

        Raises `NotFound`, `BoxFull`.
        """
        media = (await self.find_earlier(mailbox, kind, media_id)).media
        user_id = mailbox.named_user.id if mailbox.named_user and kind is MediaKind.NAME else None
        await self._store.activate_again(media, user_id=user_id, expires_at=expires_at)
        return media

    async def fetch(self, files: GreetingFiles) -> Path:
        """Return the file of a recording, to play or read it. Raises `StoreError`."""
        await self._recordings.fetch(files.recording)
        return files.recording

    def _files(self, media: StoredMedia) -> GreetingFiles:
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
        owner = mailbox.named_user if kind is MediaKind.NAME else None
        await self._store.deactivate(
            mailbox.id, kind, user_id=owner.id if owner else None, expected_media_id=expected_media_id
        )
        return active.media


@dataclass(frozen=True, slots=True)
class GreetingCacheTiming:
    """How often a node looks for greetings, in seconds."""

    new_interval_s: float = 1
    """For those that another node has stored; one statement, which reads few rows."""
    all_interval_s: float = 3600
    """For all, so that those in the cache stay there."""
    retry_interval_s: float = 60
    """For all, after the object store could not be read."""
    overlap_s: int = 120
    """How far back new ones are looked for: clocks of nodes differ, and commits take time."""


class GreetingCache:
    """Has the greetings of all mailboxes in the cache of this node before anybody calls: a caller waits for nothing.

    Where recordings are files of this node, nothing is done. What the cache has no space for is fetched in the call.
    """

    PAGE = 500
    MAX_DOWNLOADS = 4

    def __init__(
        self,
        store: MediaStore,
        recordings: AudioStore,
        clock: Clock,
        timing: GreetingCacheTiming = GreetingCacheTiming(),
    ) -> None:
        self._store = store
        self._recordings = recordings
        self._clock = clock
        self._timing = timing
        self._next_all_s = 0.0

    async def run_forever(self) -> None:
        """Look for greetings until cancelled. An error is logged, and looked for again."""
        while self._recordings.kept_bytes:
            try:
                await self.run_once()
            except StoreError as error:
                log.info("greeting.not_cached", reason=str(error))
            await asyncio.sleep(self._timing.new_interval_s)

    async def run_once(self) -> None:
        """Fetch what is new; if it is time, all. Raises `StoreError`."""
        now_s = self._clock.monotonic()
        if now_s >= self._next_all_s:
            self._next_all_s = now_s + self._timing.retry_interval_s
            await self._fetch_all()
            self._next_all_s = now_s + self._timing.all_interval_s
        else:
            await self._fetch(await self._store.list_newer(int(self._clock.now()) - self._timing.overlap_s))

    async def _fetch_all(self) -> None:
        free_bytes, after = self._recordings.kept_bytes, ""
        while free_bytes > 0 and (page := await self._store.list_page(after, self.PAGE)):
            await self._fetch(page)
            free_bytes -= sum(media.bytes for media in page)
            after = page[-1].id

    async def _fetch(self, found: Sequence[StoredMedia]) -> None:
        paths = [self._recordings.media_path(media.account_id, media.id) for media in found]
        for first in range(0, len(paths), self.MAX_DOWNLOADS):
            await asyncio.gather(*map(self._recordings.keep, paths[first : first + self.MAX_DOWNLOADS]))
