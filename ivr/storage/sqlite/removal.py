"""Soft delete, undelete and purge, within an open transaction.

A purge deletes the row and leaves a tombstone that lists the files to unlink after the commit. A message whose files
are being unlinked can therefore not be restored, and the next run of retention finishes what a crash interrupted.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from datetime import UTC

from ivr.clock import date_of
from ivr.errors import NotFound
from ivr.storage.records import Message, TaskKind
from ivr.storage.sqlite import counters, events, message_rows

REPLACED_AUDIO = "replaced_audio"
"""Kind of the tombstone of replaced audio; it is deleted together with the files."""


def soft_delete(connection: sqlite3.Connection, message: Message, now: int) -> None:
    """Hide a message and subtract it from the counts."""
    connection.execute("UPDATE messages SET deleted_at = ?, revision = revision + 1 WHERE id = ?", (now, message.id))
    counters.adjust_for_message(connection, message, message.folder, -1)
    events.enqueue_for_message(connection, TaskKind.SOFT_DELETED, message, now)
    events.enqueue_mwi(connection, message.account_id, message.box_id, now)


def is_soft_deleted(connection: sqlite3.Connection, box_id: str, message_id: str) -> bool:
    """Return whether a message is soft-deleted. Raises `NotFound` if it was purged or never existed."""
    row = connection.execute(
        "SELECT deleted_at FROM messages WHERE id = ? AND box_id = ?", (message_id, box_id)
    ).fetchone()
    if row:
        return row["deleted_at"] is not None
    tombstone = connection.execute(
        "SELECT purged_at FROM tombstones WHERE id = ? AND box_id = ?", (message_id, box_id)
    ).fetchone()
    if tombstone:
        removed_on = f"{date_of(tombstone['purged_at'], UTC):%Y-%m-%d}"
        raise NotFound(f"too late: the message {message_id!r} was removed for good on {removed_on}")
    raise NotFound(f"there is no message {message_id!r} in this box, nor was there")


def undelete(connection: sqlite3.Connection, box_id: str, message_id: str, now: int) -> None:
    """Undo a soft delete: the message arrives in its folder again. Raises `PastRetention`."""
    message_rows.advance_arrivals(connection, _account_id_of(connection, message_id), box_id)
    connection.execute(
        "UPDATE messages SET deleted_at = NULL, folder_changed_at = ?, arrival_seq ="
        f" CASE WHEN bytes > 0 THEN {message_rows.LAST_ARRIVAL} ELSE arrival_seq END, revision = revision + 1"
        " WHERE id = ?",
        (now, box_id, message_id),
    )
    message = message_rows.message_by_id(connection, box_id, message_id)
    counters.adjust_for_message(connection, message, message.folder, 1)
    events.enqueue_mwi(connection, message.account_id, box_id, now)


def list_soft_deleted(connection: sqlite3.Connection, box_id: str, limit: int) -> list[Message]:
    """Return the soft-deleted messages of a mailbox, last deleted first."""
    sql = (
        "SELECT * FROM messages WHERE box_id = ? AND deleted_at IS NOT NULL AND expired_at IS NULL"
        " ORDER BY deleted_at DESC LIMIT ?"
    )
    return [message_rows.message_from_row(row) for row in connection.execute(sql, (box_id, limit))]


def is_known(connection: sqlite3.Connection, message_id: str) -> bool:
    """Return whether a message with this id exists or has existed."""
    for table in ("messages", "tombstones"):
        if connection.execute(f"SELECT 1 FROM {table} WHERE id = ?", (message_id,)).fetchone():
            return True
    return False


def purge_message(connection: sqlite3.Connection, row: sqlite3.Row, now: int, reason: str) -> None:
    """Purge a message that is hidden already."""
    _insert_tombstone(
        connection, "message", row, row["stored_at"], now, reason, _file_stems(message_rows.message_from_row(row))
    )
    connection.execute("DELETE FROM outbox WHERE message_id = ?", (row["id"],))
    connection.execute("DELETE FROM messages WHERE id = ?", (row["id"],))


def purge_replaced_audio(connection: sqlite3.Connection, message: Message, new_recording: str, now: int) -> None:
    """Schedule the previous audio and the intro of a message for unlinking; `new_recording` replaces the audio."""
    values = {"id": new_recording, "account_id": message.account_id, "box_id": message.box_id}
    _insert_tombstone(connection, REPLACED_AUDIO, values, message.time, now, "other audio came", _file_stems(message))


def soft_delete_and_purge(connection: sqlite3.Connection, message: Message, now: int, reason: str) -> None:
    """Purge a message that is visible."""
    soft_delete(connection, message, now)
    row = connection.execute("SELECT * FROM messages WHERE id = ?", (message.id,)).fetchone()
    purge_message(connection, row, now, reason)


def purge_media(connection: sqlite3.Connection, row: sqlite3.Row, now: int, reason: str) -> None:
    """Purge a greeting or a name."""
    stem = f"{row['account_id']}/media/{row['id']}"
    _insert_tombstone(connection, "media", row, row["created_at"], now, reason, [stem])
    connection.execute("DELETE FROM media WHERE id = ?", (row["id"],))


def purge_intro(connection: sqlite3.Connection, message: sqlite3.Row, now: int, reason: str) -> None:
    """Purge the intro of a message, which stays. The caller changes the row of the message."""
    stem = f"{message['account_id']}/media/{message['intro_id']}"
    values = {"id": message["intro_id"], "account_id": message["account_id"], "box_id": message["box_id"]}
    _insert_tombstone(connection, "intro", values, message["time"], now, reason, [stem])


def purge_take(connection: sqlite3.Connection, row: sqlite3.Row, now: int, reason: str) -> None:
    """Purge a take that its owner never decided about."""
    _insert_tombstone(connection, "take", row, row["began_at"], now, reason, [f"takes/{row['id']}"])
    connection.execute("DELETE FROM takes WHERE id = ?", (row["id"],))


def purge_box_if_empty(connection: sqlite3.Connection, row: sqlite3.Row, now: int, reason: str) -> bool:
    """Purge a mailbox with its greetings, takes and PIN; return False, without a change, while it has messages."""
    box_id = row["id"]
    if connection.execute("SELECT 1 FROM messages WHERE box_id = ? LIMIT 1", (box_id,)).fetchone():
        return False
    for media in connection.execute("SELECT * FROM media WHERE box_id = ?", (box_id,)).fetchall():
        if _is_recorded_name_of_user(connection, row["owner_id"], media["id"]):
            connection.execute("UPDATE media SET box_id = NULL WHERE id = ?", (media["id"],))
        else:
            purge_media(connection, media, now, reason)
    for take in connection.execute("SELECT * FROM takes WHERE box_id = ?", (box_id,)).fetchall():
        purge_take(connection, take, now, reason)
    _insert_tombstone(connection, "box", {**dict(row), "box_id": box_id}, row["created_at"], now, reason, [])
    for table, column in (
        ("outbox", "box_id"),
        ("folder_counters", "box_id"),
        ("box_numbers", "box_id"),
        ("boxes", "id"),
    ):
        connection.execute(f"DELETE FROM {table} WHERE {column} = ?", (box_id,))
    connection.execute("DELETE FROM secrets WHERE account_id = ? AND ref = ?", (row["account_id"], f"box:{box_id}:pin"))
    connection.execute(
        "DELETE FROM auth_attempts WHERE account_id = ? AND scope = 'box' AND subject = ?", (row["account_id"], box_id)
    )
    return True


def _file_stems(message: Message) -> list[str]:
    intro = [f"{message.account_id}/media/{message.intro_id}"] if message.intro_id else []
    return [f"{message.account_id}/vm/{message.recording}", *intro]


def _is_recorded_name_of_user(connection: sqlite3.Connection, user_id: str | None, media_id: str) -> bool:
    """Return whether it is the recorded name of a user: it belongs to the user, whichever mailbox recorded it."""
    user = connection.execute("SELECT settings FROM users WHERE id = ? AND deleted_at IS NULL", (user_id,)).fetchone()
    return user is not None and media_id in user["settings"]


def _account_id_of(connection: sqlite3.Connection, message_id: str) -> str:
    row = connection.execute("SELECT account_id FROM messages WHERE id = ?", (message_id,)).fetchone()
    return str(row["account_id"])


def _insert_tombstone(
    connection: sqlite3.Connection,
    kind: str,
    row: sqlite3.Row | Mapping[str, object],
    created_at: int | None,
    now: int,
    reason: str,
    stems: Iterable[str],
) -> None:
    files = list(stems)
    connection.execute(
        "INSERT INTO tombstones"
        " (id, account_id, box_id, kind, created_at, purged_at, reason, pending_unlinks)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET account_id = excluded.account_id,"
        " box_id = excluded.box_id, kind = excluded.kind, created_at = excluded.created_at,"
        " purged_at = excluded.purged_at, reason = excluded.reason, pending_unlinks = excluded.pending_unlinks",
        (
            row["id"],
            row["account_id"],
            row["box_id"],
            kind,
            created_at,
            now,
            reason,
            json.dumps(files) if files else None,
        ),
    )
