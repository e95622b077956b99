"""A cursor in an open folder: forwards, backwards, and the messages visited."""

from __future__ import annotations

from ivr.errors import NotFound, PastRetention
from ivr.mailbox.mailbox import Mailbox
from ivr.storage.protocols import MessageStore
from ivr.storage.records import Folder, Message, OpenFolder


class FolderCursor:
    """The position of one call in one folder. It stores the ids visited, never the whole list."""

    def __init__(self, messages: MessageStore, mailbox: Mailbox, folder: OpenFolder) -> None:
        self._messages = messages
        self._mailbox = mailbox
        self._open_folder = folder
        self._visited: list[str] = []
        self._index = 0
        self._last_key: tuple[bool, int, str] | None = None
        self._prefetched: Message | None = None
        self._preferred: Message | None = None

    @classmethod
    async def open(
        cls, messages: MessageStore, mailbox: Mailbox, folder: Folder, now: float, preferred: Message | None = None
    ) -> FolderCursor:
        """Open a folder at its first message, as it is at the Unix time `now`.

        `preferred`: a message of the folder that comes before all others.
        """
        open_folder, first = await messages.open_folder(
            mailbox.id,
            folder,
            oldest_first=mailbox.oldest_message_first,
            not_before=mailbox.voicemail_settings.retention_cutoff(now),
        )
        cursor = cls(messages, mailbox, open_folder)
        if preferred:
            cursor._preferred = cursor._prefetched = preferred
            cursor._visited.append(preferred.id)
        else:
            cursor._prefetched = cursor._record_visit(first)
        return cursor

    @property
    def folder(self) -> Folder:
        return self._open_folder.folder

    @property
    def message_number(self) -> int:
        """Number of the current message, counted from 1."""
        return self._index + 1

    async def current_message(self) -> Message | None:
        """The current message in its current state; None after the last one. A message that has vanished is skipped."""
        if prefetched := self._prefetched:
            self._prefetched = None
            return prefetched
        while self._index < len(self._visited):
            try:
                return await self._messages.get(
                    self._mailbox.id, self._visited[self._index], self._open_folder.not_before
                )
            except (NotFound, PastRetention):
                del self._visited[self._index]
        return await self._fetch_next()

    def advance(self) -> None:
        """Move to the next message, or after the last one."""
        self._index += 1

    def retreat(self) -> None:
        """Move to the previous message; stay at the first one."""
        self._index = max(0, self._index - 1)

    async def try_advance(self) -> bool:
        """Move to the next message, if there is one. Return whether the cursor moved.

        The message that was read is what `current_message` returns next: a key waits for one query, not for two.
        """
        if self._index >= len(self._visited) - 1:
            self._prefetched = await self._fetch_next()
            if self._prefetched is None:
                return False
        self.advance()
        return True

    async def following_messages(self, limit: int) -> list[Message]:
        """The messages after the last one visited, at most `limit`. The cursor does not move."""
        found: list[Message] = []
        key = self._last_key
        while len(found) < limit and (message := await self._messages.next_message(self._open_folder, key)):
            found.append(message)
            key = message.order
        return found

    async def _fetch_next(self) -> Message | None:
        """The message after the last one visited."""
        message = await self._messages.next_message(self._open_folder, self._last_key)
        if message and self._preferred and message.id == self._preferred.id:
            message = await self._messages.next_message(self._open_folder, message.order)
        return self._record_visit(message)

    def _record_visit(self, message: Message | None) -> Message | None:
        if message:
            self._visited.append(message.id)
            self._last_key = message.order
        return message
