"""Capacity of a mailbox: what it can still take, by number of messages and by quota (docs/dev/decisions/0015).

The number applies to callers only, and is checked before the recording. The quota applies to everything that is stored;
the store enforces it in the transaction that adds a message. The checks here serve to reject early: before a caller or
owner records.
"""

from __future__ import annotations

from ivr.audio import wav
from ivr.clock import Clock
from ivr.mailbox.mailbox import Mailbox
from ivr.storage.protocols import MessageStore
from ivr.storage.records import Folder

MIN_RECORDING_MS = 5000
"""Below this many milliseconds of remaining recording time, the mailbox counts as full."""


class Capacity:
    """The capacity of all mailboxes."""

    def __init__(self, messages: MessageStore, clock: Clock) -> None:
        self._messages = messages
        self._clock = clock

    async def is_full(self, mailbox: Mailbox) -> bool:
        """Whether callers are rejected: too many new and saved messages within retention, or the quota is used.

        Messages in `deleted` do not count: they are purged when a new message needs their space. Raises `StoreError`.
        """
        max_count = mailbox.voicemail_settings.max_message_count
        if max_count:
            not_before = mailbox.voicemail_settings.retention_cutoff(self._clock.now())
            counts = await self._messages.expire_and_count(mailbox.account_id, mailbox.id, not_before)
            if counts.new + counts.saved >= max_count:
                return True
        remaining_ms = await self.remaining_ms(mailbox)
        return remaining_ms is not None and remaining_ms < MIN_RECORDING_MS

    async def remaining_ms(self, mailbox: Mailbox, *, reserved_bytes: int = 0) -> int | None:
        """Maximum length of a recording if everything in `deleted` were purged; None: no limit.

        `reserved_bytes`: size of audio that is stored together with the recording.
        """
        remaining = await self._remaining_bytes(mailbox)
        return None if remaining is None else wav.length_ms_from_size(max(0, remaining - reserved_bytes))

    async def cannot_take(self, mailbox: Mailbox, size_bytes: int) -> bool:
        """Whether `size_bytes` exceed the quota even if everything in `deleted` were purged. Raises `StoreError`."""
        remaining = await self._remaining_bytes(mailbox)
        return remaining is not None and remaining < size_bytes

    async def _remaining_bytes(self, mailbox: Mailbox) -> int | None:
        """Bytes of the quota that are not used by new and saved messages; None: no quota."""
        if not mailbox.quota_bytes:
            return None
        return mailbox.quota_bytes - await self._messages.used_bytes(mailbox.id, exclude_folder=Folder.DELETED)
