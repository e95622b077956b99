"""Room by the quota, in SQLite, within a transaction of somebody else's."""

from __future__ import annotations

import sqlite3

import structlog

from ivr.mailbox.message import Folder, Message
from ivr.mailbox.sqlite import counters, removal, rows

log = structlog.get_logger()


def make(connection: sqlite3.Connection, message: Message, quota_bytes: int, now: int) -> list[Message]:
    """The oldest of `deleted` go for good, one by one, while the box of `message` holds more than its quota.

    Gives them: their files are to be taken away. The message for which they go is never one of them; 0: no quota.
    """
    purged: list[Message] = []
    while quota_bytes and counters.size(connection, message.box_id) > quota_bytes:
        oldest = rows.oldest(connection, message.box_id, Folder.DELETED, but=message.id)
        if oldest is None:
            break
        removal.purge(connection, oldest, now, "the quota")
        purged.append(oldest)
    return purged


def told(purged: list[Message]) -> None:
    """A line of the log for each that went."""
    for gone in purged:
        log.info("message.purged", message=gone.id, box=gone.box_id, why="the quota")
