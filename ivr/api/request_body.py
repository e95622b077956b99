"""Reading of request bodies within limits of size and time: documents into memory, audio into a file."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from fastapi import Depends
from starlette.requests import Request

from ivr.api.dependencies import ApiLimits
from ivr.api.json_body import FORM_TYPE, JSON_TYPES, Body, parse_body
from ivr.api.multipart import Base64Decoder, MultipartReader
from ivr.audio import formats
from ivr.errors import BodyTimeout, PayloadTooLarge, UnsupportedMediaType

DRAIN_FACTOR = 2
"""A body of up to this many times the limit is read and discarded: many clients read a 413 only after sending."""
AUDIO_TYPE_PREFIXES = ("application/octet-stream", "audio/", "video/mp4", "application/ogg")


class BodyStream:
    """The body of a request in chunks: at most `limit` bytes, at most `idle_timeout_s` between two chunks."""

    def __init__(self, request: Request, limit: int, idle_timeout_s: float) -> None:
        self._stream = request.stream().__aiter__()
        self._limit = limit
        self._idle_timeout_s = idle_timeout_s
        self._received_bytes = 0
        header = request.headers.get("content-length", "")
        self._content_length = int(header) if header.isdecimal() and len(header) < 19 else 0

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body. Raises `PayloadTooLarge`, `BodyTimeout`."""
        if self._content_length > self._limit:
            await self._raise_too_large()
        while chunk := await self._next_chunk():
            yield chunk

    async def read(self) -> bytes:
        """Return the whole body. Raises `PayloadTooLarge`, `BodyTimeout`."""
        return b"".join([chunk async for chunk in self.chunks()])

    async def _next_chunk(self) -> bytes:
        while True:
            try:
                chunk = await asyncio.wait_for(anext(self._stream), self._idle_timeout_s)
            except StopAsyncIteration:
                return b""
            except TimeoutError:
                raise BodyTimeout(f"no data received for {self._idle_timeout_s:g} s: send the request again") from None
            self._received_bytes += len(chunk)
            if self._received_bytes > self._limit:
                await self._raise_too_large()
            if chunk:
                return chunk

    async def _raise_too_large(self) -> None:
        limit = self._limit
        if self._content_length <= DRAIN_FACTOR * limit:
            self._limit = DRAIN_FACTOR * limit
            try:
                async with asyncio.timeout(self._idle_timeout_s):
                    while self._received_bytes < self._limit:
                        self._received_bytes += len(await anext(self._stream))
            except (TimeoutError, StopAsyncIteration):
                pass
        raise PayloadTooLarge(limit)


def content_type(request: Request) -> str:
    """Return the media type of the body in lower case, without parameters."""
    return request.headers.get("content-type", "").split(";", 1)[0].strip().lower()


async def read_body(request: Request) -> Body:
    """Read a JSON or form body. Raises `BadInput`, `BodyTimeout`, `PayloadTooLarge`, `UnsupportedMediaType`."""
    limits: ApiLimits = request.app.state.services.limits
    raw = await BodyStream(request, limits.max_json_bytes, limits.idle_timeout_s).read()
    return parse_body(raw, content_type(request))


BodyDep = Annotated[Body, Depends(read_body)]


@dataclass(frozen=True, slots=True)
class UploadBody:
    """The document of an upload, and whether its audio was written to the draft."""

    body: Body
    has_audio: bool


async def read_upload(request: Request, draft: Path, limits: ApiLimits) -> UploadBody:
    """Read a JSON, form, audio or multipart body, and write its audio to `draft`.

    Raises `BadInput`, `BodyTimeout`, `InvalidFields`, `PayloadTooLarge`, `UnsupportedMediaType`.
    """
    media_type = content_type(request)
    max_bytes = limits.max_audio_bytes + limits.max_json_bytes
    chunks = BodyStream(request, max_bytes, limits.idle_timeout_s).chunks()
    if media_type.startswith("multipart/"):
        reader = MultipartReader(request.headers["content-type"], draft, limits.max_json_bytes)
        text, has_audio = await reader.read(chunks)
        _check_audio_size(draft, limits)
        return UploadBody(parse_body(text, "application/json") if text else Body(), has_audio)
    prefix = await _read_prefix(chunks)
    if prefix.lstrip()[:1] == b"{":
        return UploadBody(parse_body(await _read_rest(prefix, chunks, limits.max_json_bytes), media_type), False)
    if media_type.startswith(AUDIO_TYPE_PREFIXES) or formats.sniff(prefix[: formats.SNIFF_BYTES]):
        is_base64 = request.headers.get("content-transfer-encoding", "").strip().lower() == "base64"
        await _write_draft(prefix, chunks, draft, is_base64)
        _check_audio_size(draft, limits)
        return UploadBody(Body(), True)
    if media_type == FORM_TYPE or media_type in JSON_TYPES:
        return UploadBody(parse_body(await _read_rest(prefix, chunks, limits.max_json_bytes), media_type), False)
    raise UnsupportedMediaType(f"unsupported media type {media_type}: send audio, multipart or application/json")


async def _read_prefix(chunks: AsyncIterator[bytes]) -> bytes:
    """Read as much as is needed to recognise the type of the content."""
    prefix = b""
    async for chunk in chunks:
        prefix += chunk
        if len(prefix.lstrip()) >= formats.SNIFF_BYTES:
            break
    return prefix


async def _read_rest(prefix: bytes, chunks: AsyncIterator[bytes], limit: int) -> bytes:
    content = bytearray(prefix)
    async for chunk in chunks:
        content += chunk
        if len(content) > limit:
            raise PayloadTooLarge(limit)
    if len(content) > limit:
        raise PayloadTooLarge(limit)
    return bytes(content)


async def _write_draft(prefix: bytes, chunks: AsyncIterator[bytes], draft: Path, is_base64: bool) -> None:
    decoder = Base64Decoder() if is_base64 else None
    with draft.open("xb") as file:
        await asyncio.to_thread(file.write, decoder.decode(prefix) if decoder else prefix)
        async for chunk in chunks:
            await asyncio.to_thread(file.write, decoder.decode(chunk) if decoder else chunk)
    if decoder:
        decoder.finalize()


def _check_audio_size(draft: Path, limits: ApiLimits) -> None:
    if draft.exists() and draft.stat().st_size > limits.max_audio_bytes:
        raise PayloadTooLarge(limits.max_audio_bytes)
