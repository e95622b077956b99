"""Counts and bytes of each folder, kept by the transaction that changes them, so that nobody ever counts rows."""

from __future__ import annotations

import sqlite3

from ivr.mailbox.message import Counts


def add(connection: sqlite3.Connection, account_id: str, box_id: str, folder: str, messages: int, size: int) -> None:
    """Change a folder's counters by `messages` and `size` bytes; both may be negative."""
    connection.execute(
        "INSERT INTO counters (account_id, box_id, folder, messages, bytes) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (box_id, folder) DO UPDATE"
        " SET messages = messages + excluded.messages, bytes = bytes + excluded.bytes",
        (account_id, box_id, folder, messages, size),
    )


def counts(connection: sqlite3.Connection, box_id: str) -> Counts:
    rows = connection.execute("SELECT folder, messages FROM counters WHERE box_id = ?", (box_id,)).fetchall()
    return Counts(**{row["folder"]: row["messages"] for row in rows})


def size(connection: sqlite3.Connection, box_id: str, without: str | None = None) -> int:
    """Bytes of the messages in all folders but `without`, and of the box's greetings."""
    messages = "SELECT coalesce(sum(bytes), 0) FROM counters WHERE box_id = ? AND folder IS NOT ?"
    greetings = "SELECT coalesce(sum(bytes), 0) FROM media WHERE box_id = ? AND deleted_at IS NULL"
    row = connection.execute(f"SELECT ({messages}) + ({greetings})", (box_id, without, box_id)).fetchone()
    return int(row[0])
