"""Compares what was imported with its source: messages by folder, seconds, audio, callers, greetings and PINs."""

from __future__ import annotations

import asyncio
import math
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import mul
from pathlib import Path
from typing import Any

from ivr.audio import wav
from ivr.directory.models import Account
from ivr.errors import InvalidAudio, NotFound
from ivr.imports.import_target import folder_of, source_id
from ivr.imports.message_import import GREETING_KINDS, stored_caller
from ivr.imports.pin_mapping import FIXED_PASSWORD
from ivr.imports.source import ImportOptions, SourceBox, read_source
from ivr.imports.system import SourceContent, SourceGreeting, SourceMessage, VoicemailSystem
from ivr.mailbox.boxes import Boxes
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.pins import Pins
from ivr.storage.protocols import AudioStore, ImportStore, MessageStore
from ivr.storage.records import ImportedKind, ImportedObject, Message

MIN_CORRELATION = 0.98
"""Of audio that another version of ffmpeg has decoded; two recordings of speech have less than 0.1."""
MAX_LENGTH_DIFFERENCE = 0.02
PARALLEL = 4

OnProgress = Callable[[int, int], None]


@dataclass
class FolderComparison:
    """One folder of one mailbox: what the source has, and what of it is here and equal. Lengths in ms."""

    source_messages: int = 0
    equal_messages: int = 0
    source_ms: int = 0
    here_ms: int = 0


class BoxComparison:
    """One mailbox. `differences`: what is not as at the source; `changed_here`: what was used since the import."""

    def __init__(self, box: str, account: str) -> None:
        self.box = box
        self.account = account
        self.folders: dict[str, FolderComparison] = {}
        self.greetings = "-"
        self.pin = "-"
        self.differences: list[str] = []
        self.changed_here: list[str] = []

    def folder(self, name: str) -> FolderComparison:
        """Return the comparison of a folder, named as at the source."""
        return self.folders.setdefault(name, FolderComparison())

    def to_document(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "box": self.box,
            "account": self.account,
            "folders": {
                name: {
                    "messages": one.source_messages,
                    "equal": one.equal_messages,
                    "seconds": round(one.source_ms / 1000, 1),
                    "seconds_here": round(one.here_ms / 1000, 1),
                }
                for name, one in self.folders.items()
            },
            "greetings": self.greetings,
            "pin": self.pin,
            "differences": self.differences,
            "changed_here": self.changed_here,
        }


class Verification:
    """Verifies imports. Nothing is changed."""

    def __init__(
        self, store: ImportStore, messages: MessageStore, recordings: AudioStore, boxes: Boxes, pins: Pins
    ) -> None:
        self._store = store
        self._messages = messages
        self._recordings = recordings
        self._boxes = boxes
        self._pins = pins
        self._slots = asyncio.Semaphore(PARALLEL)

    async def verify(
        self,
        system: VoicemailSystem,
        options: ImportOptions,
        accounts: Sequence[Account],
        on_progress: OnProgress = lambda done, total: None,
    ) -> list[BoxComparison]:
        """Compare each mailbox of the source. Raises `NotFound`, `BadInput`, `StoreError`, OSError."""
        source = await asyncio.to_thread(read_source, system, options, accounts)
        found = {box.key: await asyncio.to_thread(system.read_content, box.number, box.context) for box in source.boxes}
        done, total = 0, sum(len(box.messages) for box in found.values())

        def advance() -> None:
            nonlocal done
            done += 1
            on_progress(done, total)

        comparisons = []
        for box in source.boxes:
            comparison = BoxComparison(box.key, box.account.name)
            comparisons.append(comparison)
            mailbox = await self._boxes.find_by_number(box.account.id, box.number)
            if mailbox is None:
                if box.definition or found[box.key].messages or found[box.key].greetings:
                    comparison.differences.append("there is no such box here")
                continue
            comparison.differences.extend(found[box.key].problems)
            if "messages" in options.only:
                await self._compare_messages(system, options, mailbox, found[box.key], comparison, advance)
            if "greetings" in options.only:
                await self._compare_greetings(system, mailbox, box, found[box.key], options, comparison)
            if "boxes" in options.only:
                await self._compare_pin(mailbox, box, comparison)
        return comparisons

    async def _compare_messages(
        self,
        system: VoicemailSystem,
        options: ImportOptions,
        mailbox: Mailbox,
        found: SourceContent,
        comparison: BoxComparison,
        advance: Callable[[], None],
    ) -> None:
        imported = {one.source_id: one for one in await self._store.list_imported(ImportedKind.MESSAGE, mailbox.id)}

        async def compare(message: SourceMessage) -> None:
            async with self._slots:
                key = source_id(system.name, mailbox.account_id, message.source_id)
                await self._compare_message(options, mailbox, message, imported.get(key), comparison)
            advance()

        await asyncio.gather(*map(compare, found.messages))

    async def _compare_message(
        self,
        options: ImportOptions,
        mailbox: Mailbox,
        message: SourceMessage,
        imported: ImportedObject | None,
        comparison: BoxComparison,
    ) -> None:
        folder = comparison.folder(message.folder)
        folder.source_messages += 1
        try:
            samples = (await asyncio.to_thread(message.read_audio)).samples
        except (InvalidAudio, NotFound) as error:
            comparison.differences.append(f"{message.name}: {error}")
            return
        folder.source_ms += len(samples) // wav.BYTES_PER_MS
        if imported is None:
            comparison.differences.append(f"{message.name}: it was not imported")
            return
        try:
            stored = await self._messages.get(mailbox.id, imported.target_id, 0)
        except NotFound:
            comparison.changed_here.append(f"{message.name}: deleted here since ({imported.target_id})")
            folder.equal_messages += 1
            return
        path = self._recordings.message_path(stored.account_id, stored.recording)
        await self._recordings.fetch(path)
        if difference := await asyncio.to_thread(_compare_audio, samples, path):
            comparison.differences.append(f"{message.name}: {difference} ({stored.id})")
            return
        folder.here_ms += stored.length_ms
        differences = _compare_metadata(message, stored)
        if differences:
            comparison.differences.append(f"{message.name}: {', '.join(differences)} ({stored.id})")
            return
        expected = folder_of(options, message)
        if stored.folder is not expected:
            if stored.revision == 1:
                comparison.differences.append(f"{message.name}: it is in {stored.folder}, not in {expected}")
                return
            comparison.changed_here.append(f"{message.name}: moved to {stored.folder} here since")
        folder.equal_messages += 1

    async def _compare_greetings(
        self,
        system: VoicemailSystem,
        mailbox: Mailbox,
        box: SourceBox,
        found: SourceContent,
        options: ImportOptions,
        comparison: BoxComparison,
    ) -> None:
        imported = {one.source_id: one for one in await self._store.list_imported(ImportedKind.GREETING, mailbox.id)}
        equal = 0
        for name, greeting in found.greetings.items():
            if name not in GREETING_KINDS:
                comparison.differences.append(f"greeting {name}: it has no place here")
                continue
            one = imported.get(source_id(system.name, mailbox.account_id, box.key, name))
            if one is None:
                comparison.differences.append(f"greeting {name}: it was not imported")
            elif mailbox.active_media_id(GREETING_KINDS[name]) != one.target_id:
                comparison.changed_here.append(f"greeting {name}: replaced or removed here since")
                equal += 1
            elif difference := await self._find_greeting_difference(greeting, mailbox, one.target_id):
                comparison.differences.append(f"greeting {name}: {difference}")
            else:
                equal += 1
        if found.greetings:
            comparison.greetings = f"{equal} of {len(found.greetings)}"

    async def _find_greeting_difference(self, greeting: SourceGreeting, mailbox: Mailbox, media_id: str) -> str:
        path = self._recordings.media_path(mailbox.account_id, media_id)
        await self._recordings.fetch(path)
        return await asyncio.to_thread(_compare_greeting, greeting, path)

    async def _compare_pin(self, mailbox: Mailbox, box: SourceBox, comparison: BoxComparison) -> None:
        created = await self._store.list_imported(ImportedKind.BOX, mailbox.id)
        if box.definition is None or not created:
            return
        password = box.definition.password.removeprefix(FIXED_PASSWORD)
        if await self._store.list_imported(ImportedKind.PIN, mailbox.id):
            comparison.pin = "generated"
        elif not await self._pins.has_pin(mailbox):
            comparison.pin = "none"
            if password.isdigit() and len(password) >= mailbox.pin_lengths.start:
                comparison.differences.append("the box has no PIN")
        elif await self._pins.is_set_to(mailbox, password):
            comparison.pin = "equal"
        else:
            comparison.pin = "another"
            comparison.changed_here.append("the PIN is not that of the source: it was changed here or there")


def correlation(one: bytes, other: bytes) -> float:
    """Return the normalised correlation of 16-bit samples: 1 for the same audio at any volume, about 0 for others."""
    first, second = (array("h", samples) for samples in (one, other))
    length = min(len(first), len(second))
    first, second = first[:length], second[:length]
    energy = math.sqrt(sum(map(mul, first, first)) * sum(map(mul, second, second)))
    return sum(map(mul, first, second)) / energy if energy else float(not any(first) and not any(second))


def compare_samples(source: bytes, stored: bytes) -> str:
    """Return how stored samples differ from those of the source; "" if they are the same audio."""
    if source == stored:
        return ""
    if abs(len(source) - len(stored)) > MAX_LENGTH_DIFFERENCE * max(len(source), len(stored)):
        lengths = (len(samples) / 1000 / wav.BYTES_PER_MS for samples in (source, stored))
        return "{:.1f} s at the source, {:.1f} s here".format(*lengths)
    found = correlation(source, stored)
    return "" if found >= MIN_CORRELATION else f"other audio: the correlation is {found:.2f}"


def _compare_audio(samples: bytes, path: Path) -> str:
    try:
        return compare_samples(samples, wav.read_samples(path))
    except (OSError, InvalidAudio) as error:
        return f"its audio here cannot be read: {error}"


def _compare_greeting(greeting: SourceGreeting, path: Path) -> str:
    try:
        audio = greeting.read_audio()
    except InvalidAudio as error:
        return str(error)
    return _compare_audio(audio.samples, path) if audio else ""


def _compare_metadata(message: SourceMessage, stored: Message) -> list[str]:
    """Return what differs besides the audio: these never change here."""
    caller = stored_caller(message.caller)
    pairs: dict[str, tuple[Any, Any]] = {
        "time": (message.time, stored.time),
        "caller": (caller.number, stored.caller.number),
        "name of the caller": (caller.name, stored.caller.name),
        "urgency": (message.is_urgent, stored.urgent),
    }
    return [f"{name} {there!r} there, {here!r} here" for name, (there, here) in pairs.items() if there != here]
