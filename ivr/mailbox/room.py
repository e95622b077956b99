"""How much more a box takes: by count, and by its quota (kazoo-behaviour §1.5; design: quota)."""

from __future__ import annotations

from ivr.audio import wav
from ivr.clock import Clock
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.message import Folder
from ivr.mailbox.store import MessageStore

LEAST_MS = 5000
"""With less room than for this there is none: nobody says anything worth hearing in it."""


class Room:
    """The room in all boxes."""

    def __init__(self, messages: MessageStore, clock: Clock) -> None:
        self._messages = messages
        self._clock = clock

    async def is_full(self, mailbox: Mailbox) -> bool:
        """Whether a caller can leave no message: too many new and saved ones within retention, or the quota is used.

        Those in `deleted` do not stand in the way: they go when a message needs their room. Raises `StoreError`.
        """
        most = mailbox.system.max_message_count
        if most:
            await self._messages.expire(mailbox.account_id, mailbox.system.not_before(self._clock.now()), 1000)
            counts = await self._messages.counts(mailbox.id)
            if counts.new + counts.saved >= most:
                return True
        left_ms = await self.left_ms(mailbox)
        return left_ms is not None and left_ms < LEAST_MS

    async def left_ms(self, mailbox: Mailbox) -> int | None:
        """How long a message may be for which everything in `deleted` would go; None: as long as it likes."""
        if not mailbox.quota_bytes:
            return None
        kept = await self._messages.bytes(mailbox.id, without=Folder.DELETED)
        return wav.length_of(max(0, mailbox.quota_bytes - kept))
