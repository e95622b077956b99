"""Room by the quota, in SQLite, within a transaction of somebody else's (the rule: docs/dev/decisions/0015)."""

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
    """Bring something into a box within this: the oldest of `deleted` go for it one by one, until the quota holds.

    Gives a list of those that went, which is complete afterwards: their files are to be taken away. The message with
    the id `but` is never one of them. What makes a box hold no more than it held needs no room, however full it is.
    Raises `BoxFull` where it still does not fit, unless it was `said` at a phone: then it is there all the same.
    """
    quota_bytes = _quota_bytes(connection, box_id)
    held = counters.used_bytes(connection, box_id) if quota_bytes else 0
    purged: list[Message] = []
    yield purged
    if not quota_bytes or counters.used_bytes(connection, box_id) <= held:
        return
    while counters.used_bytes(connection, box_id) > quota_bytes:
        oldest = message_rows.oldest_message(connection, box_id, Folder.DELETED, exclude_id=exclude_id)
        if oldest is None:
            if exempt_from_quota:
                return
            quota = f"its quota of {quota_bytes // MEGABYTE} MB is used up"
            raise BoxFull(f"the box has no room for it, {quota}: delete messages of it, or give it a larger quota_mb")
        removal.soft_delete_and_purge(connection, oldest, now, "the quota")
        purged.append(oldest)


def log_purged(purged: list[Message]) -> None:
    """A line of the log for each that went."""
    for gone in purged:
        log.info("message.purged", message=gone.id, box=gone.box_id, why="the quota")


def _quota_bytes(connection: sqlite3.Connection, box_id: str) -> int:
    """As the box is now, not as somebody read it before; 0: none."""
    sql = "SELECT json_extract(settings, '$.quota_mb') FROM boxes WHERE id = ?"
    row = connection.execute(sql, (box_id,)).fetchone()
    return int((row and row[0]) or 0) * MEGABYTE
