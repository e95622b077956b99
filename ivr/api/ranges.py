"""Responses with audio, whole or by byte range. Files are read in threads, in chunks."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from ivr.api.filenames import content_disposition
from ivr.api.middleware import is_head
from ivr.errors import NotFound, RangeNotSatisfiable
from ivr.mailbox.renditions import RenderedAudio

CHUNK_BYTES = 256 * 1024


def audio_response(request: Request, rendition: RenderedAudio, filename: str) -> Response:
    """Build a 200 or 206 response; 304 if the client has this audio. Raises `RangeNotSatisfiable`, `NotFound`."""
    etag = f'"{rendition.etag}-{rendition.audio_format.name}"'
    headers = {
        "Content-Disposition": content_disposition(filename),
        "Accept-Ranges": "bytes",
        "ETag": etag,
        "Vary": "Accept",
        "Cache-Control": "private, no-cache",
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
    chunks = OpenAudioFiles(rendition).chunks(start, end)
    return StreamingResponse(chunks, 206 if byte_range else 200, headers, rendition.audio_format.content_type)


class OpenAudioFiles:
    """A rendition whose files are open, so that deleting or replacing them does not interrupt the download."""

    def __init__(self, rendition: RenderedAudio) -> None:
        self._rendition = rendition
        self._files: list[tuple[BinaryIO, int, int]] = []
        with ExitStack() as exit_stack:
            for path, first_byte, length in rendition.segments:
                self._files.append((exit_stack.enter_context(_open_audio_file(path)), first_byte, length))
            self._exit_stack = exit_stack.pop_all()

    async def chunks(self, start: int, end: int) -> AsyncIterator[bytes]:
        """Yield the bytes from `start` up to and excluding `end`, and close the files."""
        with self._exit_stack:
            file_start = len(self._rendition.header)
            if start < file_start:
                yield self._rendition.header[start:end]
            for file, first_byte, length in self._files:
                offset, file_end = max(start - file_start, 0), min(end - file_start, length)
                while offset < file_end:
                    size = min(CHUNK_BYTES, file_end - offset)
                    chunk = await asyncio.to_thread(os.pread, file.fileno(), size, first_byte + offset)
                    if not chunk:
                        raise OSError(f"{file.name} was truncated during the download")
                    offset += len(chunk)
                    yield chunk
                file_start += length


def _open_audio_file(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except FileNotFoundError as error:
        raise NotFound("voicemail message does not have any audio file", path.stem) from error


def _parse_range(request: Request, size: int, etag: str) -> tuple[int, int] | None:
    """Return the first byte and the byte after the last one; None: all.

    Requests for several ranges get all bytes, as RFC 9110 allows. Raises `RangeNotSatisfiable`.
    """
    match = re.fullmatch(r"\s*bytes\s*=\s*(\d{0,18})\s*-\s*(\d{0,18})\s*", request.headers.get("range", ""))
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
