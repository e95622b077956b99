"""How a message comes into a box: left by a caller, forwarded, copied, moved, or brought by an administrator.

Always in this order: audio synced at its final place, then the row. What is announced after that is there for good.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import structlog

from ivr.audio import wav
from ivr.clock import Clock
from ivr.errors import BoxDeleted, IvrError, StoreError
from ivr.ids import IdGenerator
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.pending_deliveries import PendingDeliveries
from ivr.mailbox.takes import Takes
from ivr.storage.protocols import AudioStore, MessageStore
from ivr.storage.records import Caller, Folder, Message, Take

log = structlog.get_logger()


class Delivery:
    """Brings messages into boxes."""

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
        """A caller's take becomes a new message of the box, which is never too full for it: they were let talk.

        Raises `NotFound` where it was adopted or dropped already, `InvalidAudio`, `StoreError`.
        """
        with self.pending_deliveries.track(mailbox.id):
            return await self._deliver_take(take, mailbox)

    async def _deliver_take(self, take: Take, mailbox: Mailbox) -> Message:
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
    ) -> None:
        """What the dialplan recorded by itself becomes a new message of the box, unless it is, or was, one already.

        Its file goes last. Raises `InvalidAudio`, `NotFound`, `StoreError`.
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
            )
            await self.commit(self._with_addresses(message, mailbox), exempt_from_quota=True)
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
        """Samples at 8 kHz become a message that was left at `time`. Nobody is mailed or called because of it, unless
        it is to be announced (kazoo-behaviour §4.5). Raises `NotFound`, `BoxFull`, `StoreError`."""
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
        include_intro: bool = True,
        suppress_notifications: bool = False,
    ) -> Message:
        """A copy for another box, with what was said before it, if anything (kazoo-behaviour §2.7, design).

        `take` is the recording of the intro; it is over afterwards, and used unless `intro` is False (too short). An
        intro that the message had is kept where there is no new one. Raises `NotFound`, `StoreError`; `BoxFull`, but
        not where somebody was let record an intro.
        """
        if take is None:
            return await self._commit_copy(
                message, await self._clone(message, destination), suppress_notifications=suppress_notifications
            )
        payload = take.payload or {}
        if not include_intro:
            copy = await self._clone(message, destination, payload["message_id"])
        else:
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
        """A copy for each of these boxes, or for none: new id, new folder, time now (kazoo-behaviour §3.5).

        Nobody is mailed. Raises `NotFound`, `BoxFull`, `StoreError`; `PreconditionFailed` where its revision is no longer `seen`.
        """
        copies: list[Message] = []
        try:
            for destination in destinations:
                copies.append(await self._clone(message, destination))
            purged = await self._messages.copy_to_boxes(copies, message, expected_revision=expected_revision)
        except IvrError:
            await self.delete_audio_files(copies)
            raise
        await self.delete_audio_files(purged)
        return copies

    async def carbon_copy(self, message: Message, destination: Mailbox) -> Message:
        """The same message for another box that it was left for as well, as urgent as it is, and as sure to be kept.

        Raises `NotFound`, `StoreError`.
        """
        copy = replace(await self._clone(message, destination), urgent=message.urgent)
        return await self._commit_copy(message, copy, exempt_from_quota=True)

    async def transfer(
        self, message: Message, destination: Mailbox, *, expected_revision: int | None = None
    ) -> Message:
        """The same for one box, and the original goes."""
        copy = await self._clone(message, destination)
        try:
            purged = await self._messages.transfer_to_box(copy, message, expected_revision=expected_revision)
        except IvrError:
            await self.delete_audio_files([copy])
            raise
        await self.delete_audio_files(purged)
        return copy

    def audio_paths(self, message: Message) -> list[Path]:
        """Its files in the order they are heard: the intro, where there is one, and the message."""
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
        """Its audio is there, so it is: what had to go for it by the quota loses its own. `quiet`: nobody is mailed.

        Raises `NotFound`, `StoreError`; `BoxFull`, unless somebody `said` it.
        """
        await self.delete_audio_files(
            await self._messages.add(
                message, take_id, suppress_notifications=suppress_notifications, exempt_from_quota=exempt_from_quota
            )
        )

    async def delete_audio_files(self, messages: Iterable[Message]) -> None:
        """Messages that are no more, or never came to be, need none. What cannot go now is left for the sweeper."""
        for message in messages:
            for path in [
                file for audio in self.audio_paths(message) for file in (audio, self._recordings.upload_path(audio))
            ]:
                try:
                    await asyncio.to_thread(self._recordings.remove, path)
                except StoreError as error:
                    log.warning("message.audio_not_removed", message=message.id, error=str(error))

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
            time=int(now),
            urgent=False,
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
        caller = message.caller.number or "anonymous"
        return replace(message, from_uri=message.from_uri or f"{caller}@{realm}", to_uri=f"{mailbox.number}@{realm}")


def _strip_intro(message: Message) -> Message:
    """Another one comes in its place; what was uploaded is never given back behind an intro, so it stays behind."""
    length_ms = message.length_ms - message.intro_ms
    return replace(message, intro_id=None, intro_ms=0, length_ms=length_ms, upload_type=None)
