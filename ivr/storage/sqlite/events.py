"""What must happen after a change, written by the transaction that makes it, and done later by others."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from typing import Any

from ivr.storage.records import Message
from ivr.storage.records import TaskKind as TaskKind


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
    """Ask for `kind` to be done, now or at `due_at` (Unix s). A call that is asked for already stays as it is."""
    connection.execute(
        "INSERT INTO outbox (account_id, box_id, message_id, kind, target, payload, created_at, due_at, attempts)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0) ON CONFLICT (box_id, target) WHERE kind = 'call' DO NOTHING",
        (account_id, box_id, message_id, kind, target, json.dumps(payload or {}), now, due_at or now),
    )


def enqueue_for_message(
    connection: sqlite3.Connection, kind: TaskKind, message: Message, now: int, **payload: object
) -> None:
    """Ask for `kind` to be done about `message`."""
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
    """Ask for `kind` to be done about a box."""
    enqueue(connection, kind, now, account_id=account_id, box_id=box_id)


def enqueue_phone_mwi(
    connection: sqlite3.Connection, account_id: str, system: str, endpoint_name: str, now: int
) -> None:
    """Ask for what a phone shows of all boxes of its user to be set anew, whoever that is by then."""
    enqueue(
        connection,
        TaskKind.PHONE_MWI,
        now,
        account_id=account_id,
        box_id="",
        target=endpoint_name,
        payload={"system": system},
    )


LOCK_NOTIFICATION_DELAY_S = 5
"""A lock is charged before the PIN is tested, and taken back where it was right: that takes a moment."""


def enqueue_box_locked(connection: sqlite3.Connection, account_id: str, box_id: str, now: int) -> None:
    """Tell that wrong PINs have locked the box."""
    enqueue(
        connection,
        TaskKind.BOX_LOCKED,
        now,
        account_id=account_id,
        box_id=box_id,
        due_at=now + LOCK_NOTIFICATION_DELAY_S,
    )


def enqueue_mwi(connection: sqlite3.Connection, account_id: str, box_id: str, now: int) -> None:
    """Ask for the message light of a box to be set anew. Whoever is at it must do it again: its lease ends here."""
    connection.execute(
        "INSERT INTO outbox (account_id, box_id, kind, payload, created_at, due_at, attempts)"
        " VALUES (?, ?, 'mwi', '{}', ?, ?, 0)"
        " ON CONFLICT (box_id) WHERE kind = 'mwi' DO UPDATE SET created_at = excluded.created_at,"
        " due_at = min(due_at, excluded.due_at), lease = NULL",
        (account_id, box_id, now, now),
    )
