"""What is stored about one person, in SQLite. Every row of an account is looked at; no call waits for that."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ivr.clock import Clock
from ivr.storage.database import Database
from ivr.storage.records import (
    BoxRecord,
    EndpointRecord,
    MediaKind,
    Message,
    PersonContent,
    PersonQuery,
    StoredMedia,
)
from ivr.storage.sqlite import audit_rows, import_notes, message_rows, person_removal

JSON_COLUMNS = frozenset({"payload", "steps", "settings"})
HIDDEN_COLUMNS = frozenset({"hash", "parent_hash", "lease"})
OWNER_PROOFS = ("PIN", "link")
"""How entries of the audit log were proven that are taken for the owner's where they name no user."""


class SqlitePersons:
    """The `PersonStore` of one database file."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def find(self, query: PersonQuery) -> PersonContent:
        return await self._database.read(lambda connection: _find(connection, query))

    async def purge_messages(self, messages: Sequence[Message], forwarded: Sequence[Message]) -> None:
        now = int(self._clock.now())

        def purge(connection: sqlite3.Connection) -> None:
            for message in messages:
                person_removal.purge_message(connection, message, now)
            for message in forwarded:
                person_removal.remove_forwarder(connection, message, now)

        await self._database.write(purge)

    async def purge_rest(self, query: PersonQuery, content: PersonContent) -> None:
        now = int(self._clock.now())
        await self._database.write(lambda connection: person_removal.purge_rest(connection, query, content, now))

    async def truncate_log(self) -> None:
        await self._database.truncate_log()


def _find(connection: sqlite3.Connection, query: PersonQuery) -> PersonContent:
    account = query.account_id
    own, shared = _boxes(connection, query)
    box_ids = [box.id for box in own]
    phones = [
        EndpointRecord(**dict(row))
        for row in connection.execute(
            "SELECT * FROM endpoints WHERE account_id = ? AND user_id = ?", (account, query.user_id)
        )
    ]
    phone_names = [phone.name for phone in phones]
    messages = _messages(connection, query, box_ids)
    found_ids = {message.id for message in messages}
    forwarded = [message for message in _forwarded(connection, account, box_ids) if message.id not in found_ids]
    calls = _calls(connection, "calls", query, box_ids, phone_names)
    entries = _audit_rows(connection, query, phone_names, box_ids)
    return PersonContent(
        phones=phones,
        boxes=own,
        shared_boxes=shared,
        settings_of_others=person_removal.settings_of_others(
            connection, shared, *person_removal.in_settings_of_others(connection, query, own)
        ),
        messages=messages,
        forwarded=forwarded,
        media=_media(connection, account, box_ids),
        calls=calls,
        calls_of_others=_calls_of_others(
            connection, query, {call["row_id"] for call in calls}, found_ids | {message.id for message in forwarded}
        ),
        tasks=_tasks(connection, query, box_ids, found_ids),
        takes=_calls(connection, "takes", query, box_ids, phone_names),
        tokens=_matching(connection, "tokens", account, lambda row: row["user_id"] == (query.user_id or "-")),
        attempts=_attempts(connection, query, box_ids, phone_names),
        audit=[audit_rows.entry_from_row(row) for row in entries],
        audit_ids=[row["id"] for row in entries],
        import_notes=import_notes.find(connection, query, own),
        live_calls=[row["channel"] for row in _calls(connection, "live_calls", query, box_ids, phone_names)],
    )


def _boxes(connection: sqlite3.Connection, query: PersonQuery) -> tuple[list[BoxRecord], list[BoxRecord]]:
    """Return the mailboxes that are the person's alone, and those that several people use or that mail to them."""
    own: list[BoxRecord] = []
    others: list[BoxRecord] = []
    for row in connection.execute("SELECT * FROM boxes WHERE account_id = ? ORDER BY mailbox", (query.account_id,)):
        settings = json.loads(row["settings"])
        box = BoxRecord(row["id"], row["account_id"], settings, row["revision"])
        is_own = query.user_id and row["owner_id"] == query.user_id
        is_shared = person_removal.other_members(settings, query.user_id)
        (own if is_own and not is_shared else others).append(box)
    person = person_removal.in_settings_of_others(connection, query, own)
    return own, [b for b in others if person_removal.without_person(b.settings, *person) != b.settings]


def _messages(connection: sqlite3.Connection, query: PersonQuery, box_ids: Sequence[str]) -> list[Message]:
    sql = "SELECT * FROM messages WHERE account_id = ? ORDER BY time, id"
    return [
        message_rows.message_from_row(row)
        for row in connection.execute(sql, (query.account_id,))
        if row["box_id"] in box_ids
        or (query.user_id and row["caller_user_id"] == query.user_id)
        or query.is_number(row["caller_number"] or "")
        or query.is_number(row["from_uri"] or "")
    ]


def _forwarded(connection: sqlite3.Connection, account_id: str, box_ids: Sequence[str]) -> list[Message]:
    sql = "SELECT * FROM messages WHERE account_id = ? AND forwarded_by IS NOT NULL ORDER BY time, id"
    found = (message_rows.message_from_row(row) for row in connection.execute(sql, (account_id,)))
    return [message for message in found if message.forwarded_by and message.forwarded_by.box_id in box_ids]


def _media(connection: sqlite3.Connection, account_id: str, box_ids: Sequence[str]) -> list[StoredMedia]:
    rows = connection.execute("SELECT * FROM media WHERE account_id = ?", (account_id,)).fetchall()
    return [
        StoredMedia(
            id=row["id"],
            account_id=account_id,
            box_id=row["box_id"],
            kind=MediaKind(row["kind"]),
            length_ms=row["length_ms"],
            bytes=row["bytes"],
            created_at=row["created_at"],
            source=row["source"],
            content_type=row["content_type"] or "",
        )
        for row in rows
        if row["box_id"] in box_ids
    ]


def _calls(
    connection: sqlite3.Connection, table: str, query: PersonQuery, box_ids: Sequence[str], phones: Sequence[str]
) -> list[dict[str, Any]]:
    """Return calls of the person, or what they record, and those to the person's mailboxes."""
    channels = {f"PJSIP/{phone}" for phone in phones}

    def matches(row: sqlite3.Row) -> bool:
        phone = (row["channel"] or "").rpartition("-")[0]  # The last part numbers the channels of a phone.
        return row["box_id"] in box_ids or phone in channels or query.is_number(row["caller_number"] or "")

    return _matching(connection, table, query.account_id, matches)


def _calls_of_others(
    connection: sqlite3.Connection, query: PersonQuery, own_rows: set[int], message_ids: set[str]
) -> list[dict[str, Any]]:
    found = []
    sql = "SELECT rowid AS row_id, began_at, steps FROM calls WHERE account_id = ? ORDER BY began_at, rowid"
    for row in connection.execute(sql, (query.account_id,)):
        steps = json.loads(row["steps"])
        changed = person_removal.steps_without_person(steps, query, message_ids)
        if row["row_id"] not in own_rows and changed != steps:
            of_person = [step for step, new in zip(steps, changed, strict=True) if step != new]
            found.append({"row_id": row["row_id"], "began_at": row["began_at"], "steps": of_person})
    return found


def _tasks(
    connection: sqlite3.Connection, query: PersonQuery, box_ids: Sequence[str], message_ids: set[str]
) -> list[dict[str, Any]]:
    def matches(row: sqlite3.Row) -> bool:
        if row["kind"] in ("mwi", "phone_mwi"):
            return False  # They have no contents, and put out lights.
        target = row["target"] or ""
        is_target = (row["kind"] == "mail" and target.lower() in query.addresses) or (
            row["kind"] == "call" and query.is_number(target)
        )
        is_own = is_target or row["box_id"] in box_ids or row["message_id"] in message_ids
        return is_own or _is_left_by_person(json.loads(row["payload"]), query)

    return _matching(connection, "outbox", query.account_id, matches)


def _is_left_by_person(payload: Mapping[str, Any], query: PersonQuery) -> bool:
    """Return whether a waiting webhook is about a message of the person, which may be gone by now."""
    message = payload.get("message") or {}
    return any(query.is_number(message.get(member) or "") for member in ("caller_id_number", "from"))


def _attempts(
    connection: sqlite3.Connection, query: PersonQuery, box_ids: Sequence[str], phones: Sequence[str]
) -> list[dict[str, Any]]:
    def matches(row: sqlite3.Row) -> bool:
        first, _, second = row["subject"].partition(" ")
        is_caller = row["scope"] == "caller" and (query.is_number(second) or row["subject"] in phones)
        return is_caller or first in box_ids or (row["scope"] == "own_phone" and second in phones)

    return _matching(connection, "auth_attempts", query.account_id, matches)


def _audit_rows(
    connection: sqlite3.Connection, query: PersonQuery, phones: Sequence[str], box_ids: Sequence[str]
) -> list[sqlite3.Row]:
    """Return the entries that name the person: as the user, by a phone, or by a caller's number.

    Who has opened a mailbox of the person alone, by its PIN or a link, is taken for the person.
    """
    rows = connection.execute("SELECT * FROM audit WHERE account_id = ? ORDER BY at, id", (query.account_id,))
    return [
        row
        for row in rows
        if row["door"] != "command"
        and (
            (query.user_id and row["user"] == query.user_id)
            or row["device"] in phones
            or query.is_number(row["device"].partition(" ")[2])
            or (row["box_id"] in box_ids and not row["user"] and row["proof"] in OWNER_PROOFS)
        )
    ]


def _matching(
    connection: sqlite3.Connection, table: str, account_id: str, matches: Callable[[sqlite3.Row], bool]
) -> list[dict[str, Any]]:
    # Calls that found no account, and those in progress, belong to none.
    sql = f"SELECT rowid AS row_id, * FROM {table} WHERE account_id = ? OR account_id IS NULL"
    rows = connection.execute(sql, (account_id,))
    return [_document(row) for row in rows if matches(row)]


def _document(row: Mapping[str, Any] | sqlite3.Row) -> dict[str, Any]:
    keys: Iterable[str] = row.keys()
    return {
        key: json.loads(row[key]) if key in JSON_COLUMNS and row[key] else row[key]
        for key in keys
        if key not in HIDDEN_COLUMNS
    }
