"""The quota of a mailbox, enforced within an open transaction (docs/dev/decisions/0015-quota.md)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from ivr.errors import BoxFull
from ivr.storage.records import MEGABYTE, Folder, Message
from ivr.storage.sqlite import counters, message_rows, removal

log = structlog.get_logger()


@contextmanager
def make_space(
    connection: sqlite3.Connection, box_id: str, now: int, *, exclude_id: str = "", exempt_from_quota: bool = False
) -> Iterator[list[Message]]:
    """Enforce the quota on what the `with` block adds: purge the oldest messages of `deleted` until the quota holds.

    Yields a list that contains the purged messages after the block; their files have to be deleted. The message
    `exclude_id` is never purged. A block that does not increase the bytes of the mailbox always succeeds. Raises
    `BoxFull` if purging is not enough, unless `exempt_from_quota`.
    """
    quota_bytes = _quota_bytes(connection, box_id)
    bytes_before = counters.used_bytes(connection, box_id) if quota_bytes else 0
    purged: list[Message] = []
    yield purged
    if not quota_bytes or counters.used_bytes(connection, box_id) <= bytes_before:
        return
    while counters.used_bytes(connection, box_id) > quota_bytes:
        oldest = message_rows.oldest_message(connection, box_id, Folder.DELETED, exclude_id=exclude_id)
        if oldest is None:
            if exempt_from_quota:
                return
            quota_mb = quota_bytes // MEGABYTE
            raise BoxFull(f"the box is full, its quota of {quota_mb} MB is used up: delete messages or raise quota_mb")
        removal.soft_delete_and_purge(connection, oldest, now, "the quota")
        purged.append(oldest)


def log_purged(purged: list[Message]) -> None:
    """Log each purged message."""
    for message in purged:
        log.info("message.purged", message=message.id, box=message.box_id, why="the quota")


def _quota_bytes(connection: sqlite3.Connection, box_id: str) -> int:
    """Return the current quota in bytes, not one that was read before the transaction; 0: no quota."""
    sql = "SELECT json_extract(settings, '$.quota_mb') FROM boxes WHERE id = ?"
    row = connection.execute(sql, (box_id,)).fetchone()
    return int((row and row[0]) or 0) * MEGABYTE
