"""Protocol of what is stored about a person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ivr.storage.records import Message, PersonContent, PersonQuery


class PersonStore(Protocol):
    """Finds and removes everything about one person. It reads whole tables, so nothing of a call uses it."""

    async def find(self, query: PersonQuery) -> PersonContent:
        """Return everything about a person."""

    async def purge_messages(self, messages: Sequence[Message], forwarded: Sequence[Message]) -> None:
        """Remove messages for good, and forwarder and intro of `forwarded`, in one transaction.

        Their files are listed in tombstones.
        """

    async def purge_rest(self, query: PersonQuery, content: PersonContent) -> None:
        """Remove everything but the messages in one transaction.

        Of a mailbox a deleted row with its number remains, so that its light goes out. Entries of the audit log remain
        without the person. Calls in progress are left alone.
        """

    async def truncate_log(self) -> None:
        """Cut the write-ahead log, which has earlier contents, to nothing unless a reader still needs it."""
