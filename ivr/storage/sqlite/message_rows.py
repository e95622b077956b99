"""Rows of messages: each statement reads along one index, and no more rows than its limit."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Sequence
from dataclasses import asdict, replace

from ivr.errors import IvrError, NotFound, PastRetention, PreconditionFailed
from ivr.storage.records import Caller, Folder, Forwarder, Message, OpenFolder

ARRIVAL_PENDING = 2**62
"""Arrival number of a message that has no audio yet: later than the state of any opened folder."""
LAST_ARRIVAL = "(SELECT last_seq FROM arrival_sequences WHERE box_id = ?)"
"""SQL expression: the last arrival number of a mailbox that has one. No answer has to be waited for to use it."""
IS_VISIBLE = "deleted_at IS NULL AND expired_at IS NULL"
MAX_ARRIVAL = 2**62
"""Later than any arrival number."""


MESSAGE_BY_ID = "SELECT * FROM messages WHERE id = ? AND box_id = ? AND deleted_at IS NULL"
AFTER_ANY_ID = "~"
"""Sorts after each character of an id."""
MESSAGE_BY_ID_PREFIX = (
    "SELECT * FROM messages WHERE id BETWEEN ? AND ? AND +box_id = ? AND deleted_at IS NULL ORDER BY id LIMIT 1"
)
"""The mailbox has no part in the choice of the index: few messages share the beginning of an id."""


def message_by_id(
    connection: sqlite3.Connection,
    box_id: str,
    message_id: str,
    not_before: int | None = None,
    *,
    expected_revision: int | None = None,
) -> Message:
    """Return a message of a mailbox. Raises `NotFound`, `PastRetention`; `PreconditionFailed` for another revision."""
    row = connection.execute(MESSAGE_BY_ID, (message_id, box_id)).fetchone()
    message = message_within_retention(row, message_id, not_before)
    check_revision(message.revision, expected_revision)
    return message


def message_within_retention(row: sqlite3.Row | None, message_id: str, not_before: int | None) -> Message:
    """Return the message of a row of `MESSAGE_BY_ID`. Raises `NotFound`, `PastRetention`."""
    if row is None:
        raise NotFound(f"there is no message {message_id!r} in this box")
    if row["expired_at"] is not None or (not_before is not None and row["retention_from"] < not_before):
        raise PastRetention(f"the message {message_id!r} is past retention")
    return message_from_row(row)


def messages_by_ids(
    connection: sqlite3.Connection, box_id: str, ids: Sequence[str], not_before: int
) -> list[Message | IvrError]:
    """Return for each id its message, or the error that `message_within_retention` raises."""
    rows = connection.execute(
        f"SELECT * FROM messages WHERE id IN ({', '.join('?' * len(ids))}) AND +box_id = ? AND deleted_at IS NULL",
        (*ids, box_id),
    )
    row_by_id = {row["id"]: row for row in rows}
    found: list[Message | IvrError] = []
    for message_id in ids:
        try:
            found.append(message_within_retention(row_by_id.get(message_id), message_id, not_before))
        except IvrError as error:
            found.append(error.with_traceback(None))  # The frames would keep it alive until a collection of garbage.
    return found


def check_revision(revision: int, expected_revision: int | None) -> None:
    """Raise `PreconditionFailed` if the revision is not the expected one; None: any revision."""
    if expected_revision is not None and revision != expected_revision:
        raise PreconditionFailed("it was changed meanwhile: read it again")


def next_message(
    connection: sqlite3.Connection, folder: OpenFolder, after: tuple[bool, int, str] | None
) -> Message | None:
    """Return the message after `after` in the order of play: urgent messages first, then by time and id."""
    for urgent in (True, False):
        if after and urgent > after[0]:
            continue
        start = after[1:] if after and after[0] == urgent else None
        row = connection.execute(*_next_row_query(folder, urgent, start)).fetchone()
        if row:
            return message_from_row(row)
    return None


def oldest_message(
    connection: sqlite3.Connection, box_id: str, folder: Folder, exclude_ids: Collection[str] = ()
) -> Message | None:
    """Return the message of a folder that was left first, other than `exclude_ids`."""
    opened = OpenFolder(box_id, folder, oldest_first=True, as_of=MAX_ARRIVAL, not_before=0)
    candidates: list[Message] = []
    for urgent in (True, False):
        row = connection.execute(*_next_row_query(opened, urgent, None)).fetchone()
        while row and row["id"] in exclude_ids:
            row = connection.execute(*_next_row_query(opened, urgent, (row["time"], row["id"]))).fetchone()
        candidates += [message_from_row(row)] if row else []
    return min(candidates, key=lambda m: (m.time, m.id), default=None)


def message_page(
    connection: sqlite3.Connection, box_id: str, folder: Folder | None, not_before: int, after: str | None, limit: int
) -> list[Message]:
    """Return messages of a mailbox, newest first, after the message with the id `after`."""
    start = None
    if after:
        previous = message_by_id(connection, box_id, after)
        start = (previous.time, previous.id)
    messages: list[Message] = []
    for name in [folder] if folder else list(Folder):
        for urgent in (1, 0):
            sql = (
                "SELECT * FROM messages WHERE box_id = ? AND folder = ? AND urgent = ?"
                f" AND retention_from >= ? AND {IS_VISIBLE}"
            )
            values: list[object] = [box_id, name, urgent, not_before]
            if start:
                sql += " AND (time, id) < (?, ?)"
                values += start
            messages += map(
                message_from_row, connection.execute(f"{sql} ORDER BY time DESC, id DESC LIMIT ?", (*values, limit))
            )
    return sorted(messages, key=lambda m: (m.time, m.id), reverse=True)[:limit]


def messages_older_than(connection: sqlite3.Connection, account_id: str, not_before: int, limit: int) -> list[Message]:
    """Return visible messages of an account whose retention began before `not_before` (Unix s), oldest first."""
    sql = (
        f"SELECT * FROM messages WHERE account_id = ? AND retention_from < ? AND {IS_VISIBLE}"
        " ORDER BY retention_from LIMIT ?"
    )
    return [message_from_row(row) for row in connection.execute(sql, (account_id, not_before, limit))]


def last_arrival_seq(connection: sqlite3.Connection, box_id: str) -> int:
    """Return the last arrival number of a mailbox: each message that enters one of its folders gets the next one."""
    row = connection.execute("SELECT last_seq FROM arrival_sequences WHERE box_id = ?", (box_id,)).fetchone()
    return int(row["last_seq"]) if row else 0


def advance_arrivals(connection: sqlite3.Connection, account_id: str, box_id: str) -> None:
    """Make the next arrival number of a mailbox its last one, for a statement with `LAST_ARRIVAL` that follows."""
    connection.execute(
        "INSERT INTO arrival_sequences (box_id, account_id, last_seq) VALUES (?, ?, 1)"
        " ON CONFLICT (box_id) DO UPDATE SET last_seq = arrival_sequences.last_seq + 1",
        (box_id, account_id),
    )


def insert_message(
    connection: sqlite3.Connection, message: Message, now: int, *, folder_changed_at: int | None = None
) -> None:
    """Insert the row of a message, which arrives with it. `folder_changed_at`: Unix seconds; None: now."""
    if message.has_audio:
        advance_arrivals(connection, message.account_id, message.box_id)
    values = {
        "id": message.id,
        "account_id": message.account_id,
        "box_id": message.box_id,
        "folder": message.folder,
        "previous_folder": message.folder_before,
        "folder_changed_at": now if folder_changed_at is None else folder_changed_at,
        "urgent": int(message.urgent),
        "time": message.time,
        "length_ms": message.length_ms,
        "sample_rate": message.sample_rate,
        "bytes": message.bytes,
        "intro_id": message.intro_id,
        "intro_ms": message.intro_ms,
        "caller_number": message.caller.number,
        "caller_name": message.caller.name,
        "from_uri": message.from_uri,
        "to_uri": message.to_uri,
        "call_id": message.call_id,
        "history": json.dumps(message.history),
        "forwarded_by": json.dumps(asdict(message.forwarded_by)) if message.forwarded_by else None,
        "caller_user_id": message.caller_user_id,
        "transcription": message.transcription,
        "upload_type": message.upload_type,
        "audio_id": message.audio,
        "revision": message.revision,
        "stored_at": now,
        "retention_from": message.time if message.retention_from is None else message.retention_from,
        "labels": json.dumps(message.labels) if message.labels else None,
    }
    columns, marks = ", ".join(values), ", ".join("?" * len(values))
    arrival, source = (LAST_ARRIVAL, message.box_id) if message.has_audio else ("?", ARRIVAL_PENDING)
    sql = f"INSERT INTO messages ({columns}, arrival_seq) VALUES ({marks}, {arrival})"
    connection.execute(sql, (*values.values(), source))


def set_marks(connection: sqlite3.Connection, message: Message) -> Message:
    """Store urgency and labels of a message; return it with its new revision."""
    after = replace(message, revision=message.revision + 1)
    sql = "UPDATE messages SET urgent = ?, labels = ?, revision = ? WHERE id = ?"
    labels = json.dumps(after.labels) if after.labels else None
    connection.execute(sql, (int(after.urgent), labels, after.revision, after.id))
    return after


def set_box(connection: sqlite3.Connection, message: Message, box_id: str, to_uri: str, now: int) -> None:
    """Put a message into another mailbox of its account; it arrives in the same folder there."""
    if message.has_audio:
        advance_arrivals(connection, message.account_id, box_id)
    connection.execute(
        "UPDATE messages SET box_id = ?, to_uri = ?, history = ?, folder_changed_at = ?,"
        f" arrival_seq = CASE WHEN bytes > 0 THEN {LAST_ARRIVAL} ELSE arrival_seq END, revision = revision + 1"
        " WHERE id = ?",
        (box_id, to_uri, json.dumps([*message.history, message.box_id]), now, box_id, message.id),
    )
    for changed in (message.box_id, box_id):  # The triggers count what happens within one mailbox.
        connection.execute(
            "INSERT INTO mailbox_changes VALUES (?, ?, 1)"
            " ON CONFLICT (box_id) DO UPDATE SET changes = mailbox_changes.changes + 1",
            (changed, message.account_id),
        )


def set_transcription(connection: sqlite3.Connection, message: Message, transcription: str) -> None:
    """Store the transcription of a message, unless its audio was replaced meanwhile."""
    sql = "UPDATE messages SET transcription = ?, revision = revision + 1 WHERE id = ? AND coalesce(audio_id, id) = ?"
    connection.execute(sql, (transcription, message.id, message.recording))


_FOLDERS = {folder.value: folder for folder in Folder}


def message_from_row(row: sqlite3.Row) -> Message:
    """Return the message of a row of `messages`."""
    return Message(
        id=row["id"],
        account_id=row["account_id"],
        box_id=row["box_id"],
        folder=_FOLDERS[row["folder"]],
        folder_before=_FOLDERS[row["previous_folder"]] if row["previous_folder"] else None,
        time=row["time"],
        length_ms=row["length_ms"],
        sample_rate=row["sample_rate"],
        bytes=row["bytes"],
        caller=Caller(row["caller_number"] or "", row["caller_name"] or ""),
        urgent=bool(row["urgent"]),
        intro_id=row["intro_id"],
        intro_ms=row["intro_ms"],
        from_uri=row["from_uri"] or "",
        to_uri=row["to_uri"] or "",
        call_id=row["call_id"] or "",
        history=tuple(json.loads(row["history"])) if row["history"] != "[]" else (),
        forwarded_by=Forwarder(**json.loads(row["forwarded_by"])) if row["forwarded_by"] else None,
        caller_user_id=row["caller_user_id"],
        transcription=row["transcription"],
        upload_type=row["upload_type"],
        audio=row["audio_id"],
        retention_from=row["retention_from"] if row["retention_from"] != row["time"] else None,
        labels=tuple(json.loads(row["labels"])) if row["labels"] else (),
        mailed_without_audio=bool(row["mailed_without_audio"]),
        revision=row["revision"],
    )


def _next_row_query(folder: OpenFolder, urgent: bool, after: tuple[int, str] | None) -> tuple[str, tuple[object, ...]]:
    """Return the statement for the first row of one urgency, or the first after `after`: one step along the index."""
    comparison, direction = (">", "ASC") if folder.oldest_first else ("<", "DESC")
    sql = (
        "SELECT * FROM messages WHERE box_id = ? AND folder = ? AND urgent = ?"
        f" AND retention_from >= ? AND arrival_seq <= ? AND {IS_VISIBLE}"
    )
    values: tuple[object, ...] = (folder.box_id, folder.folder, int(urgent), folder.not_before, folder.as_of)
    if after:
        sql += f" AND (time, id) {comparison} (?, ?)"
        values += after
    return f"{sql} ORDER BY time {direction}, id {direction} LIMIT 1", values
