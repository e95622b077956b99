"""The audio of many messages as one ZIP archive, sent while it is made."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import aclosing, suppress
from typing import TypeVar

from zipstream import ZIP_STORED, ZipStream

from ivr.api.audio_headers import OpenAudioFiles, UniqueFilenames, message_filename
from ivr.api.auth import Principal
from ivr.errors import IvrError, NotFound, PastRetention
from ivr.mailbox.bulk import failure_reason
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.renditions import RenderedAudio
from ivr.storage.records import Message

UNREADABLE_LIST_NAME = "not-in-this-archive.txt"
BLOCK_BYTES = 256 * 1024
"""Bytes that are read in one turn of a thread."""
SPARE_RENDITIONS = 3
"""Renditions that are ready or about to start, besides one for each conversion worker."""

T = TypeVar("T")
R = TypeVar("R")


async def stream_zip(principal: Principal, mailbox: Mailbox, ids: Sequence[str]) -> AsyncIterator[bytes]:
    """Yield an archive of messages in the preferred format of the box.

    A few messages are converted ahead of the one that is sent; closing the iterator cancels their conversion. A text
    file in the archive lists the messages that could not be read. Entries are stored, not deflated: compressed audio
    does not shrink further.
    """
    archive, filenames = ZipStream(compress_type=ZIP_STORED), UniqueFilenames()
    unreadable: list[tuple[str, str]] = []

    async def render(message_id: str) -> tuple[Message, RenderedAudio]:
        message = await principal.services.mailbox.messages.get(mailbox.id, message_id, principal.retention_cutoff)
        return message, await _render_in_box_format(principal, mailbox, message)

    ahead = principal.services.audio.renditions.worker_count + SPARE_RENDITIONS
    async with aclosing(run_ahead(render, dict.fromkeys(ids), ahead)) as rendered:
        async for message_id, task in rendered:
            try:
                message, rendition = task.result()
                files = await _open(principal, mailbox, message, rendition)
            except IvrError as error:
                unreadable.append((message_id, failure_reason(error)))
                continue
            filename = filenames.reserve(message_filename(mailbox, message, files.audio_format.extension))
            archive.add(files.read(0, files.size), filename, size=files.size)
            async for block in _iterate_in_thread(archive.file()):
                yield block
    if unreadable:
        lines = "".join(f"{message_id}: {cause}\r\n" for message_id, cause in unreadable)
        archive.add(lines, filenames.reserve(UNREADABLE_LIST_NAME))
    async for block in _iterate_in_thread(archive.finalize()):
        yield block


async def require_readable(principal: Principal, mailbox: Mailbox, ids: Sequence[str]) -> None:
    """Raise `NotFound` if none of the messages has audio: as in Kazoo, an archive without audio is not sent."""
    for message_id in dict.fromkeys(ids):
        with suppress(NotFound, PastRetention):
            message = await principal.services.mailbox.messages.get(mailbox.id, message_id, principal.retention_cutoff)
            if message.has_audio:
                return
    raise NotFound(f"none of the {len(ids)} messages has audio")


async def run_ahead(
    work: Callable[[T], Awaitable[R]], items: Iterable[T], ahead: int
) -> AsyncGenerator[tuple[T, asyncio.Future[R]], None]:
    """Yield each item, in order, with its finished `work`, while that of the next `ahead` items runs.

    Closing the iterator cancels what runs.
    """
    started: deque[tuple[T, asyncio.Future[R]]] = deque()
    remaining = iter(items)
    try:
        while True:
            for item in remaining:
                started.append((item, asyncio.ensure_future(work(item))))
                if len(started) > ahead:
                    break
            if not started:
                return
            await asyncio.wait({started[0][1]})
            yield started.popleft()
    finally:
        for _, task in started:
            task.cancel()
        await asyncio.gather(*(task for _, task in started), return_exceptions=True)


async def _open(principal: Principal, mailbox: Mailbox, message: Message, rendition: RenderedAudio) -> OpenAudioFiles:
    try:
        return OpenAudioFiles(rendition)
    except NotFound:  # The rendition was evicted from the cache after it was found there: make it again.
        return OpenAudioFiles(await _render_in_box_format(principal, mailbox, message))


async def _render_in_box_format(principal: Principal, mailbox: Mailbox, message: Message) -> RenderedAudio:
    renditions = principal.services.audio.renditions
    preferred = mailbox.settings.media_extension
    audio_format = next(form for form in renditions.formats_for(message, "") if form.name == preferred)
    return await renditions.render(message, audio_format)


async def _iterate_in_thread(chunks: Iterator[bytes] | None) -> AsyncIterator[bytes]:
    """Yield from a blocking iterator that runs in a thread, in blocks of about `BLOCK_BYTES`."""
    while chunks is not None and (block := await asyncio.to_thread(_next_block, chunks)):
        yield block


def _next_block(chunks: Iterator[bytes]) -> bytes:
    block = bytearray()
    for chunk in chunks:
        block += chunk
        if len(block) >= BLOCK_BYTES:
            break
    return bytes(block)
