"""Messages and greetings of a mailbox of another system, imported into a mailbox: each once.

Audio is synced first, then one transaction stores the row and where the message came from. An import that was
interrupted therefore goes on where it was, and nothing is imported twice.
"""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import Callable, Sequence

from ivr.audio import wav
from ivr.clock import Clock
from ivr.errors import InvalidAudio, NotFound
from ivr.ids import IdGenerator
from ivr.imports.import_target import ImportTarget, folder_of, source_id
from ivr.imports.message_follower import MessageFollower
from ivr.imports.report import BoxReport
from ivr.imports.system import DecodedAudio, NoteLevel, SourceContent, SourceGreeting, SourceMessage
from ivr.mailbox.caller_id import sip_address
from ivr.mailbox.mailbox import Mailbox
from ivr.storage.protocols import AudioStore, ImportStore
from ivr.storage.records import Caller, ImportedKind, ImportedObject, MediaKind, Message, StoredMedia
from ivr.validation.text import MAX_CALLER_LENGTH, MAX_LABEL_LENGTH, to_single_line

NAMESPACE = uuid.UUID("6d9e6a1e-5c0b-5a53-9f0e-2a4cf4f0c8f1")
MAX_PASSES = 3
"""How often a mailbox folder is read, until all messages that app_voicemail moved meanwhile are found."""
PARALLEL_MESSAGES = 2 * (os.cpu_count() or 1)
MAX_ATTEMPTS = 100
DURATION_RATIO = 0.5
DURATION_TOLERANCE_S = 2
"""The length that a system says has whole seconds, with the beep and silence that it cuts off."""
GREETING_KINDS = {
    "unavail": MediaKind.UNAVAILABLE,
    "busy": MediaKind.BUSY,
    "temp": MediaKind.TEMPORARY,
    "greet": MediaKind.NAME,
}


class MessageImport:
    """Imports messages and greetings. `on_message` is called for each message that is done."""

    def __init__(
        self,
        store: ImportStore,
        recordings: AudioStore,
        clock: Clock,
        ids: IdGenerator,
        follower: MessageFollower,
        on_message: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._recordings = recordings
        self._clock = clock
        self._ids = ids
        self._follower = follower
        self.on_message = on_message
        self._slots = asyncio.Semaphore(PARALLEL_MESSAGES)

    async def import_greetings(self, target: ImportTarget, found: SourceContent) -> None:
        """Import the greetings, where the mailbox has none of their kind."""
        imported = {one.source_id: one for one in await self._imported(ImportedKind.GREETING, target.mailbox)}
        for name, kind in GREETING_KINDS.items():
            key = source_id(target.system.name, target.mailbox.account_id, target.source.key, name)
            if name in found.greetings and key not in imported:
                await self._import_greeting(target, name, kind, found.greetings[name], key)

    async def check_greetings(self, mailbox: Mailbox | None, found: SourceContent, report: BoxReport) -> None:
        """Report which greetings a mailbox would get; `mailbox` None: one that does not exist yet."""
        for name, kind in GREETING_KINDS.items():
            if name not in found.greetings or (mailbox and mailbox.active_media_id(kind)):
                continue
            try:
                if await asyncio.to_thread(found.greetings[name].read_audio):
                    report.greetings.append(name)
            except InvalidAudio as error:
                report.note(NoteLevel.LOSS, f"greeting {name}: {error}")

    async def find_new(
        self, system_name: str, mailbox: Mailbox, messages: Sequence[SourceMessage]
    ) -> list[SourceMessage]:
        """Return the messages that were not imported to a mailbox yet."""
        known = await self._imported(ImportedKind.MESSAGE, mailbox)
        known_ids = {one.source_id for one in known}
        known_names = {one.source_id.partition("#")[0] for one in known}
        known_fingerprints = {(one.source_id.partition("#")[0], one.fingerprint) for one in known}
        new: list[SourceMessage] = []
        for message in messages:
            key = source_id(system_name, mailbox.account_id, message.source_id)
            name = key.partition("#")[0]
            if key not in known_ids and not (
                name in known_names and (name, await asyncio.to_thread(message.fingerprint)) in known_fingerprints
            ):
                new.append(message)
        return new

    async def import_messages(self, target: ImportTarget, found: SourceContent) -> None:
        """Import the messages that were not imported yet. Those that move meanwhile are looked for again.

        Those that are in another folder than at their import are moved here, too.
        """
        await self._import_new(target, found)
        await self._follower.apply(target, found, with_deletions=False)

    async def _import_new(self, target: ImportTarget, found: SourceContent) -> None:
        moved, box = list(found.messages), found
        done: set[str] = set()
        for attempt in range(MAX_PASSES):
            if attempt:
                source = target.source
                box = await asyncio.to_thread(target.system.read_content, source.number, source.context)
                moved = [message for message in box.messages if message.source_id not in done]
            moved = await self._import_all(target, moved, done)
            if not moved:
                break
        for message in moved:
            target.report.note(NoteLevel.LOSS, f"{message.name}: it is moved there; run the command again")
        seen = done.union(message.source_id for message in moved)
        if gone := sum(message.source_id not in seen for message in found.messages):
            text = f"messages that are not there any more: {gone}"
            if box.exists:
                target.report.note(NoteLevel.WARNING, f"{text}, deleted or moved there; run the command again")
            else:
                target.report.note(NoteLevel.LOSS, f"{text}, nor is the folder of the box; run the command again")

    async def _import_all(
        self, target: ImportTarget, messages: list[SourceMessage], done: set[str]
    ) -> list[SourceMessage]:
        """Import messages, several at a time; return those that are not where they were."""
        new = await self.find_new(target.system.name, target.mailbox, messages)
        done.update(message.source_id for message in messages)
        target.report.already_imported += len(messages) - len(new)
        for _ in range(len(messages) - len(new)):
            self.on_message()
        results = await asyncio.gather(*(self._import_or_miss(target, one) for one in new), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result
        missed = [message for message, found in zip(new, results, strict=True) if not found]
        done.difference_update(message.source_id for message in missed)
        return missed

    async def _import_or_miss(self, target: ImportTarget, message: SourceMessage) -> bool:
        async with self._slots:
            try:
                await self._import_message(target, message)
            except InvalidAudio as error:
                target.report.note(NoteLevel.LOSS, f"{message.name}: {error}")
            except NotFound:
                return False
        self.on_message()
        return True

    async def _import_message(self, target: ImportTarget, message: SourceMessage) -> None:
        """Import one message. Raises `InvalidAudio`, `StoreError`; `NotFound` if it is not where it was."""
        if target.options.retention == "from-message" and message.time < target.cutoff:
            target.report.note(NoteLevel.LOSS, f"{message.name}: past retention; --retention from-import keeps it")
            return
        audio = await asyncio.to_thread(message.read_audio)
        length_ms = len(audio.samples) // wav.BYTES_PER_MS
        times = target.mailbox.voicemail_settings.message_times(self._clock.now())
        note_doubts(target.report, message, audio, times.stop)
        mailbox, key = target.mailbox, self._key(target, message)
        message_id = await self._message_id(key, message.time)
        path = self._recordings.message_path(mailbox.account_id, message_id)
        size = await asyncio.to_thread(self._recordings.write, audio.samples, path)
        now = int(self._clock.now())
        caller = stored_caller(message.caller)
        stored = Message(
            id=message_id,
            account_id=mailbox.account_id,
            box_id=mailbox.id,
            folder=folder_of(target.options, message),
            time=message.time,
            length_ms=length_ms,
            bytes=size,
            caller=caller,
            urgent=message.is_urgent,
            from_uri=sip_address(caller, mailbox.account.realm),
            to_uri=f"{mailbox.number}@{mailbox.account.realm}",
            call_id=message.call_id[:64],
            retention_from=now if target.options.retention == "from-import" else None,
            labels=tuple(filter(None, (to_single_line(one)[:MAX_LABEL_LENGTH] for one in message.labels))),
            transcription=message.transcription,
            forwarded_by=target.forwarders.get(message.origin),
        )
        fingerprint = await asyncio.to_thread(message.fingerprint)
        imported = ImportedObject(
            kind=ImportedKind.MESSAGE,
            source_id=key,
            account_id=mailbox.account_id,
            box_id=mailbox.id,
            target_id=message_id,
            fingerprint=fingerprint,
            run_id=target.run_id,
            at=now,
        )
        entered_at = message.modified_at if target.options.retention == "from-message" else now
        await self._store.add_message(stored, imported, min(entered_at, now))
        target.report.imported += 1
        target.report.length_ms += length_ms

    async def _message_id(self, key: str, time: int) -> str:
        """Return the id of a message, which follows from its source. One that was removed here is not used again."""
        month = self._ids.new_message_id(time).partition("-")[0]
        for attempt in range(MAX_ATTEMPTS):
            message_id = f"{month}-{uuid.uuid5(NAMESPACE, f'{key}|{attempt}' if attempt else key).hex}"
            if not await self._store.is_purged(message_id):
                return message_id
        return self._ids.new_message_id(time)

    def _key(self, target: ImportTarget, message: SourceMessage) -> str:
        return source_id(target.system.name, target.mailbox.account_id, message.source_id)

    async def _imported(self, kind: ImportedKind, mailbox: Mailbox) -> list[ImportedObject]:
        return await self._store.list_imported(kind, mailbox.id)

    async def _import_greeting(
        self, target: ImportTarget, name: str, kind: MediaKind, source: SourceGreeting, key: str
    ) -> None:
        mailbox = target.mailbox
        if mailbox.active_media_id(kind):
            target.report.note(NoteLevel.INFO, f"greeting {name}: the box has one of its own, which stays")
            return
        try:
            audio = await asyncio.to_thread(source.read_audio)
        except InvalidAudio as error:
            target.report.note(NoteLevel.LOSS, f"greeting {name}: {error}")
            return
        if audio is None:
            return
        now = int(self._clock.now())
        media_id = self._ids.new_document_id()
        path = self._recordings.media_path(mailbox.account_id, media_id)
        size = await asyncio.to_thread(self._recordings.write, audio.samples, path)
        greeting = StoredMedia(
            id=media_id,
            account_id=mailbox.account_id,
            box_id=mailbox.id,
            kind=kind,
            length_ms=len(audio.samples) // wav.BYTES_PER_MS,
            bytes=size,
            created_at=now,
        )
        user_id = mailbox.named_user.id if mailbox.named_user and kind is MediaKind.NAME else None
        imported = ImportedObject(
            kind=ImportedKind.GREETING,
            source_id=key,
            account_id=mailbox.account_id,
            box_id=mailbox.id,
            target_id=media_id,
            fingerprint="",
            run_id=target.run_id,
            at=now,
        )
        await self._store.add_greeting(greeting, user_id, imported)
        target.report.greetings.append(name)
        if kind is MediaKind.TEMPORARY:
            target.report.note(NoteLevel.INFO, "greeting temp: it has no last day; its owner hears so at each sign-in")


def note_doubts(report: BoxReport, message: SourceMessage, audio: DecodedAudio, latest: int) -> None:
    """Add what an administrator should look at. `latest`: the Unix time from which a message is in the future."""
    length_ms = len(audio.samples) // wav.BYTES_PER_MS
    for warning in message.warnings:
        report.note(NoteLevel.WARNING, f"{message.name}: {warning}")
    if message.time >= latest:
        text = f"{message.name}: its time is in the future, so it is the newest message until then"
        report.note(NoteLevel.WARNING, text)
    if audio.reasons:
        report.note(NoteLevel.WARNING, f"{message.name}: {audio.file} is used ({'; '.join(audio.reasons)})")
    if length_ms < (message.expected_s * DURATION_RATIO - DURATION_TOLERANCE_S) * 1000:
        text = f"{message.name}: {message.expected_s} s there, {audio.file} has {length_ms / 1000:.1f} s"
        report.note(NoteLevel.WARNING, text)


def stored_caller(caller: Caller) -> Caller:
    """Return a caller as a message here stores it: in one line, and not endless."""
    return Caller(to_single_line(caller.number)[:MAX_CALLER_LENGTH], to_single_line(caller.name)[:MAX_CALLER_LENGTH])
