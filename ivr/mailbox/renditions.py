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

CACHE_TTL_S = 3600
CACHE_MAX_BYTES = 512 * 1024**2


@dataclass(frozen=True, slots=True)
class RenderedAudio:
    """Some bytes, then stretches of files, one after another."""

    audio_format: AudioFormat
    header: bytes
    segments: tuple[tuple[Path, int, int], ...]
    """Path, first byte, number of bytes."""
    etag: str
    """Changes when the audio does."""

    @property
    def size(self) -> int:
        return len(self.header) + sum(length for _, _, length in self.segments)


class AudioRenditions:
    """The forms of all messages; `folder` is the cache."""

    def __init__(self, delivery: Delivery, uploads: Uploads, conversion_pool: ConversionPool, folder: Path) -> None:
        self._delivery = delivery
        self._uploads = uploads
        self._conversion_pool = conversion_pool
        self._folder = folder
        self._locks: dict[Path, asyncio.Lock] = {}

    def prepare(self) -> None:
        """Make its folder, where there is none."""
        self._folder.mkdir(exist_ok=True)

    def clear(self) -> None:
        """Empty the cache, as at a start."""
        self.prepare()
        for path in self._folder.iterdir():
            path.unlink(missing_ok=True)

    def formats_for(self, message: Message, preferred: str) -> list[AudioFormat]:
        """In which forms it can be given, the best first: as it was uploaded, else as the box prefers."""
        return self.formats_for_recording(
            message.upload_type if self._uploads.original_upload(message) else None, preferred
        )

    def formats_for_recording(self, upload_content_type: str | None, preferred: str) -> list[AudioFormat]:
        """The same for a recording of which this content type was brought, if any was."""
        uploaded = by_content_type(upload_content_type) if upload_content_type else None
        likes = [form for form in OUTPUT_FORMATS if form.name == preferred]
        return list(dict.fromkeys([*([uploaded] if uploaded else []), *likes, *OUTPUT_FORMATS]))

    async def render(self, message: Message, audio_format: AudioFormat) -> RenderedAudio:
        """The message in that form. Raises `NotFound` where its audio is not there, `InvalidAudio`, `SoundsError`."""
        if not message.has_audio:
            raise NotFound("voicemail message does not have any audio file", message.id)
        kept = self._uploads.original_upload(message)
        if kept and message.upload_type == audio_format.content_type:
            return await asyncio.to_thread(_whole_file, kept, audio_format)
        paths = self._delivery.audio_paths(message)
        if audio_format is WAV:
            return await asyncio.to_thread(_concatenate, paths)
        return await self._convert_cached(paths, audio_format)

    async def etags(self, message: Message) -> set[str]:
        """What `RenderedAudio.tag` would be, as its audio is now, in whatever form."""
        if not message.has_audio:
            return set()
        sources = [
            self._delivery.audio_paths(message),
            *([[kept]] if (kept := self._uploads.original_upload(message)) else []),
        ]
        try:
            return {await asyncio.to_thread(_etag, source) for source in sources}
        except NotFound:
            return set()

    async def render_recording(
        self, recording: Path, upload: Path | None, upload_content_type: str | None, audio_format: AudioFormat
    ) -> RenderedAudio:
        """The same for one recording. Raises `NotFound`, `InvalidAudio`, `SoundsError`."""
        if upload and upload_content_type == audio_format.content_type:
            return await asyncio.to_thread(_whole_file, upload, audio_format)
        if audio_format is WAV:
            return await asyncio.to_thread(_concatenate, [recording])
        return await self._convert_cached([recording], audio_format)

    async def _convert_cached(self, paths: list[Path], audio_format: AudioFormat) -> RenderedAudio:
        tag = await asyncio.to_thread(_etag, paths)
        target = self._folder / f"{tag}{audio_format.extension}"
        async with self._locks.setdefault(target, asyncio.Lock()):
            try:
                if not target.exists():
                    await asyncio.to_thread(_evict, self._folder)
                    draft = target.with_suffix(".part")
                    await self._conversion_pool.encode(paths, audio_format, draft)
                    await asyncio.to_thread(draft.replace, target)
                # The tag is that of what it was made of: made anew, it is still the same.
                return replace(await asyncio.to_thread(_whole_file, target, audio_format), etag=tag)
            finally:
                self._locks.pop(target, None)


def _whole_file(path: Path, audio_format: AudioFormat) -> RenderedAudio:
    return RenderedAudio(audio_format, b"", ((path, 0, _stat(path)[0]),), _etag([path]))


def _concatenate(paths: list[Path]) -> RenderedAudio:
    """One WAV of several of our form: a header of its own, and their samples."""
    sizes = [(_stat(path)[0] - wav.HEADER_BYTES) // 2 * 2 for path in paths]
    files = tuple((path, wav.HEADER_BYTES, size) for path, size in zip(paths, sizes, strict=True))
    return RenderedAudio(WAV, wav.header(sum(sizes)), files, _etag(paths))


def _etag(paths: list[Path]) -> str:
    told = "|".join(f"{path.name}:{size}:{changed}" for path in paths for size, changed in [_stat(path)])
    return hashlib.sha256(told.encode()).hexdigest()[:32]


def _stat(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except FileNotFoundError as error:
        raise NotFound("voicemail message does not have any audio file", path.stem) from error
    return found.st_size, found.st_mtime_ns


def _evict(folder: Path) -> None:
    """Forms that are old, and then the oldest, go, until what is left is not too much."""
    there = sorted(_cached_files(folder))
    left = sum(size for _, size, _ in there)
    for made_at, size, path in there:
        if made_at > time.time() - CACHE_TTL_S and left <= CACHE_MAX_BYTES:
            return
        path.unlink(missing_ok=True)
        left -= size


def _cached_files(folder: Path) -> Iterator[tuple[float, int, Path]]:
    for path in folder.glob("*.*"):
        try:
            found = path.stat()
        except FileNotFoundError:
            continue
        if path.suffix != ".part":
            yield found.st_mtime, found.st_size, path
