"""Counts and bytes of each folder, for urgent and other messages separately.

The transaction that changes a folder changes its counters, so rows are never counted.
"""

from __future__ import annotations

import sqlite3

from ivr.storage.records import Folder, FolderCounts, Message


def adjust(
    connection: sqlite3.Connection,
    account_id: str,
    box_id: str,
    folder: str,
    messages: int,
    size_bytes: int,
    *,
    urgent: bool,
) -> None:
    """Change a folder's counters by `messages` and `size_bytes`, both of which may be negative."""
    connection.execute(
        "INSERT INTO folder_counters (account_id, box_id, folder, urgent, messages, bytes) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (box_id, folder, urgent) DO UPDATE"
        " SET messages = messages + excluded.messages, bytes = bytes + excluded.bytes",
        (account_id, box_id, folder, int(urgent), messages, size_bytes),
    )


def adjust_for_message(connection: sqlite3.Connection, message: Message, folder: Folder, delta: int) -> None:
    """Add (`delta` 1) or subtract (-1) a message. A message without audio is not counted."""
    if message.has_audio:
        adjust(
            connection, message.account_id, message.box_id, folder, delta, delta * message.bytes, urgent=message.urgent
        )


def read_counts(connection: sqlite3.Connection, box_id: str) -> FolderCounts:
    """Return the counts of a mailbox."""
    rows = connection.execute(
        "SELECT folder, urgent, messages FROM folder_counters WHERE box_id = ?", (box_id,)
    ).fetchall()
    message_counts = {(row["folder"], row["urgent"]): int(row["messages"]) for row in rows}

    def total(folder: str, *urgencies: int) -> int:
        return sum(message_counts.get((folder, urgent), 0) for urgent in urgencies)

    return FolderCounts(
        new=total("new", 0, 1),
        saved=total("saved", 0, 1),
        deleted=total("deleted", 0, 1),
        urgent_new=total("new", 1),
        urgent_saved=total("saved", 1),
    )


def used_bytes(connection: sqlite3.Connection, box_id: str, exclude_folder: str | None = None) -> int:
    """Return the bytes of the messages in all folders but `exclude_folder`, and of the greetings of the mailbox."""
    messages = "SELECT coalesce(sum(bytes), 0) FROM folder_counters WHERE box_id = ? AND folder IS NOT ?"
    greetings = "SELECT coalesce(sum(bytes), 0) FROM media WHERE box_id = ? AND deleted_at IS NULL"
    row = connection.execute(f"SELECT ({messages}) + ({greetings})", (box_id, exclude_folder, box_id)).fetchone()
    return int(row[0])
