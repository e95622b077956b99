"""A walk through an open folder: a step ahead, a step back, and what was seen on the way."""

from __future__ import annotations

from ivr.errors import NotFound, PastRetention
from ivr.mailbox.mailbox import Mailbox
from ivr.storage.protocols import MessageStore
from ivr.storage.records import Folder, Message, OpenFolder


class Walk:
    """One caller's way through one folder. It knows the messages it has visited and where it would go on, no more."""

    def __init__(self, messages: MessageStore, mailbox: Mailbox, folder: OpenFolder) -> None:
        self._messages = messages
        self._mailbox = mailbox
        self._open = folder
        self._visited: list[str] = []
        self._place = 0
        self._furthest: tuple[bool, int, str] | None = None
        self._stepped_to: Message | None = None

    @classmethod
    async def begin(cls, messages: MessageStore, mailbox: Mailbox, folder: Folder, now: float) -> Walk:
        """Open a folder as it is now."""
        opened, first = await messages.open(
            mailbox.account_id,
            mailbox.id,
            folder,
            oldest_first=mailbox.settings.oldest_message_first,
            not_before=mailbox.system.not_before(now),
        )
        walk = cls(messages, mailbox, opened)
        walk._stepped_to = walk._seen(first)
        return walk

    @property
    def folder(self) -> Folder:
        return self._open.folder

    @property
    def number(self) -> int:
        """Which message this is, counted from 1."""
        return self._place + 1

    async def message(self) -> Message | None:
        """The message at this place, as it is now; None behind the last one. One that vanished is passed over."""
        if stepped_to := self._stepped_to:
            self._stepped_to = None
            return stepped_to
        while self._place < len(self._visited):
            try:
                return await self._messages.get(self._mailbox.id, self._visited[self._place], self._open.not_before)
            except (NotFound, PastRetention):
                del self._visited[self._place]
        return await self._further()

    def ahead(self) -> None:
        """One step on; behind the last message there is nothing."""
        self._place += 1

    def back(self) -> None:
        """One step back; before the first message there is the first."""
        self._place = max(0, self._place - 1)

    async def step(self) -> bool:
        """One step on, if anything comes behind this place; whether it does.

        What it finds is what `message` gives next: a key waits for one look into the store, not for two.
        """
        if self._place >= len(self._visited) - 1:
            self._stepped_to = await self._further()
            if self._stepped_to is None:
                return False
        self.ahead()
        return True

    async def _further(self) -> Message | None:
        """The message behind all that were visited."""
        return self._seen(await self._messages.next(self._open, self._furthest))

    def _seen(self, found: Message | None) -> Message | None:
        if found:
            self._visited.append(found.id)
            self._furthest = found.order
        return found
