"""Many messages as one zip, made while it is sent: what it needs of memory does not grow with what is in it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence

from zipstream import ZIP_STORED, ZipStream

from ivr.api.asker import Asker
from ivr.api.names import UniqueNames, file_name
from ivr.errors import IvrError
from ivr.mailbox.bulk import reason
from ivr.mailbox.forms import Given
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.message import Message

UNREADABLE = "not-in-this-archive.txt"
PIECE = 256 * 1024


async def zipped(asker: Asker, mailbox: Mailbox, ids: Sequence[str]) -> AsyncIterator[bytes]:
    """Each message in the form that the box prefers, and a text that lists what could not be read.

    Audio is packed already, so it is only stored: no packing burns CPU.
    """
    archive, names = ZipStream(compress_type=ZIP_STORED), UniqueNames()
    unreadable: list[tuple[str, str]] = []
    for message_id in dict.fromkeys(ids):
        try:
            message = await asker.rooms.messages.get(mailbox.id, message_id, asker.not_before)
            given = await _in_the_boxes_form(asker, mailbox, message)
            archive.add(_read(given), names.of(file_name(mailbox, message, given.form.extension)), size=given.size)
            async for piece in _sent(archive.file()):
                yield piece
        except IvrError as error:
            unreadable.append((message_id, reason(error)))
    if unreadable:
        told = "".join(f"{message_id}: {why}\r\n" for message_id, why in unreadable)
        archive.add(told, names.of(UNREADABLE))
    async for piece in _sent(archive.finalize()):
        yield piece


async def _in_the_boxes_form(asker: Asker, mailbox: Mailbox, message: Message) -> Given:
    forms = asker.rooms.forms
    wanted = next(f for f in forms.available(message, "") if f.name == mailbox.settings.media_extension)
    return await forms.give(message, wanted)


def _read(given: Given) -> Iterator[bytes]:
    if given.head:
        yield given.head
    for path, first, length in given.files:
        with path.open("rb") as file:
            file.seek(first)
            while length and (piece := file.read(min(PIECE, length))):
                length -= len(piece)
                yield piece


async def _sent(pieces: Iterator[bytes] | None) -> AsyncIterator[bytes]:
    """What a generator gives, taken from it in a thread."""
    while pieces is not None and (piece := await asyncio.to_thread(next, pieces, None)) is not None:
        yield piece
