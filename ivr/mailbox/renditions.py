"""A message as somebody takes it away: the recording itself, what was uploaded, or another form made when asked for.

An intro is heard before its message, so it is joined in front. Made forms are kept for an hour in a bounded cache.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from ivr.audio import wav
from ivr.audio.converter import ConversionPool
from ivr.audio.formats import OUTPUT_FORMATS, WAV, AudioFormat, by_content_type
from ivr.errors import NotFound
from ivr.mailbox.delivery import Delivery
from ivr.mailbox.uploads import Uploads
from ivr.storage.records import Message

KEPT_S = 3600
KEPT_BYTES = 512 * 1024**2


@dataclass(frozen=True, slots=True)
class Given:
    """Some bytes, then stretches of files, one after another."""

    form: AudioFormat
    head: bytes
    files: tuple[tuple[Path, int, int], ...]
    """Path, first byte, number of bytes."""
    tag: str
    """Changes when the audio does."""

    @property
    def size(self) -> int:
        return len(self.head) + sum(length for _, _, length in self.files)


class Forms:
    """The forms of all messages; `folder` is the cache."""

    def __init__(self, delivery: Delivery, uploads: Uploads, workshop: ConversionPool, folder: Path) -> None:
        self._delivery = delivery
        self._uploads = uploads
        self._workshop = workshop
        self._folder = folder
        self._making: dict[Path, asyncio.Lock] = {}

    def prepare(self) -> None:
        """Make its folder, where there is none."""
        self._folder.mkdir(exist_ok=True)

    def clear(self) -> None:
        """Empty the cache, as at a start."""
        self.prepare()
        for path in self._folder.iterdir():
            path.unlink(missing_ok=True)

    def available(self, message: Message, preferred: str) -> list[AudioFormat]:
        """In which forms it can be given, the best first: as it was uploaded, else as the box prefers."""
        return self.of_recording(message.upload_type if self._uploads.kept(message) else None, preferred)

    def of_recording(self, uploaded_as: str | None, preferred: str) -> list[AudioFormat]:
        """The same for a recording of which this content type was brought, if any was."""
        uploaded = by_content_type(uploaded_as) if uploaded_as else None
        likes = [form for form in OUTPUT_FORMATS if form.name == preferred]
        return list(dict.fromkeys([*([uploaded] if uploaded else []), *likes, *OUTPUT_FORMATS]))

    async def give(self, message: Message, form: AudioFormat) -> Given:
        """The message in that form. Raises `NotFound` where its audio is not there, `InvalidAudio`, `SoundsError`."""
        if not message.has_audio:
            raise NotFound("voicemail message does not have any audio file", message.id)
        kept = self._uploads.kept(message)
        if kept and message.upload_type == form.content_type:
            return await asyncio.to_thread(_whole, kept, form)
        paths = self._delivery.audio(message)
        if form is WAV:
            return await asyncio.to_thread(_joined, paths)
        return await self._made(paths, form)

    async def tags(self, message: Message) -> set[str]:
        """What `Given.tag` would be, as its audio is now, in whatever form."""
        if not message.has_audio:
            return set()
        sources = [self._delivery.audio(message), *([[kept]] if (kept := self._uploads.kept(message)) else [])]
        try:
            return {await asyncio.to_thread(_tag, source) for source in sources}
        except NotFound:
            return set()

    async def give_recording(
        self, recording: Path, upload: Path | None, uploaded_as: str | None, form: AudioFormat
    ) -> Given:
        """The same for one recording. Raises `NotFound`, `InvalidAudio`, `SoundsError`."""
        if upload and uploaded_as == form.content_type:
            return await asyncio.to_thread(_whole, upload, form)
        if form is WAV:
            return await asyncio.to_thread(_joined, [recording])
        return await self._made([recording], form)

    async def _made(self, paths: list[Path], form: AudioFormat) -> Given:
        tag = await asyncio.to_thread(_tag, paths)
        target = self._folder / f"{tag}{form.extension}"
        async with self._making.setdefault(target, asyncio.Lock()):
            try:
                if not target.exists():
                    await asyncio.to_thread(_make_room, self._folder)
                    draft = target.with_suffix(".part")
                    await self._workshop.encode(paths, form, draft)
                    await asyncio.to_thread(draft.replace, target)
                # The tag is that of what it was made of: made anew, it is still the same.
                return replace(await asyncio.to_thread(_whole, target, form), tag=tag)
            finally:
                self._making.pop(target, None)


def _whole(path: Path, form: AudioFormat) -> Given:
    return Given(form, b"", ((path, 0, _stat(path)[0]),), _tag([path]))


def _joined(paths: list[Path]) -> Given:
    """One WAV of several of our form: a header of its own, and their samples."""
    sizes = [(_stat(path)[0] - wav.HEADER_BYTES) // 2 * 2 for path in paths]
    files = tuple((path, wav.HEADER_BYTES, size) for path, size in zip(paths, sizes, strict=True))
    return Given(WAV, wav.header(sum(sizes)), files, _tag(paths))


def _tag(paths: list[Path]) -> str:
    told = "|".join(f"{path.name}:{size}:{changed}" for path in paths for size, changed in [_stat(path)])
    return hashlib.sha256(told.encode()).hexdigest()[:32]


def _stat(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except FileNotFoundError as error:
        raise NotFound("voicemail message does not have any audio file", path.stem) from error
    return found.st_size, found.st_mtime_ns


def _make_room(folder: Path) -> None:
    """Forms that are old, and then the oldest, go, until what is left is not too much."""
    there = sorted(_ages(folder))
    left = sum(size for _, size, _ in there)
    for made_at, size, path in there:
        if made_at > time.time() - KEPT_S and left <= KEPT_BYTES:
            return
        path.unlink(missing_ok=True)
        left -= size


def _ages(folder: Path) -> Iterator[tuple[float, int, Path]]:
    for path in folder.glob("*.*"):
        try:
            found = path.stat()
        except FileNotFoundError:
            continue
        if path.suffix != ".part":
            yield found.st_mtime, found.st_size, path
