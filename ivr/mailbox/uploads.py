"""Uploads: messages with audio, messages whose audio follows, and replaced audio.

The original upload is stored byte for byte beside the recording made from it. The files are synced at their final paths
first, then the row is committed; if the row cannot be written, the files are removed. Audio that follows its message
has a name of its own, so after a crash the message has either its old audio or the new one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from ivr.audio.converter import ConversionPool
from ivr.audio.formats import AudioFormat
from ivr.clock import Clock
from ivr.errors import InvalidFields
from ivr.ids import IdGenerator
from ivr.mailbox.caller_id import sip_address
from ivr.mailbox.delivery import Delivery
from ivr.mailbox.mailbox import Mailbox
from ivr.storage.protocols import AudioStore, UploadStore
from ivr.storage.records import GREGORIAN_OFFSET_S, Caller, Folder, Message

ANONYMOUS = "anonymous"


@dataclass(frozen=True, slots=True)
class MessageMetadata:
    """What a client says about an uploaded message; missing values are filled in."""

    caller: Caller = field(default_factory=Caller)
    folder: Folder = Folder.NEW
    from_uri: str = ""
    to_uri: str = ""
    call_id: str = ""
    time: int | None = None
    """Unix seconds; None: now."""
    urgent: bool = False
    labels: tuple[str, ...] = ()
    length_ms: int = 1
    """Until the audio is uploaded."""


@dataclass(frozen=True, slots=True)
class ConvertedUpload:
    """An upload that is valid audio. Both files are drafts, removed at the end of `Uploads.new_draft`."""

    upload_path: Path
    recording_path: Path
    audio_format: AudioFormat
    length_ms: int

    @property
    def size_bytes(self) -> int:
        return self.upload_path.stat().st_size + self.recording_path.stat().st_size


@dataclass(frozen=True, slots=True)
class UploadConverter:
    """Makes recordings from uploads. `max_length_s`: maximum length of the audio in seconds."""

    conversion_pool: ConversionPool
    max_length_s: int

    async def convert(self, account_id: str, upload: Path) -> ConvertedUpload:
        """Detect the format of a draft and convert it to a recording. Raises `InvalidAudio`, `TooMuchWork`."""
        recording = upload.with_suffix(".wav")
        audio_format, length_ms = await self.conversion_pool.decode_to_recording(
            account_id, upload, recording, self.max_length_s
        )
        return ConvertedUpload(upload, recording, audio_format, length_ms)


class Uploads:
    """The uploads of all mailboxes."""

    def __init__(
        self,
        store: UploadStore,
        delivery: Delivery,
        recordings: AudioStore,
        converter: UploadConverter,
        clock: Clock,
        ids: IdGenerator,
    ) -> None:
        self._store = store
        self._delivery = delivery
        self._recordings = recordings
        self._converter = converter
        self._clock = clock
        self._ids = ids

    def remove_stale_drafts(self, older_than_s: int = 3600) -> None:
        """Remove the drafts of uploads that a crash interrupted."""
        for path in self._recordings.incoming_folder.iterdir():
            with suppress(FileNotFoundError):  # Another process may be finishing it.
                if path.stat().st_mtime < self._clock.now() - older_than_s:
                    self._recordings.remove(path)

    @contextmanager
    def new_draft(self) -> Iterator[Path]:
        """Context with the path of a draft for incoming bytes. Its files are removed at the end."""
        path = self._recordings.incoming_folder / self._ids.new_document_id()
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)
            path.with_suffix(".wav").unlink(missing_ok=True)

    async def convert(self, account_id: str, upload: Path) -> ConvertedUpload:
        """Convert a draft to a recording. Raises `InvalidAudio`; `TooMuchWork` if many of the account wait."""
        return await self._converter.convert(account_id, upload)

    async def add(
        self,
        mailbox: Mailbox,
        metadata: MessageMetadata,
        audio: ConvertedUpload | None,
        *,
        edge_call_id: str = "",
    ) -> Message:
        """Add a message to a mailbox.

        `edge_call_id`: the call that a media edge has recorded; it is announced as a call's message is. Raises
        `NotFound` if the mailbox has been deleted, `InvalidFields` for a time past retention or in the future,
        `BoxFull`, `StoreError`; `Conflict` if a message of that call was stored already.
        """
        now = self._clock.now()
        time = int(now) if metadata.time is None else metadata.time
        _check_time(time, mailbox.voicemail_settings.message_times(now))
        message = self._with_addresses(
            Message(
                id=self._ids.new_message_id(time),
                account_id=mailbox.account_id,
                box_id=mailbox.id,
                folder=metadata.folder,
                time=time,
                length_ms=metadata.length_ms,
                caller=metadata.caller,
                urgent=metadata.urgent,
                labels=metadata.labels,
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
            await self._delivery.commit(message, suppress_notifications=not edge_call_id, edge_call_id=edge_call_id)
        return message

    async def replace_audio(
        self, message: Message, audio: ConvertedUpload, *, expected_revision: int | None = None
    ) -> Message:
        """Set or replace the audio of a message. Its intro is removed; deleted messages are purged for the quota.

        Raises `NotFound`, `BoxFull`, `StoreError`; `PreconditionFailed` if the revision of the message is not
        `expected_revision`. The message is unchanged then.
        """
        updated = replace(
            message,
            audio=f"{message.id}-{self._ids.new_document_id()[:8]}",
            length_ms=audio.length_ms,
            bytes=audio.size_bytes,
            upload_type=audio.audio_format.content_type,
        )
        async with self._publish_files(audio, self._recordings.message_path(message.account_id, updated.recording)):
            replaced, purged = await self._store.set_audio(updated, expected_revision=expected_revision)
        await self._delivery.delete_audio_files(purged)
        return replaced

    def original_upload(self, message: Message) -> Path | None:
        """The path of the original upload; None if the message was recorded by phone or has an intro in front."""
        if not message.upload_type or message.intro_id:
            return None
        return self._recordings.upload_path(self._recordings.message_path(message.account_id, message.recording))

    async def fetch(self, *paths: Path) -> None:
        """Make files of stored recordings and uploads that can be read. Raises `StoreError`."""
        await self._recordings.fetch(*paths)

    async def presigned_url(self, path: Path, method: Literal["GET", "HEAD"], lifetime_s: int) -> str | None:
        """Return a URL at which the object store sends a file; None if it is in a folder. Raises `StoreError`."""
        return await asyncio.to_thread(self._recordings.presigned_url, path, method, lifetime_s)

    @asynccontextmanager
    async def _publish_files(self, audio: ConvertedUpload, target: Path) -> AsyncIterator[None]:
        """Context in which the files are stored under their final names. They are removed if no row is written."""
        upload = self._recordings.upload_path(target)
        try:
            await asyncio.to_thread(self._recordings.copy, audio.upload_path, upload)
            await asyncio.to_thread(self._recordings.copy, audio.recording_path, target)
            yield
        except Exception:  # Not a cancellation: the store commits a transaction that has begun.
            for path in (target, upload):
                await asyncio.to_thread(self._recordings.remove, path)
            raise

    def _with_addresses(self, message: Message, mailbox: Mailbox) -> Message:
        realm = mailbox.account.realm

        def with_realm(user: str) -> str:
            return user if "@" in user else f"{user}@{realm}"

        caller = Caller(message.caller.number or ANONYMOUS, message.caller.name or ANONYMOUS)
        return replace(
            message,
            caller=caller,
            from_uri=with_realm(message.from_uri) if message.from_uri else sip_address(caller, realm),
            to_uri=with_realm(message.to_uri or mailbox.number),
        )


def _check_time(time: int, accepted: range) -> None:
    """Raise `InvalidFields` for the time of a message that could not be fetched, or is in the future."""
    if time < accepted.start:
        target = accepted.start + GREGORIAN_OFFSET_S
        message = f"Message would be past its retention period: timestamp must be at least {target}"
    elif time >= accepted.stop:
        target = accepted.stop - 1 + GREGORIAN_OFFSET_S
        message = f"Message would be in the future: timestamp must be at most {target}, in seconds since the year 0"
    else:
        return
    raise InvalidFields({"timestamp": {"date_range": {"message": message, "target": target}}})
