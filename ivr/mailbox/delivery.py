"""Delivery of messages to mailboxes: left by a caller, forwarded, copied, transferred, or imported.

The order is always the same: the audio is synced at its final path, then the row is committed. Notifications are
written with the row, so they only announce messages that are stored durably.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import structlog

from ivr.audio import wav
from ivr.clock import Clock
from ivr.errors import BoxDeleted, IvrError, StoreError
from ivr.ids import IdGenerator
from ivr.mailbox.boxes import Boxes
from ivr.mailbox.caller_id import sip_address
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.takes import Takes
from ivr.storage.protocols import AudioStore, MessageStore
from ivr.storage.records import Caller, Folder, Forwarder, Message, Take

COPIES_PAYLOAD_KEY = "copies"
"""In the payload of a take: ids of further boxes that the message is for."""

log = structlog.get_logger()


class PendingDeliveries:
    """Messages of this process that are recorded but not in their box yet: the fsync takes a moment."""

    def __init__(self) -> None:
        self._events_by_box: defaultdict[str, set[asyncio.Event]] = defaultdict(set)

    @contextmanager
    def track(self, box_id: str) -> Iterator[None]:
        """Count a message as pending for the box while the context is open."""
        done = asyncio.Event()
        self._events_by_box[box_id].add(done)
        try:
            yield
        finally:
            done.set()
            self._events_by_box[box_id].discard(done)
            if not self._events_by_box[box_id]:
                del self._events_by_box[box_id]

    async def wait_until_done(self, box_id: str, timeout_s: float = 1.0) -> None:
        """Wait until the messages pending now are in the box, at most `timeout_s` seconds.

        An owner who logs in right after a caller hung up then hears that message in the same call.
        """
        if box_id in self._events_by_box:
            waits = [asyncio.ensure_future(done.wait()) for done in self._events_by_box[box_id]]
            try:
                await asyncio.wait(waits, timeout=timeout_s)
            finally:
                for wait in waits:
                    wait.cancel()


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
        self.pending_deliveries = PendingDeliveries()

    async def deliver(self, take: Take, mailbox: Mailbox) -> Message:
        """Turn a caller's take into a new message. The quota does not apply: it was checked before the recording.

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
                await self.commit(message, take.id, exempt_from_quota=True)
            except BoxDeleted:
                await asyncio.to_thread(self._recordings.remove, target)
                raise
            await self._takes.delete_file(take)
            return message

    async def deliver_fallback_recording(
        self, path: Path, mailbox: Mailbox, message_id: str, caller: Caller, time: int
    ) -> Message | None:
        """Turn a recording of the dialplan into a new message; None if a message with that id exists or existed.

        The source file is removed last. Raises `InvalidAudio`, `NotFound`, `StoreError`.
        """
        message = None
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
            await self.commit(self._with_addresses(message, mailbox), exempt_from_quota=True)
        await asyncio.to_thread(self._recordings.remove, path)
        return message

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
        suppress_notifications: bool = False,
    ) -> Message:
        """Copy a message to another box, with an intro of the sender in front; caller, time and urgency stay.

        `sender`: the mailbox whose owner forwards it. `take`: recording of the intro; it ends with this call. An intro
        that the message already has stays unless there is a new one. Raises `NotFound`, `StoreError`, and `BoxFull` if
        there is no take: with one, the quota was checked before the recording.
        """
        message = replace(message, forwarded_by=Forwarder(sender.id, sender.number, sender.settings.name))
        if take is None:
            return await self._commit_copy(
                message, await self._clone(message, destination), suppress_notifications=suppress_notifications
            )
        payload = take.payload or {}
        copy = await self._clone(_strip_intro(message), destination, payload["message_id"])
        media_id = str(payload["media_id"])
        target = self._recordings.media_path(destination.account_id, media_id)
        size = await asyncio.to_thread(self._recordings.copy_and_repair, Path(take.path), target)
        intro_ms = wav.length_ms_from_size(size)
        copy = replace(
            copy, intro_id=media_id, intro_ms=intro_ms, bytes=copy.bytes + size, length_ms=copy.length_ms + intro_ms
        )
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

    async def carbon_copy(self, message: Message, destination: Mailbox) -> Message:
        """Copy a message to a further box that the caller left it for; exempt from the quota.

        Raises `NotFound`, `StoreError`.
        """
        copy = await self._clone(message, destination)
        return await self._commit_copy(message, copy, exempt_from_quota=True)

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
        """The files of a message in playing order: the intro, if any, then the message itself."""
        intro = [self._recordings.media_path(message.account_id, message.intro_id)] if message.intro_id else []
        return [*intro, self._recordings.message_path(message.account_id, message.recording)]

    async def commit(
        self,
        message: Message,
        take_id: str | None = None,
        *,
        suppress_notifications: bool = False,
        exempt_from_quota: bool = False,
    ) -> None:
        """Insert the row of a message whose audio is stored; delete the audio of messages purged for its quota.

        `take_id`: the take that ends in the same transaction. Raises `NotFound`, `StoreError`; `BoxFull` unless
        `exempt_from_quota`.
        """
        purged = await self._messages.add(
            message, take_id, suppress_notifications=suppress_notifications, exempt_from_quota=exempt_from_quota
        )
        await self.delete_audio_files(purged)

    async def delete_audio_files(self, messages: Iterable[Message]) -> None:
        """Delete the audio of messages without a row. The consistency check removes what cannot be deleted now."""
        for message in messages:
            for audio in self.audio_paths(message):
                for path in (audio, self._recordings.upload_path(audio)):
                    try:
                        await asyncio.to_thread(self._recordings.remove, path)
                    except StoreError as error:
                        log.warning("message.audio_removal_failed", message=message.id, error=str(error))

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
        now = self._clock.now()
        copy = replace(
            message,
            id=message_id or self._ids.new_message_id(now),
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
            size += await asyncio.to_thread(self._recordings.hard_link, old, new)
        if message.upload_type and not copy.intro_id:
            old, new = (self._recordings.upload_path(self.audio_paths(m)[-1]) for m in (message, copy))
            size += await asyncio.to_thread(self._recordings.hard_link, old, new)
        return self._with_addresses(replace(copy, bytes=size), destination)

    def _with_addresses(self, message: Message, mailbox: Mailbox) -> Message:
        realm = mailbox.account.realm
        from_uri = message.from_uri or sip_address(message.caller, realm)
        return replace(message, from_uri=from_uri, to_uri=f"{mailbox.number}@{realm}")


async def deliver_copies(take: Take, message: Message, *, boxes: Boxes, delivery: Delivery) -> None:
    """Copy a delivered message to the further boxes that it is for.

    The boxes stand in the payload of the take from its beginning, so a take that is recovered after a crash reaches
    them too. A crash between the message and its copies loses the copies, never the message.
    """
    await copy_to_boxes(message, (take.payload or {}).get(COPIES_PAYLOAD_KEY, ()), boxes=boxes, delivery=delivery)


async def copy_to_boxes(message: Message, box_ids: Iterable[str], *, boxes: Boxes, delivery: Delivery) -> None:
    """Copy a message that a caller left to further boxes. A copy that fails is logged."""
    for box_id in box_ids:
        try:
            copy = await delivery.carbon_copy(message, await boxes.get(box_id))
            log.info("message.copied", message=message.id, box=box_id, copy=copy.id)
        except IvrError as error:
            log.error("message.copy_failed", message=message.id, box=box_id, reason=str(error))


def _strip_intro(message: Message) -> Message:
    """Remove the intro, which a new one replaces, and the original upload, which is never served behind an intro."""
    length_ms = message.length_ms - message.intro_ms
    return replace(message, intro_id=None, intro_ms=0, length_ms=length_ms, upload_type=None)
