"""Removal of everything about one person, and of a user, within an open transaction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ivr.errors import NotFound
from ivr.storage.records import ERASED, BoxRecord, Message, PersonContent, PersonQuery
from ivr.storage.sqlite import box_users, counters, events, import_notes, message_rows, removal

REASON = "person erased"
ADDRESS_KEYS = ("notify_email_addresses", "notify_email_address", "notify_email")
WAV_HEADER_BYTES = 44
BYTES_PER_MS = 16


def purge_user(connection: sqlite3.Connection, user_id: str, now: int) -> None:
    """Remove a user with phones, credentials and recorded name, and end their sessions. Raises `NotFound`.

    The rows of tokens remain without their labels, so that a client that still uses one is not taken for a guesser.
    """
    user = connection.execute("SELECT * FROM users WHERE id = ?", (user_id,)).fetchone()
    if user is None:
        raise NotFound("the entry was deleted already, or never existed")
    sql = "DELETE FROM endpoints WHERE user_id = ? RETURNING account_id, system, name"
    for row in connection.execute(sql, (user_id,)).fetchall():
        events.enqueue_phone_mwi(connection, row["account_id"], row["system"], row["name"], now)
    connection.execute(
        "DELETE FROM secrets WHERE account_id = ? AND ref >= ? AND ref < ?",
        (user["account_id"], f"user:{user_id}:", f"user:{user_id};"),
    )
    connection.execute(
        "UPDATE tokens SET label = '', revoked_at = coalesce(revoked_at, ?) WHERE account_id = ? AND user_id = ?",
        (now, user["account_id"], user_id),
    )
    for media in connection.execute(
        "SELECT * FROM media WHERE account_id = ? AND kind = 'name' AND instr(?, id) > 0",
        (user["account_id"], user["settings"]),
    ).fetchall():
        removal.purge_media(connection, media, now, "user deleted")
        _stop_using_name(connection, media)
    connection.execute("DELETE FROM users WHERE id = ?", (user_id,))


def purge_message(connection: sqlite3.Connection, message: Message, now: int) -> None:
    """Remove a message for good, whether or not it is visible."""
    row = connection.execute("SELECT * FROM messages WHERE id = ?", (message.id,)).fetchone()
    if row is None:
        return
    if row["deleted_at"] is None and row["expired_at"] is None:
        counters.adjust_for_message(connection, message_rows.message_from_row(row), message.folder, -1)
        events.enqueue_mwi(connection, message.account_id, message.box_id, now)
    removal.purge_message(connection, row, now, REASON)


def remove_forwarder(connection: sqlite3.Connection, message: Message, now: int) -> None:
    """Remove who forwarded a message, and what they said in front of it."""
    row = connection.execute("SELECT * FROM messages WHERE id = ?", (message.id,)).fetchone()
    if row is None:
        return
    intro_bytes = min(row["bytes"], WAV_HEADER_BYTES + row["intro_ms"] * BYTES_PER_MS) if row["intro_id"] else 0
    if row["intro_id"]:
        removal.purge_intro(connection, row, now, REASON)
    if row["deleted_at"] is None and row["expired_at"] is None:
        urgent = bool(row["urgent"])
        counters.adjust(connection, row["account_id"], row["box_id"], row["folder"], 0, -intro_bytes, urgent=urgent)
    connection.execute(
        "UPDATE messages SET forwarded_by = NULL, intro_id = NULL, intro_ms = 0, length_ms = length_ms - intro_ms,"
        " bytes = bytes - ?, revision = revision + 1 WHERE id = ?",
        (intro_bytes, message.id),
    )
    webhooks = "SELECT id, payload FROM outbox WHERE message_id = ? AND kind = 'webhook'"
    for task in connection.execute(webhooks, (message.id,)).fetchall():
        payload = json.loads(task["payload"])
        payload["message"]["forwarded_by"] = None
        connection.execute("UPDATE outbox SET payload = ? WHERE id = ?", (json.dumps(payload), task["id"]))


def purge_rest(connection: sqlite3.Connection, query: PersonQuery, content: PersonContent, now: int) -> None:
    """Remove everything that was found but the messages."""
    in_settings, numbers = in_settings_of_others(connection, query, content.boxes)
    live = {row["channel"] for row in connection.execute("SELECT channel FROM live_calls")}
    for take in content.takes:
        if take["channel"] not in live:
            row = connection.execute("SELECT * FROM takes WHERE id = ?", (take["id"],)).fetchone()
            if row:
                removal.purge_take(connection, row, now, REASON)
    for table, rows in (("calls", content.calls), ("outbox", content.tasks), ("auth_attempts", content.attempts)):
        connection.executemany(f"DELETE FROM {table} WHERE rowid = ?", [(row["row_id"],) for row in rows])
    _change_calls_of_others(connection, query, content)
    import_notes.erase(connection, query, content.boxes)  # Before the names are gone, by which it knows them.
    for box in content.boxes:
        _empty_box(connection, box.id, now)
    for box in content.shared_boxes:
        settings = without_person(box.settings, in_settings, numbers)
        connection.execute(
            "UPDATE boxes SET settings = ?, owner_id = ?, revision = revision + 1, modified_at = ? WHERE id = ?",
            (json.dumps(settings), settings.get("owner_id"), now, box.id),
        )
    if "" in content.settings_of_others:
        settings = without_numbers(account_settings(connection, query.account_id), numbers)
        sql = "UPDATE accounts SET settings = ?, revision = revision + 1, modified_at = ? WHERE id = ?"
        connection.execute(sql, (json.dumps(settings), now, query.account_id))
    connection.executemany(
        'UPDATE audit SET device = ?1, "user" = CASE "user" WHEN ?2 THEN ?1 ELSE "user" END WHERE id = ?3',
        [(ERASED, query.user_id, entry_id) for entry_id in content.audit_ids],
    )
    if query.user_id:
        purge_user(connection, query.user_id, now)


def other_members(settings: Mapping[str, Any], user_id: str | None) -> list[str]:
    """Return the users, other than `user_id`, who share a mailbox."""
    return [member for member in box_users.member_ids(settings) if member != user_id]


def in_settings_of_others(
    connection: sqlite3.Connection, query: PersonQuery, boxes: Iterable[BoxRecord]
) -> tuple[PersonQuery, frozenset[str]]:
    """Return the person, and the numbers and aliases of the person's `boxes`, as settings of others mean them.

    A number that another mailbox has by now is not among them: in settings it stands for that mailbox.
    """
    boxes = list(boxes)
    numbers = {str(n) for box in boxes for n in (box.settings["mailbox"], *(box.settings.get("aliases") or ()))}
    sql = (
        "SELECT number FROM box_numbers JOIN boxes ON boxes.id = box_numbers.box_id WHERE box_numbers.account_id = ?"
        " AND boxes.deleted_at IS NULL AND boxes.id NOT IN (SELECT value FROM json_each(?))"
    )
    ids = json.dumps([box.id for box in boxes])
    living = {row["number"] for row in connection.execute(sql, (query.account_id, ids))}
    is_number = query.is_number
    person = replace(query, is_number=lambda number: number not in living and is_number(number))
    return person, frozenset(numbers - living)


def account_settings(connection: sqlite3.Connection, account_id: str) -> dict[str, Any]:
    """Return the settings of an account."""
    row = connection.execute("SELECT settings FROM accounts WHERE id = ?", (account_id,)).fetchone()
    settings: dict[str, Any] = json.loads(row["settings"] or "{}") if row else {}
    return settings


def settings_of_others(
    connection: sqlite3.Connection, boxes: Iterable[BoxRecord], query: PersonQuery, numbers: frozenset[str]
) -> dict[str, Any]:
    """Return what is removed from the settings of mailboxes, by number, and of the account (""), if there is any."""
    removed = {
        str(box.settings["mailbox"]): _removed_part(box.settings, without_person(box.settings, query, numbers))
        for box in boxes
    }
    before = account_settings(connection, query.account_id)
    if (after := without_numbers(before, numbers)) != before:
        removed[""] = _removed_part(before, after)
    return removed


def _removed_part(before: Any, after: Any) -> Any:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        changed = {key for key, value in before.items() if key not in after or after[key] != value}
        return {key: _removed_part(before[key], after.get(key)) for key in before if key in changed}
    if isinstance(before, list) and isinstance(after, list):
        return [value for value in before if value not in after]
    return before


def without_numbers(settings: Mapping[str, Any], numbers: frozenset[str]) -> dict[str, Any]:
    """Return settings of a mailbox or account without mailboxes that are erased: a later one of their number would get
    the copies."""
    changed = dict(settings)
    if copies := changed.get("copy_to"):
        changed["copy_to"] = [number for number in copies if number not in numbers]
    if lists := changed.get("distribution_lists"):
        left = {name: [number for number in listed if number not in numbers] for name, listed in lists.items()}
        changed["distribution_lists"] = {name: listed for name, listed in left.items() if listed}
    return changed


def steps_without_person(
    steps: Sequence[Mapping[str, Any]], query: PersonQuery, message_ids: Collection[str]
) -> list[dict[str, Any]]:
    """Return the steps of a call of others without extensions that are the person's number.

    If it was about one of the messages, what was heard is left out as well: numbers and names are spoken.
    """
    is_about = any(step.get(name) in message_ids for step in steps for name in ("id", "message"))

    def is_of_person(name: str, value: Any) -> bool:
        return (name == "extension" and query.is_number(str(value))) or (name == "text" and is_about)

    return [{name: ERASED if is_of_person(name, value) else value for name, value in step.items()} for step in steps]


def _change_calls_of_others(connection: sqlite3.Connection, query: PersonQuery, content: PersonContent) -> None:
    message_ids = {message.id for message in (*content.messages, *content.forwarded)}
    for call in content.calls_of_others:
        row = connection.execute("SELECT steps FROM calls WHERE rowid = ?", (call["row_id"],)).fetchone()
        if row:
            steps = steps_without_person(json.loads(row["steps"]), query, message_ids)
            connection.execute("UPDATE calls SET steps = ? WHERE rowid = ?", (json.dumps(steps), call["row_id"]))


def without_person(
    settings: Mapping[str, Any], query: PersonQuery, numbers: frozenset[str] = frozenset()
) -> dict[str, Any]:
    """Return the settings of a mailbox without the person as owner, as member, and as recipient of mails and calls.

    `numbers`: those of the mailboxes that are erased.
    """
    changed = without_numbers(settings, numbers)
    if query.user_id:
        if changed.get("owner_id") == query.user_id:
            del changed["owner_id"]
        members = changed.get("members") or []
        others = [member for member in members if box_users.member_id(member) != query.user_id]
        if others != members:
            changed["members"] = others
    for key in ADDRESS_KEYS:
        value = changed.get(key)
        if isinstance(value, str) and value.lower() in query.addresses:
            del changed[key]
        elif isinstance(value, list):
            changed[key] = list(_without_addresses(value, query))
    callback = (changed.get("notify") or {}).get("callback") or {}
    if query.is_number(str(callback.get("number") or "")):
        rest = {key: value for key, value in callback.items() if key != "number"}
        changed["notify"] = {**changed["notify"], "callback": rest}
    if query.is_number(str(changed.get("operator_number") or "")):
        del changed["operator_number"]
    return changed


def _without_addresses(addresses: Iterable[Any], query: PersonQuery) -> Iterable[Any]:
    return (address for address in addresses if str(address).lower() not in query.addresses)


def _stop_using_name(connection: sqlite3.Connection, media: sqlite3.Row) -> None:
    """Remove a recorded name that is gone from the settings of mailboxes."""
    sql = "SELECT id, settings FROM boxes WHERE account_id = ? AND instr(settings, ?) > 0"
    for box in connection.execute(sql, (media["account_id"], media["id"])).fetchall():
        settings = json.loads(box["settings"])
        if (settings.get("media") or {}).get("name") == media["id"]:
            del settings["media"]["name"]
            connection.execute(
                "UPDATE boxes SET settings = ?, revision = revision + 1 WHERE id = ?", (json.dumps(settings), box["id"])
            )


def _empty_box(connection: sqlite3.Connection, box_id: str, now: int) -> None:
    """Delete a mailbox and its contents; the number remains until its light is out and retention removes the row."""
    row = connection.execute("SELECT * FROM boxes WHERE id = ?", (box_id,)).fetchone()
    for media in connection.execute("SELECT * FROM media WHERE box_id = ?", (box_id,)).fetchall():
        removal.purge_media(connection, media, now, REASON)
    for table in ("box_numbers", "notification_throttle", "edge_recordings"):
        connection.execute(f"DELETE FROM {table} WHERE box_id = ?", (box_id,))
    connection.execute("UPDATE folder_counters SET messages = 0, bytes = 0 WHERE box_id = ?", (box_id,))
    connection.execute("DELETE FROM secrets WHERE account_id = ? AND ref = ?", (row["account_id"], f"box:{box_id}:pin"))
    numbers = json.loads(row["settings"]).get("numbers") or []
    settings = {"mailbox": row["mailbox"], "name": row["mailbox"], "numbers": numbers}
    connection.execute(
        "UPDATE boxes SET settings = ?, owner_id = NULL, deleted_at = coalesce(deleted_at, ?), last_sign_in_at = NULL,"
        " revision = revision + 1 WHERE id = ?",
        (json.dumps(settings), now, box_id),
    )
    events.enqueue_mwi(connection, row["account_id"], box_id, now)
