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
from ivr.storage.audio_folder import Recordings
from ivr.storage.protocols import MessageStore, UploadStore
from ivr.storage.records import Caller, Folder, Message

ANONYMOUS = "anonymous"
LEFT_BEHIND_S = 3600
"""A draft as old as this is nobody's any more."""


@dataclass(frozen=True, slots=True)
class Particulars:
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
class Brought:
    """Audio that has been received and found good; both files are drafts that go with `Uploads.converted`."""

    upload: Path
    recording: Path
    form: AudioFormat
    length_ms: int

    @property
    def bytes(self) -> int:
        return self.upload.stat().st_size + self.recording.stat().st_size


class Uploads:
    """`longest_s`: how long audio may last."""

    def __init__(
        self,
        store: UploadStore,
        messages: MessageStore,
        delivery: Delivery,
        recordings: Recordings,
        workshop: ConversionPool,
        clock: Clock,
        ids: IdGenerator,
        longest_s: int,
    ) -> None:
        self._store = store
        self._messages = messages
        self._delivery = delivery
        self._recordings = recordings
        self._workshop = workshop
        self._clock = clock
        self._ids = ids
        self._longest_s = longest_s

    def clear(self) -> None:
        """Take away what a crash left of uploads that never came to their end."""
        for path in self._recordings.incoming.iterdir():
            if path.stat().st_mtime < self._clock.now() - LEFT_BEHIND_S:
                self._recordings.remove(path)

    @contextmanager
    def draft(self) -> Iterator[Path]:
        """A place for bytes that are coming in; whatever lies there goes afterwards."""
        path = self._recordings.incoming / self._ids.new_document_id()
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)
            path.with_suffix(".wav").unlink(missing_ok=True)

    async def converted(self, upload: Path) -> Brought:
        """Find out whether a draft is audio, and make a recording of it. Raises `InvalidAudio`."""
        recording = upload.with_suffix(".wav")
        form, length_ms = await self._workshop.decode_to_recording(upload, recording, self._longest_s)
        return Brought(upload, recording, form, length_ms)

    async def add(self, mailbox: Mailbox, about: Particulars, audio: Brought | None) -> Message:
        """A new message of the box. Raises `NotFound` where the box went meanwhile, `BoxFull`, `StoreError`."""
        now = self._clock.now()
        time = int(now) if about.time is None else about.time
        message = self._addressed(
            Message(
                id=self._ids.new_message_id(time),
                account_id=mailbox.account_id,
                box_id=mailbox.id,
                folder=about.folder,
                time=time,
                length_ms=about.length_ms,
                caller=about.caller,
                from_uri=about.from_uri,
                to_uri=about.to_uri,
                call_id=about.call_id or self._ids.new_document_id()[:24],
            ),
            mailbox,
        )
        if audio is None:
            await self._delivery.add(message, quiet=True)
            return message
        message = replace(message, length_ms=audio.length_ms, bytes=audio.bytes, upload_type=audio.form.content_type)
        async with self._placed(audio, self._recordings.message(message.account_id, message.id)):
            await self._delivery.add(message, quiet=True)
        return message

    async def replace(self, message: Message, audio: Brought, *, seen: int | None = None) -> Message:
        """Other audio, or the first, for a message; an intro that it had goes, and what must go by the quota.

        Raises `NotFound`, `BoxFull`, `StoreError`; `PreconditionFailed` where its revision is no longer `seen`: it keeps what it
        had then.
        """
        brought = replace(
            message,
            audio=f"{message.id}-{self._ids.new_document_id()[:8]}",
            length_ms=audio.length_ms,
            bytes=audio.bytes,
            upload_type=audio.form.content_type,
        )
        async with self._placed(audio, self._recordings.message(message.account_id, brought.recording)):
            replaced, purged = await self._store.set_audio(brought, seen=seen)
        await self._delivery.forget_audio(purged)
        return replaced

    def kept(self, message: Message) -> Path | None:
        """What was brought, as it was brought."""
        if not message.upload_type or message.intro_id:
            return None
        return self._recordings.upload(self._recordings.message(message.account_id, message.recording))

    @asynccontextmanager
    async def _placed(self, audio: Brought, target: Path) -> AsyncIterator[None]:
        """Its files are in their places, under a name that is nobody's yet; where no row comes to them, they go."""
        upload = self._recordings.upload(target)
        try:
            await asyncio.to_thread(self._recordings.link, audio.upload, upload)
            await asyncio.to_thread(self._recordings.link, audio.recording, target)
            yield
        except Exception:  # A cancellation is none: the store does what it has begun.
            for path in (target, upload):
                await asyncio.to_thread(self._recordings.remove, path)
            raise

    def _addressed(self, message: Message, mailbox: Mailbox) -> Message:
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
