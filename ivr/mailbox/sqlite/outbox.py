"""What must happen after a change, written by the transaction that makes it, and done later by others."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from ivr.mailbox.message import Message


class Kind(StrEnum):
    """What an outbox row asks for. The first group tells of a change, the second is what then has to be done."""

    NEW = "new"
    """A message came."""
    SAVED = "saved"
    DELETED = "deleted"
    RENEWED = "renewed"
    """It went back to the folder `new`."""
    REMOVED = "removed"
    """It went out of sight for good."""
    FULL = "full"
    """A caller found the box full. One row a caller: how often its owner is told is for those who tell."""
    LOCKED = "locked"
    """Wrong PINs have locked the box."""

    LIGHT = "light"
    """The message light of the box's devices must be set to its counts; one row a box."""
    PHONE = "phone"
    """The phone in `about`, of the Asterisk in the payload, is somebody's now or nobody's: it must show their sum."""
    TRANSCRIPT = "transcript"
    MAIL = "mail"
    """One mail to the address in `about`."""
    AFTER_MAIL = "after-mail"
    """Every mail about a message has been delivered: save or delete it, where the box says so."""
    CALL = "call"
    """A call to the number in `about`, until somebody has answered or nothing is new; one row a number and box."""
    WEBHOOK = "webhook"


def ask(
    connection: sqlite3.Connection, kind: Kind, now: int, *, account_id: str, box_id: str,
    message_id: str | None = None, about: str = "", due_at: int | None = None, payload: Mapping[str, Any] | None = None,
) -> None:  # fmt: skip
    """Ask for `kind` to be done, now or at `due_at` (Unix s). A call that is asked for already stays as it is."""
    connection.execute(
        "INSERT INTO outbox (account_id, box_id, message_id, kind, about, payload, created_at, due_at, attempts)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0) ON CONFLICT (box_id, about) WHERE kind = 'call' DO NOTHING",
        (account_id, box_id, message_id, kind, about, json.dumps(payload or {}), now, due_at or now),
    )


def put(connection: sqlite3.Connection, kind: Kind, message: Message, now: int, **payload: object) -> None:
    """Ask for `kind` to be done about `message`."""
    ask(
        connection, kind, now, account_id=message.account_id, box_id=message.box_id, message_id=message.id,
        payload=payload,
    )  # fmt: skip


def about_box(connection: sqlite3.Connection, kind: Kind, account_id: str, box_id: str, now: int) -> None:
    """Ask for `kind` to be done about a box."""
    ask(connection, kind, now, account_id=account_id, box_id=box_id)


def phone(connection: sqlite3.Connection, account_id: str, system: str, name: str, now: int) -> None:
    """Ask for what a phone shows of all boxes of its user to be set anew, whoever that is by then."""
    ask(connection, Kind.PHONE, now, account_id=account_id, box_id="", about=name, payload={"system": system})


LOCK_SETTLES_S = 5
"""A lock is charged before the PIN is tested, and taken back where it was right: that takes a moment."""


def locked(connection: sqlite3.Connection, account_id: str, box_id: str, now: int) -> None:
    """Tell that wrong PINs have locked the box."""
    ask(connection, Kind.LOCKED, now, account_id=account_id, box_id=box_id, due_at=now + LOCK_SETTLES_S)


def light(connection: sqlite3.Connection, account_id: str, box_id: str, now: int) -> None:
    """Ask for the message light of a box to be set anew. Whoever is at it must do it again: its lease ends here."""
    connection.execute(
        "INSERT INTO outbox (account_id, box_id, kind, payload, created_at, due_at, attempts)"
        " VALUES (?, ?, 'light', '{}', ?, ?, 0)"
        " ON CONFLICT (box_id) WHERE kind = 'light' DO UPDATE SET created_at = excluded.created_at,"
        " due_at = min(due_at, excluded.due_at), lease = NULL",
        (account_id, box_id, now, now),
    )
