"""Delivery of messages to mailboxes: left by a caller, forwarded, copied, transferred, or imported.

The order is always the same: the audio is synced at its final path, then the row is committed. Notifications are
written with the row, so they only announce messages that are stored durably.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Unpack

import structlog

from ivr.audio import wav
from ivr.clock import Clock
from ivr.errors import BoxDeleted, IvrError, StoreError
from ivr.ids import IdGenerator
from ivr.mailbox.box_settings import ID_LENGTH
from ivr.mailbox.boxes import Boxes
from ivr.mailbox.caller_id import sip_address
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.takes import PendingDeliveries, Takes
from ivr.storage.protocols import AddOptions, AudioStore, MessageStore
from ivr.storage.records import Caller, Folder, Forwarder, Message, Take

COPIES_PAYLOAD_KEY = "copies"
"""In the payload of a take: ids of the further boxes that the message, or the forwarded message, is for."""

log = structlog.get_logger()


class Delivery:
    """Delivers messages to mailboxes."""

    def __init__(
        self, messages: MessageStore, takes: Takes, recordings: AudioStore, clock: Clock, ids: IdGenerator
    ) -> None:
        self._messages = messages
        self._takes = takes
        self._recordings = recordings
        self._clock = clock
        self._ids = ids
        self.pending_deliveries = PendingDeliveries(takes)

    async def deliver(self, take: Take, mailbox: Mailbox, copies_for: Iterable[Mailbox] = ()) -> Message:
        """Turn a take into a new message, with copies for further boxes. The quota was checked before the recording.

        The take ends with the message, after its copies: what a crash interrupts is delivered again, each copy once.
        Raises `NotFound` if the take was delivered or discarded already, `InvalidAudio`, `StoreError`.
        """
        with self.pending_deliveries.track(mailbox.id):
            message_id = str((take.payload or {})["message_id"])
            target = self._recordings.message_path(take.account_id, message_id)
            size = await asyncio.to_thread(self._recordings.copy_and_repair, Path(take.path), target)
            message = self._with_addresses(
                Message(
                    id=message_id,
                    account_id=take.account_id,
                    box_id=mailbox.id,
                    folder=Folder.NEW,
                    time=take.began_at,
                    length_ms=wav.length_ms_from_size(size),
                    bytes=size,
                    caller=Caller(take.caller_number, take.caller_name),
                    call_id=take.call_id,
                    urgent=bool((take.payload or {}).get("urgent")),
                    retention_from=int(self._clock.now()),
                    caller_user_id=(take.payload or {}).get("caller_user_id"),
                ),
                mailbox,
            )
            try:
                await self._deliver_copies(message, copies_for)
                await self.commit(message, take.id, exempt_from_quota=True)
            except BoxDeleted:
                await asyncio.to_thread(self._recordings.remove, target)
                raise
            await self._takes.delete_file(take)
            return message

    async def deliver_fallback_recording(
        self,
        path: Path,
        mailbox: Mailbox,
        message_id: str,
        caller: Caller,
        time: int,
        copies_for: Iterable[Mailbox] = (),
    ) -> None:
        """Turn a recording of the dialplan into a new message, unless one with that id exists or existed, and copies.

        The source file is removed last. Raises `InvalidAudio`, `NotFound`, `StoreError`.
        """
        if not await self._messages.is_known(message_id):
            target = self._recordings.message_path(mailbox.account_id, message_id)
            size = await asyncio.to_thread(self._recordings.copy_and_repair, path, target)
            message = Message(
                id=message_id,
                account_id=mailbox.account_id,
                box_id=mailbox.id,
                folder=Folder.NEW,
                time=time,
                length_ms=wav.length_ms_from_size(size),
                bytes=size,
                caller=caller,
                retention_from=int(self._clock.now()),
            )
            message = self._with_addresses(message, mailbox)
            await self._deliver_copies(message, copies_for)
            await self.commit(message, exempt_from_quota=True)
        await asyncio.to_thread(self._recordings.remove, path)

    async def import_recording(
        self,
        mailbox: Mailbox,
        pcm: bytes,
        caller: Caller,
        time: int,
        folder: Folder,
        *,
        urgent: bool = False,
        notify: bool = False,
    ) -> Message:
        """Turn 16-bit samples at 8 kHz into a message that was left at `time` (Unix seconds).

        No mail is sent and no call placed unless `notify` is set. Raises `NotFound`, `BoxFull`, `StoreError`.
        """
        message_id = self._ids.new_message_id(time)
        target = self._recordings.message_path(mailbox.account_id, message_id)
        size = await asyncio.to_thread(self._recordings.write, pcm, target)
        message = self._with_addresses(
            Message(
                id=message_id,
                account_id=mailbox.account_id,
                box_id=mailbox.id,
                folder=folder,
                time=time,
                length_ms=wav.length_ms_from_size(size),
                bytes=size,
                caller=caller,
                urgent=urgent,
            ),
            mailbox,
        )
        try:
            await self.commit(message, suppress_notifications=not notify)
        except IvrError:
            await self.delete_audio_files([message])
            raise
        return message

    async def forward(
        self,
        message: Message,
        destination: Mailbox,
        take: Take | None = None,
        *,
        sender: Mailbox,
        copies_for: Iterable[Mailbox] = (),
        suppress_notifications: bool = False,
    ) -> Message:
        """Copy a message to another box, with an intro of the sender in front; caller, time and urgency stay.

        `sender`: the mailbox whose owner forwards it. `take`: recording of the intro; it ends with this call. With it,
        the message also goes to `copies_for`. An intro that the message already has stays unless there is a new one.
        Raises `NotFound`, `StoreError`, and `BoxFull` if there is no take: with one, the quota was checked before the
        recording.
        """
        message = replace(message, forwarded_by=Forwarder(sender.id, sender.number, sender.settings.name))
        if take is None:
            return await self._commit_copy(
                message, await self._clone(message, destination), suppress_notifications=suppress_notifications
            )
        payload, original = take.payload or {}, message.without_intro()
        for further in copies_for:
            copy_id = _copy_id(payload["message_id"], further)
            with _log_failed_copy(copy_id, further):
                if not await self._messages.is_known(copy_id):
                    copy = await self._clone_with_intro(original, further, take, copy_id, self._ids.new_document_id())
                    await self.commit(copy, exempt_from_quota=True)
        copy = await self._clone_with_intro(original, destination, take, payload["message_id"], payload["media_id"])
        await self.commit(copy, take.id, suppress_notifications=suppress_notifications, exempt_from_quota=True)
        await self._takes.delete_file(take)
        return copy

    async def copy(
        self, message: Message, destinations: Iterable[Mailbox], *, expected_revision: int | None = None
    ) -> list[Message]:
        """Copy a message to all of these boxes or to none: with a new id, in the same folder.

        No mail is sent. Raises `NotFound`, `BoxFull`, `StoreError`; `PreconditionFailed` if the revision of the message
        is not `expected_revision`.
        """
        copies: list[Message] = []
        try:
            for destination in destinations:
                copies.append(replace(await self._clone(message, destination), folder=message.folder))
            purged = await self._messages.copy_to_boxes(copies, message, expected_revision=expected_revision)
        except IvrError:
            await self.delete_audio_files(copies)
            raise
        await self.delete_audio_files(purged)
        return copies

    async def transfer(
        self, message: Message, destination: Mailbox, *, expected_revision: int | None = None
    ) -> Message:
        """Move a message to another box of its account: its id, folder, time and urgency stay.

        To its own box, nothing changes. Raises as `copy` does.
        """
        if destination.id == message.box_id:
            return message
        to_uri = f"{destination.number}@{destination.account.realm}"
        moved, purged = await self._messages.transfer_to_box(
            message, destination.id, to_uri, expected_revision=expected_revision
        )
        await self.delete_audio_files(purged)
        return moved

    def audio_paths(self, message: Message) -> list[Path]:
        """The names of a message's recordings in playing order: the intro, if any, then the message itself."""
        intro = [self._recordings.media_path(message.account_id, message.intro_id)] if message.intro_id else []
        return [*intro, self._recordings.message_path(message.account_id, message.recording)]

    async def fetch_audio(self, message: Message) -> list[Path]:
        """Return `audio_paths` as files that can be played and read. Raises `StoreError`."""
        await self._recordings.fetch(*(paths := self.audio_paths(message)))
        return paths

    def prefetch_audio(self, message: Message) -> None:
        """Begin to fetch the audio of a message that is about to be played."""
        self._recordings.prefetch(*self.audio_paths(message))

    def prefetch_found(self, find_messages: Callable[[], Awaitable[Iterable[Message]]]) -> None:
        """Begin to find messages that will probably be played, and to fetch their audio, where that takes time."""

        async def find_paths() -> list[Path]:
            return [path for message in await find_messages() for path in self.audio_paths(message)]

        self._recordings.prefetch_found(find_paths)

    async def commit(self, message: Message, take_id: str | None = None, **options: Unpack[AddOptions]) -> None:
        """Insert the row of a message whose audio is stored; delete the audio of messages purged for its quota.

        Parameters and errors are those of `MessageStore.add`.
        """
        await self.delete_audio_files(await self._messages.add(message, take_id, **options))

    async def delete_audio_files(self, messages: Iterable[Message]) -> None:
        """Delete the audio of messages without a row. The consistency check removes what cannot be deleted now."""
        for message in messages:
            for audio in self.audio_paths(message):
                for path in (audio, self._recordings.upload_path(audio)):
                    try:
                        await asyncio.to_thread(self._recordings.remove, path)
                    except StoreError as error:
                        log.warning("message.audio_removal_failed", message=message.id, error=str(error))

    async def _deliver_copies(self, message: Message, destinations: Iterable[Mailbox]) -> None:
        """Copy a message, before it is committed, to the further boxes that it is for; exempt from the quota.

        Their ids follow from that of the message, so delivering it again adds none twice. Raises `StoreError`.
        """
        for destination in destinations:
            copy_id = _copy_id(message.id, destination)
            with _log_failed_copy(copy_id, destination):
                if not await self._messages.is_known(copy_id):
                    copy = await self._clone(message, destination, copy_id)
                    await self._commit_copy(message, copy, exempt_from_quota=True)

    async def _clone_with_intro(
        self, message: Message, destination: Mailbox, take: Take, message_id: str, media_id: str
    ) -> Message:
        copy = await self._clone(message, destination, message_id)
        target = self._recordings.media_path(destination.account_id, media_id)
        size = await asyncio.to_thread(self._recordings.copy_and_repair, Path(take.path), target)
        intro_ms = wav.length_ms_from_size(size)
        return replace(
            copy, intro_id=media_id, intro_ms=intro_ms, bytes=copy.bytes + size, length_ms=copy.length_ms + intro_ms
        )

    async def _commit_copy(
        self, message: Message, copy: Message, *, suppress_notifications: bool = False, exempt_from_quota: bool = False
    ) -> Message:
        try:
            await self.commit(copy, suppress_notifications=suppress_notifications, exempt_from_quota=exempt_from_quota)
        except IvrError:
            await self.delete_audio_files([copy])
            raise
        log.info("message.copied", message=copy.id, box=copy.box_id, source=message.box_id)
        return copy

    async def _clone(self, message: Message, destination: Mailbox, message_id: str | None = None) -> Message:
        copy = replace(
            message,
            id=message_id or self._ids.new_message_id(self._clock.now()),
            account_id=destination.account_id,
            box_id=destination.id,
            folder=Folder.NEW,
            folder_before=None,
            intro_id=message.intro_id and self._ids.new_document_id(),
            history=(*message.history, message.box_id),
            audio=None,
            revision=1,
        )
        size = 0
        for old, new in zip(self.audio_paths(message), self.audio_paths(copy), strict=True):
            size += await asyncio.to_thread(self._recordings.copy, old, new)
        if message.upload_type and not copy.intro_id:
            old, new = (self._recordings.upload_path(self.audio_paths(m)[-1]) for m in (message, copy))
            size += await asyncio.to_thread(self._recordings.copy, old, new)
        return self._with_addresses(replace(copy, bytes=size), destination)

    def _with_addresses(self, message: Message, mailbox: Mailbox) -> Message:
        realm = mailbox.account.realm
        from_uri = message.from_uri or sip_address(message.caller, realm)
        return replace(message, from_uri=from_uri, to_uri=f"{mailbox.number}@{realm}")


async def find_copy_recipients(take: Take, boxes: Boxes) -> list[Mailbox]:
    """Return the further boxes that a take is for, which its payload names. Those that are gone are logged."""
    found = []
    for box_id in (take.payload or {}).get(COPIES_PAYLOAD_KEY, ()):
        with _log_failed_copy(take.id, box_id):
            found.append(await boxes.get(box_id))
    return found


@contextmanager
def _log_failed_copy(message_id: str, destination: Mailbox | str) -> Iterator[None]:
    """Log an error of one copy, but raise `StoreError`: then the take remains, and the recovery delivers it again."""
    try:
        yield
    except StoreError:
        raise
    except IvrError as error:
        box_id = destination if isinstance(destination, str) else destination.id
        log.error("message.copy_failed", message=message_id, box=box_id, reason=str(error))


def _copy_id(message_id: str, destination: Mailbox) -> str:
    """Return the id of the copy of a message for a box: always the same, with the month of the message."""
    month = message_id.partition("-")[0]
    return f"{month}-{hashlib.sha256(f'{message_id} {destination.id}'.encode()).hexdigest()[:ID_LENGTH]}"
