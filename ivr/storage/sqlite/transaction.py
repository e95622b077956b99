"""The `Transaction` that subscribers and workers receive, on SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any

from ivr.storage.records import Message, TaskKind
from ivr.storage.sqlite import events, message_rows


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
        events.enqueue(
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

    def acquire_throttle(self, kind: TaskKind, *, account_id: str, box_id: str, interval_s: int) -> bool:
        changed = self._connection.execute(
            "INSERT INTO notification_throttle (account_id, box_id, kind, notified_at)"
            " VALUES (?, ?, ?, ?) ON CONFLICT (box_id, kind) DO UPDATE SET notified_at = excluded.notified_at"
            " WHERE notification_throttle.notified_at <= excluded.notified_at - ?",
            (account_id, box_id, kind, self._now, interval_s),
        ).rowcount
        return changed > 0

    def has_task(self, kind: TaskKind, message_id: str) -> bool:
        sql = "SELECT 1 FROM outbox WHERE message_id = ? AND kind = ? LIMIT 1"
        return self._connection.execute(sql, (message_id, kind)).fetchone() is not None

    def set_transcription(self, message: Message, transcription: str) -> None:
        message_rows.set_transcription(self._connection, message, transcription)
