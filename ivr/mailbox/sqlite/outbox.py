"""What must happen after a change, written by the transaction that makes it, and done later by others."""

from __future__ import annotations

import json
import sqlite3
from enum import StrEnum

from ivr.mailbox.message import Message


class Kind(StrEnum):
    """What an outbox row asks for."""

    NEW = "new"
    """A message came: mail, transcript, call-back."""
    SAVED = "saved"
    DELETED = "deleted"
    FULL = "full"
    """A caller found the box full. One row a caller: how often its owner is told is for those who tell."""
    LIGHT = "light"
    """The message light of the box's devices must be set to its counts; one row a box."""


def put(connection: sqlite3.Connection, kind: Kind, message: Message, now: int, **payload: object) -> None:
    """Ask for `kind` to be done about `message`."""
    connection.execute(
        "INSERT INTO outbox (account_id, box_id, message_id, kind, payload, created_at, due_at, attempts)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, 0)",
        (message.account_id, message.box_id, message.id, kind, json.dumps(payload), now, now),
    )


def about_box(connection: sqlite3.Connection, kind: Kind, account_id: str, box_id: str, now: int) -> None:
    """Ask for `kind` to be done about a box."""
    connection.execute(
        "INSERT INTO outbox (account_id, box_id, kind, payload, created_at, due_at, attempts)"
        " VALUES (?, ?, ?, '{}', ?, ?, 0)",
        (account_id, box_id, kind, now, now),
    )


def light(connection: sqlite3.Connection, account_id: str, box_id: str, now: int) -> None:
    """Ask for the message light of a box to be set anew."""
    connection.execute(
        "INSERT INTO outbox (account_id, box_id, kind, payload, created_at, due_at, attempts)"
        " VALUES (?, ?, 'light', '{}', ?, ?, 0)"
        " ON CONFLICT (box_id) WHERE kind = 'light' DO UPDATE SET created_at = excluded.created_at,"
        " due_at = min(due_at, excluded.due_at)",
        (account_id, box_id, now, now),
    )
