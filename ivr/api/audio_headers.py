"""HTTP headers of audio: Accept, Content-Disposition and Range."""

from __future__ import annotations

import asyncio
import os
import re
import unicodedata
import weakref
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack
from datetime import tzinfo
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from ivr.api.auth import extract_token
from ivr.api.http_protocol import SENDS_FILES
from ivr.api.middleware import is_head
from ivr.audio.formats import AudioFormat
from ivr.clock import date_of
from ivr.errors import NotAcceptable, NotFound, RangeNotSatisfiable
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.renditions import MISSING_AUDIO, RenderedAudio
from ivr.mailbox.uploads import ANONYMOUS
from ivr.storage.page_cache import OpenFile
from ivr.storage.records import Message

WILDCARD_TYPES = ("*/*", "application/octet-stream", "multipart/form-data", "multipart/mixed")
"""Media types that accept any format. Clients of Kazoo send the last three too."""
STORED_AND_REVALIDATED = "private, no-cache"
"""Cache-Control of audio that its client may store, and asks for anew before it is used."""
MAX_RANGE_LENGTH = 100
"""Characters."""
MAX_REMEMBERED_ACCEPT = 200
"""Characters of an Accept header whose format is remembered."""


def best_format(accept: str | None, available: Sequence[AudioFormat]) -> AudioFormat:
    """Return the preferred format; among equals, the first available one. Raises `NotAcceptable`."""
    is_usual = not accept or len(accept) <= MAX_REMEMBERED_ACCEPT
    choose = _best_format if is_usual else _best_format.__wrapped__
    return choose(accept or "", (*available,))


@lru_cache(maxsize=256)
def _best_format(accept: str, available: tuple[AudioFormat, ...]) -> AudioFormat:
    if not accept.strip():
        return available[0]
    items = [_parse_item(item) for item in accept.split(",") if item.strip()]
    candidates = []
    for position, audio_format in enumerate(available):
        ratings = [rating for rating in (_rate(audio_format, *item) for item in items) if rating is not None]
        _, quality = max(ratings, default=(0, 0.0))
        if quality > 0:
            candidates.append((quality, -position))
    if not candidates:
        types = ", ".join(audio_format.content_type for audio_format in available)
        raise NotAcceptable(f"audio is available as {types}: change the Accept header")
    return available[-max(candidates)[1]]


def _rate(audio_format: AudioFormat, media_type: str, quality: float) -> tuple[int, float] | None:
    """Return how specifically an item names the format, and its quality. The most specific item counts."""
    if media_type in audio_format.content_types:
        return (2, quality)
    if media_type == "audio/*":
        return (1, quality)
    return (0, quality) if media_type in WILDCARD_TYPES else None


def _parse_item(item: str) -> tuple[str, float]:
    """Return the media type of an item and its quality; a malformed quality is 0."""
    media_type, *parameters = [part.strip() for part in item.split(";")]
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "q":
            try:
                return media_type.lower(), float(value)
            except ValueError:
                return media_type.lower(), 0.0
    return media_type.lower(), 1.0


MAX_STEM_LENGTH = 60
UNKNOWN = "unknown"


def message_filename(mailbox: Mailbox, message: Message, extension: str) -> str:
    """Return a name such as `6001_2016-05-10_00-18-42.mp3`, in the time zone of the box."""
    caller = next(
        (text for text in (message.caller.number, message.caller.name) if text and text != ANONYMOUS), UNKNOWN
    )
    return f"{_sanitize(caller)}_{_format_time(message.time, mailbox.zone_info)}{extension}"


def greeting_filename(mailbox: Mailbox, kind: str, extension: str) -> str:
    """Return a name such as `unavailable_3000.mp3`. The number of a box may be any text."""
    return f"{kind}_{_sanitize(mailbox.number)}{extension}"


@lru_cache(maxsize=1024)
def content_disposition(filename: str) -> str:
    """Return the Content-Disposition header of a download."""
    return f"attachment; filename=\"{filename}\"; filename*=UTF-8''{quote(filename)}"


class UniqueFilenames:
    """Makes file names unique, compared without regard to case."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}

    def reserve(self, name: str) -> str:
        """Return `name`, with a number appended if it is in use."""
        stem, dot, extension = name.rpartition(".")
        n = self._counts.get(name.lower(), 0) + 1
        self._counts[name.lower()] = n
        return name if n == 1 else self.reserve(f"{stem}_{n}{dot}{extension}")


@lru_cache(maxsize=1024)
def _format_time(timestamp: float, timezone: tzinfo) -> str:
    return f"{date_of(timestamp, timezone):%Y-%m-%d_%H-%M-%S}"


@lru_cache(maxsize=1024)
def _sanitize(text: str) -> str:
    """Return text that leads out of no folder, and that no command takes for an option."""
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9+-]+", "_", ascii_text).strip("_-")[:MAX_STEM_LENGTH] or UNKNOWN


PARTIAL_HEADERS = (b"range", b"if-none-match")
"""Headers of a request that may need less than all of the audio."""
CHUNK_BYTES = 1 << 20
"""Bytes that are read in one turn of a thread: a message of a minute."""


def max_content_bytes(request: Request) -> int:
    """Return how much audio is read together with its size: all that fits into one response, unless parts suffice."""
    is_partial = is_head(request) or any(name in PARTIAL_HEADERS for name, _ in request.scope["headers"])
    return 0 if is_partial else CHUNK_BYTES


async def audio_response(
    request: Request, rendition: RenderedAudio, filename: str, *, is_for_machines: bool = False
) -> Response:
    """Build a 200 or 206 response; 304 if the client has this audio. Raises `RangeNotSatisfiable`, `NotFound`.

    Only a program with a token, or a client that `is_for_machines`, may store the audio. A browser with a cookie or a
    link would still have it on its disk after its user has signed out, where others who use the machine find it.
    """
    etag = f'"{rendition.etag}-{rendition.audio_format.name}"'
    headers = {
        "Content-Disposition": content_disposition(filename),
        "Accept-Ranges": "bytes",
        "ETag": etag,
        "Vary": "Accept",
        "Cache-Control": STORED_AND_REVALIDATED if is_for_machines or extract_token(request) else "no-store",
        "X-Content-Type-Options": "nosniff",
    }
    if etag in (request.headers.get("if-none-match") or ""):
        return Response(status_code=304, headers=headers)
    byte_range = None if is_head(request) else _parse_range(request, rendition.size, etag)
    start, end = byte_range or (0, rendition.size)
    headers["Content-Length"] = str(end - start)
    if byte_range:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{rendition.size}"
    if is_head(request):
        return Response(None, 200, headers, rendition.audio_format.content_type)
    status, content_type = 206 if byte_range else 200, rendition.audio_format.content_type
    if rendition.content is not None and not byte_range:
        return Response(rendition.content, status, headers, content_type)
    if end - start <= CHUNK_BYTES:
        if rendition.file and rendition.is_in_memory(start, end):
            return _FileResponse(rendition.file, start, end, headers=headers, status=status, content_type=content_type)
        return Response(await asyncio.to_thread(_read_range, rendition, start, end), status, headers, content_type)
    return StreamingResponse(OpenAudioFiles(rendition).chunks(start, end), status, headers, content_type)


class _FileResponse(Response):
    """A part of a file that is in memory: the kernel sends it where the server can ask it to, else it is read."""

    def __init__(
        self, file: OpenFile, start: int, end: int, *, headers: dict[str, str], status: int, content_type: str
    ) -> None:
        super().__init__(None, status, headers, content_type)
        self._file, self._start, self._end = file, start, end

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        file, start, end = self._file, self._start, self._end
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            if SENDS_FILES in scope.get("extensions", ()):
                await send({"type": SENDS_FILES, "file": file.descriptor, "offset": start, "count": end - start})
            else:
                await send({"type": "http.response.body", "body": file.read(start, end)})
        finally:
            file.close()


def sends_audio(request: Request, response: Response) -> bool:
    """Return whether a response of `audio_response` has audio, in whole or in part."""
    return response.status_code in (200, 206) and not is_head(request)


def _read_range(rendition: RenderedAudio, start: int, end: int) -> bytes:
    return b"".join(OpenAudioFiles(rendition).read(start, end))


class OpenAudioFiles:
    """A rendition whose files are open, so that deleting or replacing them does not interrupt the download.

    The files are closed at the end of the download, and if it never begins: the client may leave before.
    """

    def __init__(self, rendition: RenderedAudio) -> None:
        self.audio_format = rendition.audio_format
        self.size = rendition.size
        self._rendition = rendition
        self._files: list[tuple[BinaryIO, int, int]] = []
        with ExitStack() as exit_stack:
            for path, first_byte, length in rendition.segments:
                self._files.append((exit_stack.enter_context(_open_audio_file(path)), first_byte, length))
            self._exit_stack = exit_stack.pop_all()
        weakref.finalize(self, self._exit_stack.close)

    async def chunks(self, start: int, end: int) -> AsyncIterator[bytes]:
        """Yield the bytes from `start` up to and excluding `end`, read by threads, and close the files."""
        with self._exit_stack:
            blocks = self._blocks(start, end)
            while block := await asyncio.to_thread(next, blocks, b""):
                yield block

    def read(self, start: int, end: int) -> Iterator[bytes]:
        """Yield the same bytes, and close the files. For a thread: the reads block."""
        with self._exit_stack:
            yield from self._blocks(start, end)

    def _blocks(self, start: int, end: int) -> Iterator[bytes]:
        file_start = len(self._rendition.header)
        if start < file_start:
            yield self._rendition.header[start:end]
        for file, first_byte, length in self._files:
            offset, file_end = max(start - file_start, 0), min(end - file_start, length)
            while offset < file_end:
                block = os.pread(file.fileno(), min(CHUNK_BYTES, file_end - offset), first_byte + offset)
                if not block:
                    raise OSError(f"{file.name} was truncated during the download")
                offset += len(block)
                yield block
            file_start += length


def _open_audio_file(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except FileNotFoundError as error:
        raise NotFound(MISSING_AUDIO) from error


def _parse_range(request: Request, size: int, etag: str) -> tuple[int, int] | None:
    """Return the first byte and the byte after the last one; None: all.

    Requests for several ranges get all bytes, as RFC 9110 allows. Raises `RangeNotSatisfiable`.
    """
    header = request.headers.get("range", "")[: MAX_RANGE_LENGTH + 1]
    # A longer one may be blanks, for which the expression needs minutes; it names several ranges at best.
    is_short = len(header) <= MAX_RANGE_LENGTH
    match = re.fullmatch(r"\s*bytes\s*=\s*(\d{0,18})\s*-\s*(\d{0,18})\s*", header, re.IGNORECASE) if is_short else None
    if not match or (not match[1] and not match[2]) or request.headers.get("if-range", etag) != etag:
        return None
    if not match[1]:
        start, end = max(0, size - int(match[2])), size
    else:
        start, end = int(match[1]), min(size, int(match[2]) + 1) if match[2] else size
        if match[2] and int(match[2]) < start:
            return None
    if start >= size or start >= end:
        raise RangeNotSatisfiable(size)
    return start, end
