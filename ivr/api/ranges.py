"""Sending audio: whole, or the stretch that a player asks for; read in pieces, never on the loop's thread."""

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
from ivr.api.head_requests import is_head
from ivr.errors import NotFound, RangeNotSatisfiable
from ivr.mailbox.renditions import RenderedAudio

CHUNK_BYTES = 256 * 1024


def audio_response(request: Request, rendition: RenderedAudio, filename: str) -> Response:
    """The answer: 200, 206, or 304 where the asker has it. Raises `RangeNotSatisfiable`, `NotFound`."""
    tag = f'"{rendition.etag}-{rendition.audio_format.name}"'
    headers = {
        "Content-Disposition": content_disposition(filename),
        "Accept-Ranges": "bytes",
        "ETag": tag,
        "Vary": "Accept",
        "Cache-Control": "private, no-cache",
        "X-Content-Type-Options": "nosniff",
    }
    if tag in (request.headers.get("if-none-match") or ""):
        return Response(status_code=304, headers=headers)
    stretch = None if is_head(request) else _parse_range(request, rendition.size, tag)
    start, end = stretch or (0, rendition.size)
    headers["Content-Length"] = str(end - start)
    if stretch:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{rendition.size}"
    if is_head(request):
        return Response(None, 200, headers, rendition.audio_format.content_type)
    pieces = OpenAudioFiles(rendition).chunks(start, end)
    return StreamingResponse(pieces, 206 if stretch else 200, headers, rendition.audio_format.content_type)


class OpenAudioFiles:
    """Audio whose files are open: it can be read to its end whoever deletes or replaces them meanwhile."""

    def __init__(self, rendition: RenderedAudio) -> None:
        self._rendition = rendition
        self._files: list[tuple[BinaryIO, int, int]] = []
        with ExitStack() as opened:
            for path, first, length in rendition.segments:
                self._files.append((opened.enter_context(_open_audio_file(path)), first, length))
            self._exit_stack = opened.pop_all()

    async def chunks(self, start: int, end: int) -> AsyncIterator[bytes]:
        """The bytes from `start` up to `end`."""
        with self._exit_stack:
            before = len(self._rendition.header)
            if start < before:
                yield self._rendition.header[start:end]
            for file, first, length in self._files:
                here, last = max(start - before, 0), min(end - before, length)
                while here < last:
                    piece = await asyncio.to_thread(
                        os.pread, file.fileno(), min(CHUNK_BYTES, last - here), first + here
                    )
                    if not piece:
                        raise OSError(f"{file.name} became shorter")
                    here += len(piece)
                    yield piece
                before += length


def _open_audio_file(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except FileNotFoundError as error:
        raise NotFound("voicemail message does not have any audio file", path.stem) from error


def _parse_range(request: Request, size: int, etag: str) -> tuple[int, int] | None:
    """First byte and the one behind the last; None: all. Several stretches at once are answered with all."""
    asked = re.fullmatch(r"\s*bytes\s*=\s*(\d{0,18})\s*-\s*(\d{0,18})\s*", request.headers.get("range", ""))
    if not asked or (not asked[1] and not asked[2]) or request.headers.get("if-range", etag) != etag:
        return None
    if not asked[1]:
        start, end = max(0, size - int(asked[2])), size
    else:
        start, end = int(asked[1]), min(size, int(asked[2]) + 1) if asked[2] else size
        if asked[2] and int(asked[2]) < start:
            return None
    if start >= size or start >= end:
        raise RangeNotSatisfiable(size)
    return start, end
