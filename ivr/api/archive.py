"""Many messages as one zip, made while it is sent: what it needs of memory does not grow with what is in it."""

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
    """Each message in the form that the box prefers, and a text that lists what could not be read.

    Audio is packed already, so it is only stored: no packing burns CPU.
    """
    archive, names = ZipStream(compress_type=ZIP_STORED), UniqueFilenames()
    unreadable: list[tuple[str, str]] = []
    for message_id in dict.fromkeys(ids):
        try:
            message = await principal.services.messages.get(mailbox.id, message_id, principal.retention_cutoff)
            given = await _render_in_box_format(principal, mailbox, message)
            archive.add(
                _read_audio(given),
                names.reserve(message_filename(mailbox, message, given.audio_format.extension)),
                size=given.size,
            )
            async for piece in _iterate_in_thread(archive.file()):
                yield piece
        except IvrError as error:
            unreadable.append((message_id, failure_reason(error)))
    if unreadable:
        told = "".join(f"{message_id}: {why}\r\n" for message_id, why in unreadable)
        archive.add(told, names.reserve(UNREADABLE_LIST_NAME))
    async for piece in _iterate_in_thread(archive.finalize()):
        yield piece


async def _render_in_box_format(principal: Principal, mailbox: Mailbox, message: Message) -> RenderedAudio:
    forms = principal.services.renditions
    wanted = next(f for f in forms.formats_for(message, "") if f.name == mailbox.settings.media_extension)
    return await forms.render(message, wanted)


def _read_audio(rendition: RenderedAudio) -> Iterator[bytes]:
    if rendition.header:
        yield rendition.header
    for path, first, length in rendition.segments:
        with path.open("rb") as file:
            file.seek(first)
            while length and (piece := file.read(min(CHUNK_BYTES, length))):
                length -= len(piece)
                yield piece


async def _iterate_in_thread(chunks: Iterator[bytes] | None) -> AsyncIterator[bytes]:
    """What a generator gives, taken from it in a thread."""
    while chunks is not None and (piece := await asyncio.to_thread(next, chunks, None)) is not None:
        yield piece
