"""What comes in where audio may come: JSON, audio, or a multipart body of both; told apart by what it is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request

from ivr.api.base64_stream import Base64Stream
from ivr.api.body import FORM, JSON_TYPES, Body, content_type, parsed
from ivr.api.incoming import Incoming
from ivr.api.multipart import Parts
from ivr.api.rooms import Limits
from ivr.audio import formats
from ivr.errors import TooLarge, UnknownForm

BYTES_OF_AUDIO = ("application/octet-stream", "audio/", "video/mp4", "application/ogg")


@dataclass(frozen=True, slots=True)
class Received:
    """What was said, and whether audio lies in the draft."""

    body: Body
    has_audio: bool


async def received(request: Request, draft: Path, limits: Limits) -> Received:
    """Read the whole body; audio goes to `draft`. Raises `BadInput`, `TooLarge`, `UnknownForm`, `Stalled`."""
    declared = content_type(request)
    chunks = Incoming(request, limits.audio_bytes + limits.json_bytes, limits.idle_s).chunks()
    if declared.startswith("multipart/"):
        parts = Parts(request.headers["content-type"], draft, limits.json_bytes)
        text, has_audio = await parts.read(chunks)
        _must_fit(draft, limits)
        return Received(parsed(text, "application/json") if text else Body(), has_audio)
    first = await _first(chunks)
    if first.lstrip()[:1] == b"{":
        return Received(parsed(await _whole(first, chunks, limits.json_bytes), declared), False)
    if declared.startswith(BYTES_OF_AUDIO) or formats.recognised(first[: formats.SNIFFED]):
        encoded = request.headers.get("content-transfer-encoding", "").strip().lower() == "base64"
        await _store(first, chunks, draft, encoded)
        _must_fit(draft, limits)
        return Received(Body(), True)
    if declared == FORM or declared in JSON_TYPES:
        return Received(parsed(await _whole(first, chunks, limits.json_bytes), declared), False)
    raise UnknownForm(f"{declared} is neither JSON, form nor audio")


async def _first(chunks: AsyncIterator[bytes]) -> bytes:
    """Enough of the beginning to tell what it is."""
    start = b""
    async for chunk in chunks:
        start += chunk
        if len(start.lstrip()) >= formats.SNIFFED:
            break
    return start


async def _whole(first: bytes, chunks: AsyncIterator[bytes], limit: int) -> bytes:
    content = bytearray(first)
    async for chunk in chunks:
        content += chunk
        if len(content) > limit:
            raise TooLarge(limit)
    if len(content) > limit:
        raise TooLarge(limit)
    return bytes(content)


async def _store(first: bytes, chunks: AsyncIterator[bytes], draft: Path, encoded: bool) -> None:
    stream = Base64Stream() if encoded else None
    with draft.open("xb") as file:
        await asyncio.to_thread(file.write, stream.decoded(first) if stream else first)
        async for chunk in chunks:
            await asyncio.to_thread(file.write, stream.decoded(chunk) if stream else chunk)
    if stream:
        stream.end()


def _must_fit(draft: Path, limits: Limits) -> None:
    if draft.exists() and draft.stat().st_size > limits.audio_bytes:
        raise TooLarge(limits.audio_bytes)
