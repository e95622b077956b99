"""A walk through an open folder: a step ahead, a step back, and what was seen on the way."""

from __future__ import annotations

from ivr.errors import NotFound, PastRetention
from ivr.mailbox.mailbox import Mailbox
from ivr.storage.protocols import MessageStore
from ivr.storage.records import Folder, Message, OpenFolder


class FolderCursor:
    """One caller's way through one folder. It knows the messages it has visited and where it would go on, no more."""

    def __init__(self, messages: MessageStore, mailbox: Mailbox, folder: OpenFolder) -> None:
        self._messages = messages
        self._mailbox = mailbox
        self._open_folder = folder
        self._visited: list[str] = []
        self._index = 0
        self._last_key: tuple[bool, int, str] | None = None
        self._prefetched: Message | None = None

    @classmethod
    async def open(cls, messages: MessageStore, mailbox: Mailbox, folder: Folder, now: float) -> FolderCursor:
        """Open a folder as it is now."""
        opened, first = await messages.open_folder(
            mailbox.account_id,
            mailbox.id,
            folder,
            oldest_first=mailbox.settings.oldest_message_first,
            not_before=mailbox.voicemail_settings.retention_cutoff(now),
        )
        walk = cls(messages, mailbox, opened)
        walk._prefetched = walk._record_visit(first)
        return walk

    @property
    def folder(self) -> Folder:
        return self._open_folder.folder

    @property
    def message_number(self) -> int:
        """Which message this is, counted from 1."""
        return self._index + 1

    async def current_message(self) -> Message | None:
        """The message at this place, as it is now; None behind the last one. One that vanished is passed over."""
        if stepped_to := self._prefetched:
            self._prefetched = None
            return stepped_to
        while self._index < len(self._visited):
            try:
                return await self._messages.get(
                    self._mailbox.id, self._visited[self._index], self._open_folder.not_before
                )
            except (NotFound, PastRetention):
                del self._visited[self._index]
        return await self._fetch_next()

    def advance(self) -> None:
        """One step on; behind the last message there is nothing."""
        self._index += 1

    def retreat(self) -> None:
        """One step back; before the first message there is the first."""
        self._index = max(0, self._index - 1)

    async def try_advance(self) -> bool:
        """One step on, if anything comes behind this place; whether it does.

        What it finds is what `message` gives next: a key waits for one look into the store, not for two.
        """
        if self._index >= len(self._visited) - 1:
            self._prefetched = await self._fetch_next()
            if self._prefetched is None:
                return False
        self.advance()
        return True

    async def _fetch_next(self) -> Message | None:
        """The message behind all that were visited."""
        return self._record_visit(await self._messages.next_message(self._open_folder, self._last_key))

    def _record_visit(self, message: Message | None) -> Message | None:
        if message:
            self._visited.append(message.id)
            self._last_key = message.order
        return message
