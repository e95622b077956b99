"""Room by the quota, in SQLite, within a transaction of somebody else's (the rule: docs/decisions/0015)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from ivr.errors import BoxFull
from ivr.mailbox.mailbox import MEGABYTE
from ivr.mailbox.message import Folder, Message
from ivr.mailbox.sqlite import counters, removal, rows

log = structlog.get_logger()


@contextmanager
def made(
    connection: sqlite3.Connection, box_id: str, now: int, *, but: str = "", said: bool = False
) -> Iterator[list[Message]]:
    """Bring something into a box within this: the oldest of `deleted` go for it one by one, until the quota holds.

    Gives a list of those that went, which is complete afterwards: their files are to be taken away. The message with
    the id `but` is never one of them. What makes a box hold no more than it held needs no room, however full it is.
    Raises `BoxFull` where it still does not fit, unless it was `said` at a phone: then it is there all the same.
    """
    quota_bytes = _quota_bytes(connection, box_id)
    held = counters.size(connection, box_id) if quota_bytes else 0
    purged: list[Message] = []
    yield purged
    if not quota_bytes or counters.size(connection, box_id) <= held:
        return
    while counters.size(connection, box_id) > quota_bytes:
        oldest = rows.oldest(connection, box_id, Folder.DELETED, but=but)
        if oldest is None:
            if said:
                return
            quota = f"its quota of {quota_bytes // MEGABYTE} MB is used up"
            raise BoxFull(f"the box has no room for it, {quota}: delete messages of it, or give it a larger quota_mb")
        removal.purge(connection, oldest, now, "the quota")
        purged.append(oldest)


def told(purged: list[Message]) -> None:
    """A line of the log for each that went."""
    for gone in purged:
        log.info("message.purged", message=gone.id, box=gone.box_id, why="the quota")


def _quota_bytes(connection: sqlite3.Connection, box_id: str) -> int:
    """As the box is now, not as somebody read it before; 0: none."""
    sql = "SELECT json_extract(settings, '$.quota_mb') FROM boxes WHERE id = ?"
    row = connection.execute(sql, (box_id,)).fetchone()
    return int((row and row[0]) or 0) * MEGABYTE
