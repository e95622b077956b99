"""Adds tasks to the outbox, within the transaction of the change that they follow."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from ivr.storage.database import DATABASE_TIME
from ivr.storage.records import FORGOTTEN_AFTER_S, Message, PublishedLights, TaskKind
from ivr.storage.sqlite import message_rows

_IS_KNOWN = f"seen_at >= {DATABASE_TIME} - {FORGOTTEN_AFTER_S}"
_KNOWN_ASTERISKS = f"SELECT DISTINCT asterisk FROM nodes WHERE {_IS_KNOWN}"
_ENQUEUE_MWI_SQL = (
    "INSERT INTO outbox (account_id, box_id, kind, target, payload, created_at, due_at, attempts)"
    f" SELECT {{}}, 'mwi', asterisk, '{{{{}}}}', ?, ?, 0 FROM ({_KNOWN_ASTERISKS}"
    f" UNION ALL SELECT '' WHERE NOT EXISTS (SELECT 1 FROM nodes WHERE {_IS_KNOWN})) AS known {{}} WHERE true"
    " ON CONFLICT (box_id, target) WHERE kind = 'mwi' DO UPDATE SET created_at = excluded.created_at,"
    " due_at = min(outbox.due_at, excluded.due_at), lease = NULL"
    " WHERE outbox.lease IS NOT NULL OR outbox.due_at > excluded.due_at"
    " OR outbox.created_at <> excluded.created_at"  # Else nothing is to be written.
)
"""Placeholders: the account and the mailbox; a join that has them."""
_ENQUEUE_MWI_OF_BOX_SQL = _ENQUEUE_MWI_SQL.format("?, ?", "")
_ENQUEUE_MWI_OF_ACCOUNT_SQL = _ENQUEUE_MWI_SQL.format(
    "boxes.account_id, boxes.id", "JOIN boxes ON boxes.account_id = ? AND boxes.deleted_at IS NULL"
)


def enqueue(
    connection: sqlite3.Connection,
    kind: TaskKind,
    now: int,
    *,
    account_id: str,
    box_id: str,
    message_id: str | None = None,
    target: str = "",
    due_at: int | None = None,
    payload: Mapping[str, Any] | None = None,
) -> None:
    """Add a task, due now or at `due_at` (Unix s). A call that is enqueued already stays as it is."""
    connection.execute(
        "INSERT INTO outbox (account_id, box_id, message_id, kind, target, payload, created_at, due_at, attempts, uid)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, lower(hex(randomblob(16))))"
        " ON CONFLICT (box_id, target) WHERE kind = 'call' DO NOTHING",
        (account_id, box_id, message_id, kind, target, json.dumps(payload or {}), now, due_at or now),
    )


def enqueue_for_message(
    connection: sqlite3.Connection, kind: TaskKind, message: Message, now: int, **payload: object
) -> None:
    """Add a task about a message."""
    enqueue(
        connection,
        kind,
        now,
        account_id=message.account_id,
        box_id=message.box_id,
        message_id=message.id,
        payload=payload,
    )


def enqueue_for_box(connection: sqlite3.Connection, kind: TaskKind, account_id: str, box_id: str, now: int) -> None:
    """Add a task about a mailbox."""
    enqueue(connection, kind, now, account_id=account_id, box_id=box_id)


def enqueue_phone_mwi(
    connection: sqlite3.Connection, account_id: str, system: str, endpoint_name: str, now: int
) -> None:
    """Add an update of the message light of a phone; its user is looked up when the task is processed.

    It is for the services of the phone's Asterisk. One that no node has sets the lights of all phones when it returns.
    """
    known = [row[0] for row in connection.execute(_KNOWN_ASTERISKS)]
    if known and system not in known:
        return
    enqueue(
        connection,
        TaskKind.PHONE_MWI,
        now,
        account_id=account_id,
        box_id="",
        target=endpoint_name,
        payload={"system": system},
    )


def enqueue_box_locked(connection: sqlite3.Connection, account_id: str, box_id: str, now: int) -> None:
    """Add the notification that wrong PINs have locked the mailbox."""
    enqueue_for_box(connection, TaskKind.BOX_LOCKED, account_id, box_id, now)


def enqueue_mwi(connection: sqlite3.Connection, account_id: str, box_id: str, now: int) -> None:
    """Add an update of the message light of a mailbox at each Asterisk; `target` is its name, "" before any is known.

    An update in progress has to be repeated: its lease ends here.
    """
    connection.execute(_ENQUEUE_MWI_OF_BOX_SQL, (account_id, box_id, now, now))


def enqueue_mwi_of_account(connection: sqlite3.Connection, account_id: str, now: int) -> None:
    """Add an update of the message lights of all mailboxes of an account."""
    connection.execute(_ENQUEUE_MWI_OF_ACCOUNT_SQL, (now, now, account_id))


def add_published_lights(connection: sqlite3.Connection, system: str, lights: Sequence[PublishedLights]) -> None:
    """Store lights that are about to be published to an Asterisk, beside what is stored already."""
    connection.executemany(
        "INSERT INTO published_lights (asterisk, box_id, endpoint, name) VALUES (?, ?, ?, ?)"
        " ON CONFLICT DO NOTHING",  # Another service may store the same lights at once.
        [(system, one.box_id, one.endpoint, name) for one in lights for name in one.names],
    )


def record_lights_published(
    connection: sqlite3.Connection, system: str, box_ids: Sequence[str], former: Sequence[PublishedLights], now: int
) -> None:
    """Store when lights of mailboxes were published to an Asterisk, and forget the `former` ones, which went out."""
    sql = "UPDATE boxes SET light_published_at = ? WHERE id = ? AND coalesce(light_published_at, 0) < ?"
    connection.executemany(sql, [(now, box, now) for box in sorted(box_ids)])
    connection.executemany(
        "DELETE FROM published_lights WHERE asterisk = ? AND box_id = ? AND endpoint = ? AND name = ?",
        [(system, one.box_id, one.endpoint, name) for one in former for name in one.names],
    )


class SqliteTransaction:
    """The open transaction of `connection`, which began at `now` (Unix s)."""

    def __init__(self, connection: sqlite3.Connection, now: int) -> None:
        self._connection = connection
        self._now = now

    @property
    def now(self) -> int:
        return self._now

    def enqueue(
        self,
        kind: TaskKind,
        *,
        account_id: str,
        box_id: str,
        message_id: str | None = None,
        target: str = "",
        due_at: int | None = None,
        payload: Mapping[str, Any] | None = None,
    ) -> None:
        enqueue(
            self._connection,
            kind,
            self._now,
            account_id=account_id,
            box_id=box_id,
            message_id=message_id,
            target=target,
            due_at=due_at,
            payload=payload,
        )

    def acquire_throttle(self, subject: str, *, account_id: str, box_id: str, interval_s: int) -> bool:
        changed = self._connection.execute(
            "INSERT INTO notification_throttle (account_id, box_id, kind, notified_at)"
            " VALUES (?, ?, ?, ?) ON CONFLICT (box_id, kind) DO UPDATE SET notified_at = excluded.notified_at"
            " WHERE notification_throttle.notified_at <= excluded.notified_at - ?",
            (account_id, box_id, subject, self._now, interval_s),
        ).rowcount
        return changed > 0

    def release_throttle(self, subject: str, box_id: str) -> None:
        sql = "DELETE FROM notification_throttle WHERE box_id = ? AND kind = ?"
        self._connection.execute(sql, (box_id, subject))

    def has_task(self, kind: TaskKind, message_id: str) -> bool:
        sql = "SELECT 1 FROM outbox WHERE message_id = ? AND kind = ? LIMIT 1"
        return self._connection.execute(sql, (message_id, kind)).fetchone() is not None

    def record_mailed_without_audio(self, message_id: str) -> None:
        self._connection.execute("UPDATE messages SET mailed_without_audio = 1 WHERE id = ?", (message_id,))

    def record_lights_published(self, system: str, box_ids: Sequence[str], former: Sequence[PublishedLights]) -> None:
        record_lights_published(self._connection, system, box_ids, former, self._now)

    def set_transcription(self, message: Message, transcription: str) -> None:
        message_rows.set_transcription(self._connection, message, transcription)
