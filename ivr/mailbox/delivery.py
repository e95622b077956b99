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
from ivr.mailbox.pending_deliveries import Arriving
from ivr.mailbox.takes import Takes
from ivr.storage.audio_folder import Recordings
from ivr.storage.protocols import MessageStore
from ivr.storage.records import Caller, Folder, Message, Take

log = structlog.get_logger()


class Delivery:
    """Brings messages into boxes."""

    def __init__(
        self, messages: MessageStore, takes: Takes, recordings: Recordings, clock: Clock, ids: IdGenerator
    ) -> None:
        self._messages = messages
        self._takes = takes
        self._recordings = recordings
        self._clock = clock
        self._ids = ids
        self.arriving = Arriving()

    async def deliver(self, take: Take, mailbox: Mailbox) -> Message:
        """A caller's take becomes a new message of the box, which is never too full for it: they were let talk.

        Raises `NotFound` where it was adopted or dropped already, `InvalidAudio`, `StoreError`.
        """
        with self.arriving.into(mailbox.id):
            return await self._deliver(take, mailbox)

    async def _deliver(self, take: Take, mailbox: Mailbox) -> Message:
        message_id = str((take.payload or {})["message_id"])
        target = self._recordings.message(take.account_id, message_id)
        size = await asyncio.to_thread(self._recordings.adopt, Path(take.path), target)
        message = self._addressed(
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
            await self.add(message, take.id, said=True)
        except BoxDeleted:
            await asyncio.to_thread(self._recordings.remove, target)
            raise
        await self._takes.forget_file(take)
        return message

    async def deliver_alone(self, path: Path, mailbox: Mailbox, message_id: str, caller: Caller, time: int) -> None:
        """What the dialplan recorded by itself becomes a new message of the box, unless it is, or was, one already.

        Its file goes last. Raises `InvalidAudio`, `NotFound`, `StoreError`.
        """
        if not await self._messages.is_known(message_id):
            target = self._recordings.message(mailbox.account_id, message_id)
            size = await asyncio.to_thread(self._recordings.adopt, path, target)
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
            await self.add(self._addressed(message, mailbox), said=True)
        await asyncio.to_thread(self._recordings.remove, path)

    async def bring(
        self,
        mailbox: Mailbox,
        pcm: bytes,
        caller: Caller,
        time: int,
        folder: Folder,
        *,
        urgent: bool = False,
        announce: bool = False,
    ) -> Message:
        """Samples at 8 kHz become a message that was left at `time`. Nobody is mailed or called because of it, unless
        it is to be announced (kazoo-behaviour §4.5). Raises `NotFound`, `BoxFull`, `StoreError`."""
        message_id = self._ids.new_message_id(time)
        target = self._recordings.message(mailbox.account_id, message_id)
        size = await asyncio.to_thread(self._recordings.write, pcm, target)
        message = self._addressed(
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
            await self.add(message, quiet=not announce)
        except IvrError:
            await self.forget_audio([message])
            raise
        return message

    async def forward(
        self,
        message: Message,
        destination: Mailbox,
        take: Take | None = None,
        *,
        intro: bool = True,
        quiet: bool = False,
    ) -> Message:
        """A copy for another box, with what was said before it, if anything (kazoo-behaviour §2.7, design).

        `take` is the recording of the intro; it is over afterwards, and used unless `intro` is False (too short). An
        intro that the message had is kept where there is no new one. Raises `NotFound`, `StoreError`; `BoxFull`, but
        not where somebody was let record an intro.
        """
        if take is None:
            return await self._send(message, await self._copy(message, destination), quiet=quiet)
        payload = take.payload or {}
        if not intro:
            copy = await self._copy(message, destination, payload["message_id"])
        else:
            copy = await self._copy(_without_intro(message), destination, payload["message_id"])
            media_id = str(payload["media_id"])
            target = self._recordings.media(destination.account_id, media_id)
            size = await asyncio.to_thread(self._recordings.adopt, Path(take.path), target)
            intro_ms = wav.length_ms_from_size(size)
            copy = replace(
                copy, intro_id=media_id, intro_ms=intro_ms, bytes=copy.bytes + size, length_ms=copy.length_ms + intro_ms
            )
        await self.add(copy, take.id, quiet=quiet, said=True)
        await self._takes.forget_file(take)
        return copy

    async def copy(
        self, message: Message, destinations: Iterable[Mailbox], *, seen: int | None = None
    ) -> list[Message]:
        """A copy for each of these boxes, or for none: new id, new folder, time now (kazoo-behaviour §3.5).

        Nobody is mailed. Raises `NotFound`, `BoxFull`, `StoreError`; `PreconditionFailed` where its revision is no longer `seen`.
        """
        copies: list[Message] = []
        try:
            for destination in destinations:
                copies.append(await self._copy(message, destination))
            purged = await self._messages.add_copies(copies, message, seen=seen)
        except IvrError:
            await self.forget_audio(copies)
            raise
        await self.forget_audio(purged)
        return copies

    async def carbon_copy(self, message: Message, destination: Mailbox) -> Message:
        """The same message for another box that it was left for as well, as urgent as it is, and as sure to be kept.

        Raises `NotFound`, `StoreError`.
        """
        copy = replace(await self._copy(message, destination), urgent=message.urgent)
        return await self._send(message, copy, said=True)

    async def move(self, message: Message, destination: Mailbox, *, seen: int | None = None) -> Message:
        """The same for one box, and the original goes."""
        copy = await self._copy(message, destination)
        try:
            purged = await self._messages.add_moved(copy, message, seen=seen)
        except IvrError:
            await self.forget_audio([copy])
            raise
        await self.forget_audio(purged)
        return copy

    def audio(self, message: Message) -> list[Path]:
        """Its files in the order they are heard: the intro, where there is one, and the message."""
        intro = [self._recordings.media(message.account_id, message.intro_id)] if message.intro_id else []
        return [*intro, self._recordings.message(message.account_id, message.recording)]

    async def add(
        self, message: Message, take_id: str | None = None, *, quiet: bool = False, said: bool = False
    ) -> None:
        """Its audio is there, so it is: what had to go for it by the quota loses its own. `quiet`: nobody is mailed.

        Raises `NotFound`, `StoreError`; `BoxFull`, unless somebody `said` it.
        """
        await self.forget_audio(await self._messages.add(message, take_id, quiet=quiet, said=said))

    async def forget_audio(self, messages: Iterable[Message]) -> None:
        """Messages that are no more, or never came to be, need none. What cannot go now is left for the sweeper."""
        for message in messages:
            for path in [file for audio in self.audio(message) for file in (audio, self._recordings.upload(audio))]:
                try:
                    await asyncio.to_thread(self._recordings.remove, path)
                except StoreError as error:
                    log.warning("message.audio_not_removed", message=message.id, error=str(error))

    async def _send(self, message: Message, copy: Message, *, quiet: bool = False, said: bool = False) -> Message:
        try:
            await self.add(copy, quiet=quiet, said=said)
        except IvrError:
            await self.forget_audio([copy])
            raise
        log.info("message.copied", message=copy.id, box=copy.box_id, source=message.box_id)
        return copy

    async def _copy(self, message: Message, destination: Mailbox, message_id: str | None = None) -> Message:
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
        for old, new in zip(self.audio(message), self.audio(copy), strict=True):
            size += await asyncio.to_thread(self._recordings.link, old, new)
        if message.upload_type and not copy.intro_id:
            old, new = (self._recordings.upload(self.audio(m)[-1]) for m in (message, copy))
            size += await asyncio.to_thread(self._recordings.link, old, new)
        return self._addressed(replace(copy, bytes=size), destination)

    def _addressed(self, message: Message, mailbox: Mailbox) -> Message:
        realm = mailbox.account.realm
        caller = message.caller.number or "anonymous"
        return replace(message, from_uri=message.from_uri or f"{caller}@{realm}", to_uri=f"{mailbox.number}@{realm}")


def _without_intro(message: Message) -> Message:
    """Another one comes in its place; what was uploaded is never given back behind an intro, so it stays behind."""
    length_ms = message.length_ms - message.intro_ms
    return replace(message, intro_id=None, intro_ms=0, length_ms=length_ms, upload_type=None)
