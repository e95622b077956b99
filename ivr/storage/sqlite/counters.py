"""Counts and bytes of each folder, urgent messages apart, kept by the transaction that changes them.

So nobody ever counts rows.
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
    """Change a folder's counters by `messages` and `size` bytes, both of which may be negative."""
    connection.execute(
        "INSERT INTO folder_counters (account_id, box_id, folder, urgent, messages, bytes) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (box_id, folder, urgent) DO UPDATE"
        " SET messages = messages + excluded.messages, bytes = bytes + excluded.bytes",
        (account_id, box_id, folder, int(urgent), messages, size_bytes),
    )


def adjust_for_message(connection: sqlite3.Connection, message: Message, folder: Folder, delta: int) -> None:
    """One message more (1) or less (-1) in `folder`; one whose audio has not come counts nowhere."""
    if message.has_audio:
        adjust(
            connection, message.account_id, message.box_id, folder, delta, delta * message.bytes, urgent=message.urgent
        )


def read_counts(connection: sqlite3.Connection, box_id: str) -> FolderCounts:
    rows = connection.execute(
        "SELECT folder, urgent, messages FROM folder_counters WHERE box_id = ?", (box_id,)
    ).fetchall()
    kept = {(row["folder"], row["urgent"]): int(row["messages"]) for row in rows}

    def of(folder: str, *urgencies: int) -> int:
        return sum(kept.get((folder, urgent), 0) for urgent in urgencies)

    return FolderCounts(
        new=of("new", 0, 1),
        saved=of("saved", 0, 1),
        deleted=of("deleted", 0, 1),
        urgent_new=of("new", 1),
        urgent_saved=of("saved", 1),
    )


def used_bytes(connection: sqlite3.Connection, box_id: str, exclude_folder: str | None = None) -> int:
    """Bytes of the messages in all folders but `without`, and of the box's greetings."""
    messages = "SELECT coalesce(sum(bytes), 0) FROM folder_counters WHERE box_id = ? AND folder IS NOT ?"
    greetings = "SELECT coalesce(sum(bytes), 0) FROM media WHERE box_id = ? AND deleted_at IS NULL"
    row = connection.execute(f"SELECT ({messages}) + ({greetings})", (box_id, exclude_folder, box_id)).fetchone()
    return int(row[0])
