"""Messages that programs bring: in one step with their audio, or the audio later; and audio replaced.

What was brought is kept byte for byte beside the recording that is made of it. As everywhere: files first, synced at
their final places, then the row; where the row cannot be written the files go again, so nothing is half stored. Audio
that comes later than its message has a name of its own: a crash leaves the message with what it had, or with what came.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from ivr.audio.converter import ConversionPool
from ivr.audio.formats import AudioFormat
from ivr.clock import Clock
from ivr.ids import IdGenerator
from ivr.mailbox.delivery import Delivery
from ivr.mailbox.mailbox import Mailbox
from ivr.storage.protocols import AudioStore, MessageStore, UploadStore
from ivr.storage.records import Caller, Folder, Message

ANONYMOUS = "anonymous"
STALE_DRAFT_AGE_S = 3600
"""A draft as old as this is nobody's any more."""


@dataclass(frozen=True, slots=True)
class MessageMetadata:
    """What a program says of a message that it brings; what it leaves out is filled in."""

    caller: Caller = field(default_factory=Caller)
    folder: Folder = Folder.NEW
    from_uri: str = ""
    to_uri: str = ""
    call_id: str = ""
    time: int | None = None
    """Unix seconds; None: now."""
    length_ms: int = 1
    """Until the audio is there."""


@dataclass(frozen=True, slots=True)
class ConvertedUpload:
    """Audio that has been received and found good; both files are drafts that go with `Uploads.converted`."""

    upload_path: Path
    recording_path: Path
    audio_format: AudioFormat
    length_ms: int

    @property
    def size_bytes(self) -> int:
        return self.upload_path.stat().st_size + self.recording_path.stat().st_size


class Uploads:
    """`longest_s`: how long audio may last."""

    def __init__(
        self,
        store: UploadStore,
        messages: MessageStore,
        delivery: Delivery,
        recordings: AudioStore,
        conversion_pool: ConversionPool,
        clock: Clock,
        ids: IdGenerator,
        max_length_s: int,
    ) -> None:
        self._store = store
        self._messages = messages
        self._delivery = delivery
        self._recordings = recordings
        self._conversion_pool = conversion_pool
        self._clock = clock
        self._ids = ids
        self._max_length_s = max_length_s

    def remove_stale_drafts(self) -> None:
        """Take away what a crash left of uploads that never came to their end."""
        for path in self._recordings.incoming_folder.iterdir():
            if path.stat().st_mtime < self._clock.now() - STALE_DRAFT_AGE_S:
                self._recordings.remove(path)

    @contextmanager
    def new_draft(self) -> Iterator[Path]:
        """A place for bytes that are coming in; whatever lies there goes afterwards."""
        path = self._recordings.incoming_folder / self._ids.new_document_id()
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)
            path.with_suffix(".wav").unlink(missing_ok=True)

    async def convert(self, upload: Path) -> ConvertedUpload:
        """Find out whether a draft is audio, and make a recording of it. Raises `InvalidAudio`."""
        recording = upload.with_suffix(".wav")
        form, length_ms = await self._conversion_pool.decode_to_recording(upload, recording, self._max_length_s)
        return ConvertedUpload(upload, recording, form, length_ms)

    async def add(self, mailbox: Mailbox, metadata: MessageMetadata, audio: ConvertedUpload | None) -> Message:
        """A new message of the box. Raises `NotFound` where the box went meanwhile, `BoxFull`, `StoreError`."""
        now = self._clock.now()
        time = int(now) if metadata.time is None else metadata.time
        message = self._with_addresses(
            Message(
                id=self._ids.new_message_id(time),
                account_id=mailbox.account_id,
                box_id=mailbox.id,
                folder=metadata.folder,
                time=time,
                length_ms=metadata.length_ms,
                caller=metadata.caller,
                from_uri=metadata.from_uri,
                to_uri=metadata.to_uri,
                call_id=metadata.call_id or self._ids.new_document_id()[:24],
            ),
            mailbox,
        )
        if audio is None:
            await self._delivery.commit(message, suppress_notifications=True)
            return message
        message = replace(
            message, length_ms=audio.length_ms, bytes=audio.size_bytes, upload_type=audio.audio_format.content_type
        )
        async with self._publish_files(audio, self._recordings.message_path(message.account_id, message.id)):
            await self._delivery.commit(message, suppress_notifications=True)
        return message

    async def replace_audio(
        self, message: Message, audio: ConvertedUpload, *, expected_revision: int | None = None
    ) -> Message:
        """Other audio, or the first, for a message; an intro that it had goes, and what must go by the quota.

        Raises `NotFound`, `BoxFull`, `StoreError`; `PreconditionFailed` where its revision is no longer `seen`: it keeps what it
        had then.
        """
        brought = replace(
            message,
            audio=f"{message.id}-{self._ids.new_document_id()[:8]}",
            length_ms=audio.length_ms,
            bytes=audio.size_bytes,
            upload_type=audio.audio_format.content_type,
        )
        async with self._publish_files(audio, self._recordings.message_path(message.account_id, brought.recording)):
            replaced, purged = await self._store.set_audio(brought, expected_revision=expected_revision)
        await self._delivery.delete_audio_files(purged)
        return replaced

    def original_upload(self, message: Message) -> Path | None:
        """What was brought, as it was brought."""
        if not message.upload_type or message.intro_id:
            return None
        return self._recordings.upload_path(self._recordings.message_path(message.account_id, message.recording))

    @asynccontextmanager
    async def _publish_files(self, audio: ConvertedUpload, target: Path) -> AsyncIterator[None]:
        """Its files are in their places, under a name that is nobody's yet; where no row comes to them, they go."""
        upload = self._recordings.upload_path(target)
        try:
            await asyncio.to_thread(self._recordings.hard_link, audio.upload_path, upload)
            await asyncio.to_thread(self._recordings.hard_link, audio.recording_path, target)
            yield
        except Exception:  # A cancellation is none: the store does what it has begun.
            for path in (target, upload):
                await asyncio.to_thread(self._recordings.remove, path)
            raise

    def _with_addresses(self, message: Message, mailbox: Mailbox) -> Message:
        realm = mailbox.account.realm

        def at_home(user: str) -> str:
            return user if "@" in user else f"{user}@{realm}"

        caller = Caller(message.caller.number or ANONYMOUS, message.caller.name or ANONYMOUS)
        return replace(
            message,
            caller=caller,
            from_uri=at_home(message.from_uri or caller.number),
            to_uri=at_home(message.to_uri or mailbox.number),
        )
