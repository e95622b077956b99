"""The lane of mail: asks for one row a recipient, sends each, and afterwards saves or deletes where the box says so."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable

from ivr.audio.formats import named
from ivr.clock import Clock
from ivr.errors import AudioRefused, NotDelivered, NotFound, PastRetention, SoundsError, Undeliverable
from ivr.mailbox.boxes import Boxes
from ivr.mailbox.forms import Forms, Given
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.message import Folder, Message
from ivr.mailbox.sqlite.outbox import Kind, ask
from ivr.mailbox.store import Because, MessageStore
from ivr.notify.change import Change
from ivr.notify.lane import Done, Handler
from ivr.notify.mail import macros
from ivr.notify.mail.compose import compose
from ivr.notify.mail.macros import Attachment
from ivr.notify.mail.recipients import recipients
from ivr.notify.mail.smtp import Smtp
from ivr.notify.mail.templates import Templates
from ivr.notify.outbox import Row
from ivr.notify.settings import MailSettings, NotifySettings

EVER = 0
MB = 1_000_000


class MailFollower:
    """Asks for mails where the service sends any. A transcript, in a language that it `transcribes`, comes first, and
    asks for them when it is there."""

    def __init__(self, settings: NotifySettings, *, mails: bool, transcribes: Callable[[str], bool]) -> None:
        self._settings = settings
        self._mails = mails
        self._transcribes = transcribes

    def follow(self, connection: sqlite3.Connection, change: Change, now: int) -> None:
        """New messages, full boxes, locked boxes (kazoo-behaviour §5.1, §5.2)."""
        mailbox, message = change.mailbox, change.message
        if change.kind is Kind.NEW:
            wanted = mailbox.settings.transcribe and self._transcribes(mailbox.language)
            if message and wanted and _is_unwritten(message):
                _ask(connection, Kind.TRANSCRIPT, mailbox, message, now, quiet=change.quiet)
            elif message and self._mails and message.folder is Folder.NEW and not change.quiet:
                announce(connection, mailbox, message, now)
        elif change.kind in (Kind.FULL, Kind.LOCKED) and self._mails and self._may_tell(connection, change, now):
            for address in recipients(mailbox, change.kind):
                _ask(connection, Kind.MAIL, mailbox, None, now, about=address, of=str(change.kind))

    def _may_tell(self, connection: sqlite3.Connection, change: Change, now: int) -> bool:
        """Once in a while: every caller to a full box would be a mail."""
        changed = connection.execute(
            "INSERT INTO told (account_id, box_id, kind, told_at) VALUES (?, ?, ?, ?) ON CONFLICT (box_id, kind)"
            " DO UPDATE SET told_at = excluded.told_at WHERE told.told_at <= excluded.told_at - ?",
            (change.mailbox.account_id, change.mailbox.id, change.kind, now, self._settings.full_every_s),
        ).rowcount
        return changed > 0


def _is_unwritten(message: Message) -> bool:
    """A copy has its original's transcript, unless something was said before it."""
    return message.transcription is None or message.intro_id is not None


def announce(connection: sqlite3.Connection, mailbox: Mailbox, message: Message, now: int) -> None:
    """Ask for one mail a recipient about a new message."""
    for address in recipients(mailbox, Kind.NEW):
        _ask(connection, Kind.MAIL, mailbox, message, now, about=address, of=str(Kind.NEW))


class Post:
    """Sends mails."""

    def __init__(
        self, boxes: Boxes, messages: MessageStore, forms: Forms, clock: Clock, templates: Templates, smtp: Smtp,
        settings: MailSettings,
    ) -> None:  # fmt: skip
        self._boxes = boxes
        self._messages = messages
        self._forms = forms
        self._clock = clock
        self._templates = templates
        self._smtp = smtp
        self._settings = settings

    @property
    def handlers(self) -> dict[Kind, Handler]:
        return {Kind.MAIL: self.send}

    async def send(self, row: Row) -> Done:
        """One mail to one person. One about what is gone meanwhile is not sent."""
        try:
            mailbox = await self._boxes.get(row.box_id)
            message = await self._messages.get(row.box_id, row.message_id, EVER) if row.message_id else None
        except (NotFound, PastRetention):
            return None
        await self._smtp.send(row.about, await self._mail(row, mailbox, message))
        if message is None or not (mailbox.settings.save_after_notify or mailbox.settings.delete_after_notify):
            return None
        now = int(self._clock.now())

        def also(connection: sqlite3.Connection) -> None:
            """The last of them: only now has everybody been told who was to be."""
            sql = "SELECT 1 FROM outbox WHERE message_id = ? AND kind = 'mail' LIMIT 1"
            if connection.execute(sql, (message.id,)).fetchone() is None:
                _ask(connection, Kind.AFTER_MAIL, mailbox, message, now)

        return also

    async def _mail(self, row: Row, mailbox: Mailbox, message: Message | None) -> bytes:
        counts = await self._messages.counts(mailbox.id)
        audio: Attachment | None = None
        if message:
            audio = await self._audio(mailbox, message) if mailbox.settings.include_message_on_notify else None
            said = macros.of_message(mailbox, counts, message, audio)
        else:
            said = macros.of_box(mailbox, counts)
        text = self._templates.render(str(row.payload["of"]), mailbox.account, mailbox.language, said)
        try:
            return compose(row, mailbox.account, self._settings.sender, text, audio)
        except ValueError as error:
            raise Undeliverable(f"no mail can be made for {row.about!r}: {error}") from error

    async def _audio(self, mailbox: Mailbox, message: Message) -> Attachment:
        extension = mailbox.settings.media_extension
        try:
            given = await self._forms.give(message, named(extension))
            fits = given.size <= self._settings.largest_mb * MB
            content = await asyncio.to_thread(_read, given) if fits else None
        except (NotFound, AudioRefused, SoundsError, OSError) as error:
            raise NotDelivered(f"there is no audio to attach: {error}") from error
        return Attachment(macros.file_name(mailbox, message), extension, content)


class AfterMail:
    """What a box wants to become of a message about which everybody was told (kazoo-behaviour §3.3)."""

    def __init__(self, boxes: Boxes, messages: MessageStore) -> None:
        self._boxes = boxes
        self._messages = messages

    @property
    def handlers(self) -> dict[Kind, Handler]:
        return {Kind.AFTER_MAIL: self.settle}

    async def settle(self, row: Row) -> Done:
        """Saving wins. A message that its owner has put elsewhere meanwhile stays there."""
        try:
            box = (await self._boxes.get(row.box_id)).settings
            if (box.save_after_notify or box.delete_after_notify) and row.message_id:
                folder = Folder.SAVED if box.save_after_notify else Folder.DELETED
                await self._messages.move_to(row.box_id, row.message_id, folder, Because.NOTIFIED, only_from=Folder.NEW)
        except (NotFound, PastRetention):
            pass
        return None


def _read(given: Given) -> bytes:
    parts = [given.head]
    for path, start, length in given.files:
        with path.open("rb") as file:
            file.seek(start)
            parts.append(file.read(length))
    return b"".join(parts)


def _ask(
    connection: sqlite3.Connection, kind: Kind, mailbox: Mailbox, message: Message | None, now: int, *,
    about: str = "", **payload: object,
) -> None:  # fmt: skip
    ask(
        connection, kind, now, account_id=mailbox.account_id, box_id=mailbox.id,
        message_id=message.id if message else None, about=about, payload=payload,
    )  # fmt: skip
