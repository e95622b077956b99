"""What comes in where audio may come: JSON, audio, or a multipart body of both; told apart by what it is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request

from ivr.api.base64_stream import Base64Decoder
from ivr.api.body_stream import BodyStream
from ivr.api.dependencies import ApiLimits
from ivr.api.json_body import FORM_TYPE, JSON_TYPES, Body, content_type, parse_body
from ivr.api.multipart import MultipartReader
from ivr.audio import formats
from ivr.errors import PayloadTooLarge, UnsupportedMediaType

AUDIO_TYPE_PREFIXES = ("application/octet-stream", "audio/", "video/mp4", "application/ogg")


@dataclass(frozen=True, slots=True)
class UploadBody:
    """What was said, and whether audio lies in the draft."""

    body: Body
    has_audio: bool


async def read_upload(request: Request, draft: Path, limits: ApiLimits) -> UploadBody:
    """Read the whole body; audio goes to `draft`. Raises `BadInput`, `PayloadTooLarge`, `UnsupportedMediaType`, `BodyTimeout`."""
    declared = content_type(request)
    chunks = BodyStream(request, limits.audio_bytes + limits.json_bytes, limits.idle_timeout_s).chunks()
    if declared.startswith("multipart/"):
        parts = MultipartReader(request.headers["content-type"], draft, limits.json_bytes)
        text, has_audio = await parts.read(chunks)
        _check_audio_size(draft, limits)
        return UploadBody(parse_body(text, "application/json") if text else Body(), has_audio)
    first = await _read_prefix(chunks)
    if first.lstrip()[:1] == b"{":
        return UploadBody(parse_body(await _read_rest(first, chunks, limits.json_bytes), declared), False)
    if declared.startswith(AUDIO_TYPE_PREFIXES) or formats.sniff(first[: formats.SNIFF_BYTES]):
        encoded = request.headers.get("content-transfer-encoding", "").strip().lower() == "base64"
        await _write_draft(first, chunks, draft, encoded)
        _check_audio_size(draft, limits)
        return UploadBody(Body(), True)
    if declared == FORM_TYPE or declared in JSON_TYPES:
        return UploadBody(parse_body(await _read_rest(first, chunks, limits.json_bytes), declared), False)
    raise UnsupportedMediaType(f"{declared} is neither JSON, form nor audio")


async def _read_prefix(chunks: AsyncIterator[bytes]) -> bytes:
    """Enough of the beginning to tell what it is."""
    start = b""
    async for chunk in chunks:
        start += chunk
        if len(start.lstrip()) >= formats.SNIFF_BYTES:
            break
    return start


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
    stream = Base64Decoder() if is_base64 else None
    with draft.open("xb") as file:
        await asyncio.to_thread(file.write, stream.decode(prefix) if stream else prefix)
        async for chunk in chunks:
            await asyncio.to_thread(file.write, stream.decode(chunk) if stream else chunk)
    if stream:
        stream.finalize()


def _check_audio_size(draft: Path, limits: ApiLimits) -> None:
    if draft.exists() and draft.stat().st_size > limits.audio_bytes:
        raise PayloadTooLarge(limits.audio_bytes)
