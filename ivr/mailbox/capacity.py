"""How much more a box takes: by count, and by its quota (kazoo-behaviour §1.5; docs/dev/decisions/0015).

The count is asked about callers only, before they talk. The quota holds for whatever comes into a box: the store sees
to it in the transaction that brings it. What is asked here is so that people hear it before they do their part.
"""

from __future__ import annotations

from ivr.audio import wav
from ivr.clock import Clock
from ivr.mailbox.mailbox import Mailbox
from ivr.storage.protocols import MessageStore
from ivr.storage.records import Folder

MIN_RECORDING_MS = 5000
"""With less room than for this there is none: nobody says anything worth hearing in it."""


class Capacity:
    """The room in all boxes."""

    def __init__(self, messages: MessageStore, clock: Clock) -> None:
        self._messages = messages
        self._clock = clock

    async def is_full(self, mailbox: Mailbox) -> bool:
        """Whether a caller can leave no message: too many new and saved ones within retention, or the quota is used.

        Those in `deleted` do not stand in the way: they go when a message needs their room. Raises `StoreError`.
        """
        most = mailbox.voicemail_settings.max_message_count
        if most:
            not_before = mailbox.voicemail_settings.retention_cutoff(self._clock.now())
            counts = await self._messages.expire_and_count(mailbox.account_id, mailbox.id, not_before)
            if counts.new + counts.saved >= most:
                return True
        left_ms = await self.remaining_ms(mailbox)
        return left_ms is not None and left_ms < MIN_RECORDING_MS

    async def remaining_ms(self, mailbox: Mailbox, *, reserved_bytes: int = 0) -> int | None:
        """How long may be said for which everything in `deleted` would go, when `behind` bytes come along with it.

        None: as long as anybody likes.
        """
        left = await self._remaining_bytes(mailbox)
        return None if left is None else wav.length_ms_from_size(max(0, left - reserved_bytes))

    async def cannot_take(self, mailbox: Mailbox, size_bytes: int) -> bool:
        """Whether so many bytes would not fit, though everything in `deleted` went. Raises `StoreError`."""
        left = await self._remaining_bytes(mailbox)
        return left is not None and left < size_bytes

    async def _remaining_bytes(self, mailbox: Mailbox) -> int | None:
        """Bytes; None: any number."""
        if not mailbox.quota_bytes:
            return None
        return mailbox.quota_bytes - await self._messages.used_bytes(mailbox.id, exclude_folder=Folder.DELETED)
