"""Streams a ZIP of message audio in constant memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence

from zipstream import ZIP_STORED, ZipStream

from ivr.api.auth import Principal
from ivr.api.filenames import UniqueFilenames, message_filename
from ivr.errors import IvrError
from ivr.mailbox.bulk import failure_reason
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.renditions import RenderedAudio
from ivr.storage.records import Message

UNREADABLE_LIST_NAME = "not-in-this-archive.txt"
CHUNK_BYTES = 256 * 1024


async def stream_zip(principal: Principal, mailbox: Mailbox, ids: Sequence[str]) -> AsyncIterator[bytes]:
    """Yield an archive of messages in the preferred format of the box.

    A text file in the archive lists the messages that could not be read. Entries are stored, not deflated:
    compressed audio does not shrink further.
    """
    archive, filenames = ZipStream(compress_type=ZIP_STORED), UniqueFilenames()
    unreadable: list[tuple[str, str]] = []
    for message_id in dict.fromkeys(ids):
        try:
            message = await principal.services.mailbox.messages.get(mailbox.id, message_id, principal.retention_cutoff)
            rendition = await _render_in_box_format(principal, mailbox, message)
            filename = filenames.reserve(message_filename(mailbox, message, rendition.audio_format.extension))
            archive.add(_read_audio(rendition), filename, size=rendition.size)
            async for chunk in _iterate_in_thread(archive.file()):
                yield chunk
        except IvrError as error:
            unreadable.append((message_id, failure_reason(error)))
    if unreadable:
        lines = "".join(f"{message_id}: {cause}\r\n" for message_id, cause in unreadable)
        archive.add(lines, filenames.reserve(UNREADABLE_LIST_NAME))
    async for chunk in _iterate_in_thread(archive.finalize()):
        yield chunk


async def _render_in_box_format(principal: Principal, mailbox: Mailbox, message: Message) -> RenderedAudio:
    renditions = principal.services.audio.renditions
    preferred = mailbox.settings.media_extension
    audio_format = next(form for form in renditions.formats_for(message, "") if form.name == preferred)
    return await renditions.render(message, audio_format)


def _read_audio(rendition: RenderedAudio) -> Iterator[bytes]:
    if rendition.header:
        yield rendition.header
    for path, first_byte, length in rendition.segments:
        with path.open("rb") as file:
            file.seek(first_byte)
            while length and (chunk := file.read(min(CHUNK_BYTES, length))):
                length -= len(chunk)
                yield chunk


async def _iterate_in_thread(chunks: Iterator[bytes] | None) -> AsyncIterator[bytes]:
    """Yield from a blocking iterator that runs in a thread."""
    while chunks is not None and (chunk := await asyncio.to_thread(next, chunks, None)) is not None:
        yield chunk
