"""The audio of a message in a mail: attached, linked, or left out because of its size."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from ivr.audio.formats import by_name
from ivr.errors import AudioUnavailable, InvalidAudio, NotFound, SoundsError
from ivr.mailbox.caller_id import identify
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.renditions import AudioRenditions, RenderedAudio
from ivr.storage.records import Message
from ivr.validation.text import to_filename_stem

BYTES_PER_MB = 1_000_000
MAX_CALLER_LENGTH = 50
"""Characters of a caller's name in a file name: with date and suffix it has less than 255 bytes in any script."""
BASE64_LINE_BYTES = 76


@dataclass(frozen=True, slots=True)
class Attachment:
    """The audio of a message as a mail attachment."""

    filename: str
    extension: str
    content: bytes


@dataclass(frozen=True, slots=True)
class AudioLink:
    """A link that opens one message without a password."""

    url: str
    expires_at: int
    """Unix seconds."""


CreateLink = Callable[[Message], AudioLink | None]
"""Makes the link to a message; None: the installation has no address to link to."""


class Omission(StrEnum):
    """Why audio that was to be attached is left out."""

    TOO_LARGE = "too_large"
    UNREADABLE = "unreadable"
    REFUSED = "refused"
    """By the mail server, for another reason than its size: kinds of files that it does not let pass."""


@dataclass(frozen=True, slots=True)
class MailedAudio:
    """What a mail has of the audio of its message."""

    attachment: Attachment | None = None
    link: AudioLink | None = None
    omission: Omission | None = None


NO_AUDIO = MailedAudio()


class MailAudio:
    """Decides how a mail carries the audio of its message. `max_bytes`: the largest attachment, as it is sent."""

    def __init__(self, renditions: AudioRenditions, create_link: CreateLink, *, max_bytes: int) -> None:
        self._renditions = renditions
        self._create_link = create_link
        self._max_bytes = max_bytes

    async def select(self, mailbox: Mailbox, message: Message, *, omit: Omission | None = None) -> MailedAudio:
        """Return what a mail carries. `omit`: why the audio is not attached; None: it is, if it is not too large.

        Raises `AudioUnavailable` when the audio cannot be read or converted.
        """
        if not mailbox.settings.include_message_on_notify:
            return NO_AUDIO
        if mailbox.mails_link:
            return MailedAudio(link=self._create_link(message))
        if omit is Omission.UNREADABLE:
            return MailedAudio(omission=omit)
        if omit is None and (attachment := await self._attachment(mailbox, message)):
            return MailedAudio(attachment)
        return MailedAudio(link=self._create_link(message), omission=omit or Omission.TOO_LARGE)

    async def _attachment(self, mailbox: Mailbox, message: Message) -> Attachment | None:
        extension = mailbox.settings.media_extension
        try:
            rendition = await self._renditions.render(message, by_name(extension))
            if size_as_sent(rendition.size) > self._max_bytes:
                return None
            content = await asyncio.to_thread(_read_rendition, rendition)
        except (NotFound, InvalidAudio, SoundsError, OSError) as error:
            raise AudioUnavailable(f"the message's audio cannot be attached: {error}") from error
        return Attachment(attachment_filename(mailbox, message), extension, content)


def size_as_sent(size_bytes: int) -> int:
    """Return the size of an attachment in a mail: base64, in lines."""
    encoded = (size_bytes + 2) // 3 * 4
    return encoded + (encoded + BASE64_LINE_BYTES - 1) // BASE64_LINE_BYTES * len("\r\n")


def attachment_filename(mailbox: Mailbox, message: Message) -> str:
    """Return `<caller>_<date>_<time>.<extension>` in lower case, in the caller's own script."""
    identity = identify(message.caller)
    caller = to_filename_stem(identity.name or identity.number, MAX_CALLER_LENGTH)
    date = f"{mailbox.local_time(message.time):%Y-%m-%d_%H-%M-%S}"
    return f"{caller.lower()[:MAX_CALLER_LENGTH]}_{date}.{mailbox.settings.media_extension}"


def _read_rendition(rendition: RenderedAudio) -> bytes:
    parts = [rendition.header]
    for path, start, length in rendition.segments:
        with path.open("rb") as file:
            file.seek(start)
            parts.append(file.read(length))
    return b"".join(parts)
