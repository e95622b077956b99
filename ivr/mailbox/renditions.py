"""Renditions: a message's audio as the recording itself, the original upload, or another format made on demand.

An intro is concatenated in front of its message. Renditions are stored in a cache with a maximum age and size.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeVar

from ivr.audio import wav
from ivr.audio.converter import ConversionPool
from ivr.audio.formats import OUTPUT_FORMATS, WAV, AudioFormat, by_content_type
from ivr.clock import Clock
from ivr.errors import NotFound
from ivr.mailbox.delivery import Delivery
from ivr.mailbox.uploads import Uploads
from ivr.storage.files import inherit_owner
from ivr.storage.page_cache import OpenFile, PageCache
from ivr.storage.records import Message

T = TypeVar("T")
OpenPath = Callable[[Path], OpenFile]


@dataclass(frozen=True, slots=True)
class CacheLimits:
    """When renditions are evicted: older ones first, as soon as a new one is made."""

    max_age_s: float = 3600
    max_bytes: int = 512 * 1024**2
    check_interval_s: float = 10
    """The folder is listed at most this often, since making a rendition takes less time than listing many of them."""


MISSING_AUDIO = "voicemail message does not have any audio file"
DEFAULT_CACHE_LIMITS = CacheLimits()


@dataclass(frozen=True, slots=True)
class RenderedAudio:
    """Audio to send: a header, then segments of files in this order."""

    audio_format: AudioFormat
    header: bytes
    segments: tuple[tuple[Path, int, int], ...]
    """Path, offset and length in bytes."""
    etag: str
    """Changes with the audio."""
    content: bytes | None = None
    """All of it, if it was read already."""
    file: OpenFile | None = None
    """The file, if it is a single one."""

    @property
    def size(self) -> int:
        return len(self.header) + sum(length for _, _, length in self.segments)

    def is_in_memory(self, start: int, end: int) -> bool:
        """Return whether `file` has these bytes in the same places, and can be read without waiting."""
        file, header = self.file, self.header
        if file is None or not file.is_in_memory(0 if header else start, end):
            return False
        return not header or file.read(0, len(header)) == header


STALE_DRAFT_S = 3600
"""No conversion takes so long."""


class AudioRenditions:
    """The renditions of all messages. `folder` is the cache."""

    def __init__(
        self,
        delivery: Delivery,
        uploads: Uploads,
        conversion_pool: ConversionPool,
        folder: Path,
        clock: Clock,
        limits: CacheLimits = DEFAULT_CACHE_LIMITS,
    ) -> None:
        self._delivery = delivery
        self._uploads = uploads
        self._conversion_pool = conversion_pool
        self._folder = folder
        self._clock = clock
        self._limits = limits
        self._page_cache = PageCache()
        self._locks: dict[Path, asyncio.Lock] = {}
        self._next_check_s = 0.0

    @property
    def worker_count(self) -> int:
        """How many conversions run at a time."""
        return self._conversion_pool.worker_count

    def prepare(self) -> None:
        """Create the cache folder."""
        if not self._folder.exists():
            self._folder.mkdir(mode=0o700, exist_ok=True)
            inherit_owner(self._folder)

    def clear(self) -> None:
        """Empty the cache."""
        self.prepare()
        for path in self._folder.iterdir():
            path.unlink(missing_ok=True)

    def remove_stale(self) -> None:
        """Remove what is expired, and drafts of processes that were killed; other processes may be using the rest."""
        self.prepare()
        self._evict()
        for draft in self._folder.glob("*.part"):
            with suppress(FileNotFoundError):
                if draft.stat().st_mtime < self._clock.now() - STALE_DRAFT_S:
                    draft.unlink()

    def forget(self, recordings: Iterable[list[Path]]) -> int:
        """Remove the cached renditions of recordings, each a list of files as `Delivery.audio_paths` returns it.

        Return how many were removed. Blocks. What was made of recordings that are gone already is not found.
        """
        removed = 0
        for paths in recordings:
            try:
                etag = _etag_on_disk(paths)
            except NotFound:
                continue
            for path in self._folder.glob(f"{etag}.*"):
                path.unlink(missing_ok=True)
                removed += 1
        return removed

    def formats_for(self, message: Message, preferred: str) -> list[AudioFormat]:
        """Formats of a message, best first: the one of the upload, then `preferred`, then the others."""
        return self.formats_for_recording(
            message.upload_type if self._uploads.original_upload(message) else None, preferred
        )

    def formats_for_recording(self, upload_content_type: str | None, preferred: str) -> list[AudioFormat]:
        """Formats of a recording, best first. `upload_content_type`: the one of its upload, if any."""
        uploaded = by_content_type(upload_content_type) if upload_content_type else None
        preferences = [audio_format for audio_format in OUTPUT_FORMATS if audio_format.name == preferred]
        return list(dict.fromkeys([*([uploaded] if uploaded else []), *preferences, *OUTPUT_FORMATS]))

    async def render(self, message: Message, audio_format: AudioFormat, *, max_content_bytes: int = 0) -> RenderedAudio:
        """Render a message. If a thread has to measure it, a message of at most `max_content_bytes` is read, too.

        Raises `NotFound` if its audio is missing, `InvalidAudio`, `SoundsError`.
        """
        if not message.has_audio:
            raise NotFound(MISSING_AUDIO)
        if upload := self._upload_in(message, audio_format):
            await self._uploads.fetch(upload)
            return await self._measure(max_content_bytes, _whole_file, upload, audio_format)
        paths = await self._delivery.fetch_audio(message)
        if audio_format is WAV:
            return await self._measure(max_content_bytes, _concatenate, paths)
        return await self._convert_cached(message.account_id, paths, audio_format, max_content_bytes)

    async def presigned_url(self, message: Message, method: Literal["GET", "HEAD"], lifetime_s: int) -> str | None:
        """Return a URL at which the object store sends a message as WAV; None if it is not one object there.

        Raises `NotFound` if the message has no audio, `StoreError`.
        """
        if not message.has_audio:
            raise NotFound(MISSING_AUDIO)
        upload = self._upload_in(message, WAV)
        first, *others = [upload] if upload else self._delivery.audio_paths(message)
        return None if others else await self._uploads.presigned_url(first, method, lifetime_s)

    def _upload_in(self, message: Message, audio_format: AudioFormat) -> Path | None:
        """Return the path of the original upload if it has this format."""
        return self._uploads.original_upload(message) if message.upload_type == audio_format.content_type else None

    async def waveform(self, message: Message) -> bytes:
        """Return the loudness of a message along its length, `WAVEFORM_BARS` values; made once and cached.

        Raises `NotFound` if its audio is missing.
        """
        paths = await self._delivery.fetch_audio(message)
        etag = await asyncio.to_thread(_etag_on_disk, paths)
        target = self._folder / f"{etag}.waveform"
        return await asyncio.to_thread(_read_or_make_waveform, target, paths)

    async def etags(self, message: Message) -> set[str]:
        """The possible values of `RenderedAudio.etag` for the current audio in any format."""
        if not message.has_audio:
            return set()
        sources = [
            await self._delivery.fetch_audio(message),
            *([[upload]] if (upload := self._uploads.original_upload(message)) else []),
        ]
        await self._uploads.fetch(*([upload] if upload else []))
        try:
            return {await asyncio.to_thread(_etag_on_disk, source) for source in sources}
        except NotFound:
            return set()

    async def render_recording(
        self,
        account_id: str,
        recording: Path,
        upload: Path | None,
        upload_content_type: str | None,
        audio_format: AudioFormat,
    ) -> RenderedAudio:
        """Render a greeting or name of an account. Raises `NotFound`, `InvalidAudio`, `SoundsError`."""
        if upload and upload_content_type == audio_format.content_type:
            await self._uploads.fetch(upload)
            return await self._measure(0, _whole_file, upload, audio_format)
        await self._uploads.fetch(recording)
        if audio_format is WAV:
            return await self._measure(0, _concatenate, [recording])
        return await self._convert_cached(account_id, [recording], audio_format, 0)

    async def _convert_cached(
        self, account_id: str, paths: list[Path], audio_format: AudioFormat, max_content_bytes: int
    ) -> RenderedAudio:
        etag, cached = await self._measure(max_content_bytes, _find_cached, self._folder, paths, audio_format)
        if cached:
            return cached
        target = self._folder / f"{etag}{audio_format.extension}"
        async with self._locks.setdefault(target, asyncio.Lock()):
            try:
                if not target.exists():
                    await self._evict_when_due()
                    draft = target.with_suffix(f"{target.suffix}.{os.getpid()}.part")
                    await self._conversion_pool.encode(account_id, paths, audio_format, draft)
                    await asyncio.to_thread(draft.replace, target)
                # The ETag is the one of the sources: it does not change if the rendition is made again.
                made = await self._measure(max_content_bytes, _whole_file, target, audio_format)
                return replace(made, etag=etag)
            finally:
                self._locks.pop(target, None)

    async def _measure(self, max_content_bytes: int, function: Callable[..., T], *arguments: object) -> T:
        """Call one of the functions below that measure files: at once if they are in memory, else in a thread."""
        try:
            return function(*arguments, 0, self._page_cache.open_at_once)
        except BlockingIOError:
            return await asyncio.to_thread(function, *arguments, max_content_bytes, self._open)

    def _open(self, path: Path) -> OpenFile:
        try:
            return self._page_cache.open(path)
        except FileNotFoundError as error:
            raise NotFound(MISSING_AUDIO) from error

    async def _evict_when_due(self) -> None:
        if self._clock.monotonic() >= self._next_check_s:
            self._next_check_s = self._clock.monotonic() + self._limits.check_interval_s
            await asyncio.to_thread(self._evict)

    def _evict(self) -> None:
        """Remove expired renditions, then the oldest ones until the cache is below its limit."""
        cached = sorted(_cached_files(self._folder))
        total = sum(size for _, size, _ in cached)
        for made_at, size, path in cached:
            if made_at > self._clock.now() - self._limits.max_age_s and total <= self._limits.max_bytes:
                return
            path.unlink(missing_ok=True)
            total -= size


WAVEFORM_BARS = 400
"""Values that the waveform of a message has."""


def _read_or_make_waveform(target: Path, paths: list[Path]) -> bytes:
    with suppress(FileNotFoundError):
        return target.read_bytes()
    draft = target.with_suffix(f".{os.getpid()}-{threading.get_ident()}.part")
    draft.write_bytes(bars := wav.loudness(paths, WAVEFORM_BARS))
    draft.replace(target)
    return bars


def _find_cached(
    folder: Path, paths: list[Path], audio_format: AudioFormat, max_content_bytes: int, open_path: OpenPath
) -> tuple[str, RenderedAudio | None]:
    """Return the ETag of recordings, and their rendition if it is in the cache."""
    etag = _etag(paths, [open_path(path).size for path in paths])
    with suppress(NotFound):
        found = _whole_file(folder / f"{etag}{audio_format.extension}", audio_format, max_content_bytes, open_path)
        return etag, replace(found, etag=etag)
    return etag, None


def _whole_file(path: Path, audio_format: AudioFormat, max_content_bytes: int, open_path: OpenPath) -> RenderedAudio:
    file = open_path(path)
    content = file.read(0, file.size) if file.size <= max_content_bytes else None
    return RenderedAudio(audio_format, b"", ((path, 0, file.size),), _etag([path], [file.size]), content, file)


def _concatenate(paths: list[Path], max_content_bytes: int, open_path: OpenPath) -> RenderedAudio:
    """One WAV file from several recordings: a new header, and their samples."""
    files = [open_path(path) for path in paths]
    sizes = [(file.size - wav.HEADER_BYTES) // 2 * 2 for file in files]
    segments = tuple((path, wav.HEADER_BYTES, size) for path, size in zip(paths, sizes, strict=True))
    etag = _etag(paths, [file.size for file in files])
    single_file = files[0] if len(files) == 1 else None
    rendition = RenderedAudio(WAV, wav.header(sum(sizes)), segments, etag, file=single_file)
    if rendition.size > max_content_bytes:
        return rendition
    contents = [file.read(0, wav.HEADER_BYTES + size) for file, size in zip(files, sizes, strict=True)]
    if single_file and contents[0].startswith(rendition.header):
        return replace(rendition, content=contents[0])  # Without a copy, which would take as long as reading it.
    samples = (memoryview(content)[wav.HEADER_BYTES :] for content in contents)
    return replace(rendition, content=b"".join([rendition.header, *samples]))


def _etag(paths: list[Path], sizes: list[int]) -> str:
    """Return the ETag of recordings: their names, which are never used for other audio, and sizes.

    It is the same on all nodes, and after a restore, where the times of the files differ.
    """
    state = "|".join(f"{path.name}:{size}" for path, size in zip(paths, sizes, strict=True))
    return hashlib.sha256(state.encode()).hexdigest()[:32]


def _etag_on_disk(paths: list[Path]) -> str:
    try:
        return _etag(paths, [path.stat().st_size for path in paths])
    except FileNotFoundError as error:
        raise NotFound(MISSING_AUDIO) from error


def _cached_files(folder: Path) -> Iterator[tuple[float, int, Path]]:
    for path in folder.glob("*.*"):
        try:
            stat = path.stat()
        except FileNotFoundError:
            continue
        if path.suffix != ".part":
            yield stat.st_mtime, stat.st_size, path
