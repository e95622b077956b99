"""Retention, in SQLite: each statement reads along one index, oldest first, and no more rows than its limit."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Sequence
from pathlib import PurePosixPath

from ivr.clock import Clock
from ivr.storage.database import Database
from ivr.storage.records import AuditEntry, DueItem, MediaDirectory, PendingUnlink, RetentionRule, StoredAudio
from ivr.storage.sqlite import audit, audit_rows, message_rows, message_search, removal

DUE_QUERIES = {
    RetentionRule.DELETED: "SELECT *, folder_changed_at AS since FROM messages"
    " WHERE folder = 'deleted' AND folder_changed_at < :before"
    " AND deleted_at IS NULL AND expired_at IS NULL ORDER BY folder_changed_at LIMIT :limit",
    RetentionRule.SOFT_DELETED: "SELECT *, deleted_at AS since FROM messages WHERE deleted_at IS NOT NULL"
    " AND deleted_at < :before ORDER BY deleted_at LIMIT :limit",
    RetentionRule.EXPIRED: "SELECT *, expired_at AS since FROM messages WHERE expired_at IS NOT NULL"
    " AND deleted_at IS NULL AND expired_at < :before ORDER BY expired_at LIMIT :limit",
    RetentionRule.BOX: "SELECT *, id AS box_id, deleted_at AS since FROM boxes WHERE deleted_at IS NOT NULL"
    " AND deleted_at < :before ORDER BY deleted_at LIMIT :limit",
    RetentionRule.MEDIA: "SELECT *, deleted_at AS since FROM media WHERE deleted_at IS NOT NULL"
    " AND deleted_at < :before ORDER BY deleted_at LIMIT :limit",
    RetentionRule.AWAITING_OWNER: "SELECT *, began_at AS since FROM takes WHERE state = 'awaiting_owner'"
    " AND began_at < :before ORDER BY began_at LIMIT :limit",
    RetentionRule.CALL_RECORD: "SELECT id, account_id, box_id, began_at AS since FROM calls WHERE began_at < :before"
    " ORDER BY began_at LIMIT :limit",
    RetentionRule.AUDIT: "SELECT id, account_id, box_id, at AS since FROM audit WHERE at < :before"
    " ORDER BY at LIMIT :limit",
    # An active lock was counted within the last hour, so the statement never selects it.
    RetentionRule.AUTH_ATTEMPTS: "SELECT rowid AS id, account_id, '' AS box_id, window_started_at AS since"
    " FROM auth_attempts WHERE window_started_at < :before ORDER BY window_started_at LIMIT :limit",
}
OWNING_ROW_QUERIES = {
    MediaDirectory.MESSAGES: ("SELECT id FROM messages WHERE id = substr(?1, 1, 39) AND coalesce(audio_id, id) = ?1",),
    MediaDirectory.MEDIA: ("SELECT id FROM media WHERE id = ?", "SELECT intro_id FROM messages WHERE intro_id = ?"),
    MediaDirectory.TAKES: ("SELECT id FROM takes WHERE id = ?",),
}
MEDIA_REFERENCE_QUERIES = (
    "SELECT 1 FROM boxes WHERE account_id = :account AND instr(settings, :media) > 0 LIMIT 1",
    "SELECT 1 FROM users WHERE account_id = :account AND instr(settings, :media) > 0 LIMIT 1",
)
"""Ids are 32 random digits, so a match anywhere in the settings is enough. Settings of deleted mailboxes count too."""


class SqliteRetention:
    """The `RetentionStore` of one database file."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def messages_past_retention(self, account_id: str, not_before: int, limit: int) -> list[DueItem]:
        old = await self._database.read(lambda c: message_rows.messages_older_than(c, account_id, not_before, limit))
        return [DueItem(RetentionRule.PAST_RETENTION, m.id, m.account_id, m.box_id, m.time) for m in old]

    async def find_due(self, rule: RetentionRule, cutoff: int, limit: int) -> list[DueItem]:
        return await self._database.read(
            lambda c: [_due_item_from_row(rule, row) for row in _select_due(c, rule, cutoff, limit)]
        )

    async def apply_rule(
        self, rule: RetentionRule, cutoff: int, limit: int, to_entry: Callable[[DueItem], AuditEntry] | None
    ) -> list[DueItem]:
        if not await self.find_due(rule, cutoff, 1):
            return []  # The usual case, without a write transaction.
        now = int(self._clock.now())

        def apply(connection: sqlite3.Connection) -> list[DueItem]:
            rows = _select_due(connection, rule, cutoff, limit)
            items = [_due_item_from_row(rule, row) for row in rows if RULE_ACTIONS[rule](connection, row, now)]
            if to_entry:
                connection.executemany(audit_rows.INSERT, [audit_rows.to_values(to_entry(item)) for item in items])
            return items

        return await self._database.write(apply)

    async def pending_unlinks(self, limit: int, *, replaced_before: int) -> list[PendingUnlink]:
        sql = (
            "SELECT id, pending_unlinks FROM tombstones WHERE pending_unlinks IS NOT NULL"
            " AND (kind <> ? OR purged_at < ?) ORDER BY purged_at LIMIT ?"
        )
        values = (removal.REPLACED_AUDIO, replaced_before, limit)
        rows = await self._database.read(lambda c: c.execute(sql, values).fetchall())
        return [PendingUnlink(row["id"], tuple(map(PurePosixPath, json.loads(row["pending_unlinks"])))) for row in rows]

    async def purge_search_words(self, *, begin: bool) -> bool:
        return await self._database.write(lambda c: message_search.purge_removed(c, begin=begin))

    async def mark_unlinked(self, ids: Sequence[str]) -> None:
        def clear_pending_unlinks(connection: sqlite3.Connection) -> None:
            for id_ in ids:
                connection.execute("DELETE FROM tombstones WHERE id = ? AND kind = ?", (id_, removal.REPLACED_AUDIO))
                connection.execute("UPDATE tombstones SET pending_unlinks = NULL WHERE id = ?", (id_,))

        await self._database.write(clear_pending_unlinks)

    async def unused_media(self, after: str, cutoff: int, limit: int) -> tuple[str | None, list[str]]:
        sql = "SELECT * FROM media WHERE id > ? ORDER BY id LIMIT ?"

        def find_unused(connection: sqlite3.Connection) -> tuple[str | None, list[str]]:
            rows = connection.execute(sql, (after, limit)).fetchall()
            old = [row for row in rows if row["deleted_at"] is None and row["created_at"] < cutoff]
            unused = [row["id"] for row in old if not _is_referenced(connection, row)]
            return (rows[-1]["id"] if len(rows) == limit else None), unused

        return await self._database.read(find_unused)

    async def soft_delete_media(self, media_ids: Sequence[str]) -> None:
        now = int(self._clock.now())

        def soft_delete_unused(connection: sqlite3.Connection) -> None:
            for media_id in media_ids:
                row = connection.execute("SELECT * FROM media WHERE id = ?", (media_id,)).fetchone()
                if row and row["deleted_at"] is None and not _is_referenced(connection, row):
                    connection.execute("UPDATE media SET deleted_at = ? WHERE id = ?", (now, media_id))

        await self._database.write(soft_delete_unused)

    async def existing_ids(self, media_directory: MediaDirectory, ids: Collection[str]) -> set[str]:
        def select_existing(connection: sqlite3.Connection) -> set[str]:
            return {
                id_
                for id_ in ids
                if any(
                    connection.execute(sql, (id_,)).fetchone() is not None
                    for sql in OWNING_ROW_QUERIES[media_directory]
                )
            }

        return await self._database.read(select_existing)

    async def stored_audio(self, after: str, limit: int) -> tuple[str | None, list[StoredAudio]]:
        sql = "SELECT * FROM messages WHERE id > ? ORDER BY id LIMIT ?"
        rows = await self._database.read(lambda c: c.execute(sql, (after, limit)).fetchall())
        audible = [row for row in rows if row["deleted_at"] is None and row["expired_at"] is None and row["bytes"]]
        messages = map(message_rows.message_from_row, audible)
        stored_audio = [StoredAudio(m.id, m.recording, m.account_id, m.box_id, m.intro_id) for m in messages]
        return (rows[-1]["id"] if len(rows) == limit else None), stored_audio


def _select_due(connection: sqlite3.Connection, rule: RetentionRule, cutoff: int, limit: int) -> list[sqlite3.Row]:
    return connection.execute(DUE_QUERIES[rule], {"before": cutoff, "limit": limit}).fetchall()


def _due_item_from_row(rule: RetentionRule, row: sqlite3.Row) -> DueItem:
    return DueItem(rule, str(row["id"]), row["account_id"] or "", row["box_id"] or "", row["since"])


def _is_referenced(connection: sqlite3.Connection, media: sqlite3.Row) -> bool:
    values = {"account": media["account_id"], "media": media["id"]}
    return any(connection.execute(sql, values).fetchone() is not None for sql in MEDIA_REFERENCE_QUERIES)


def _soft_delete(connection: sqlite3.Connection, row: sqlite3.Row, now: int) -> bool:
    removal.soft_delete(connection, message_rows.message_from_row(row), now)
    return True


def _purge_action(
    purge: Callable[[sqlite3.Connection, sqlite3.Row, int, str], bool | None], rule: RetentionRule
) -> Callable[[sqlite3.Connection, sqlite3.Row, int], bool]:
    return lambda connection, row, now: purge(connection, row, now, rule.value) is not False


def _delete_action(table: str, column: str) -> Callable[[sqlite3.Connection, sqlite3.Row, int], bool]:
    sql = f"DELETE FROM {table} WHERE {column} = ?"
    return lambda connection, row, _: connection.execute(sql, (row["id"],)).rowcount == 1


RULE_ACTIONS: dict[RetentionRule, Callable[[sqlite3.Connection, sqlite3.Row, int], bool]] = {
    RetentionRule.DELETED: _soft_delete,
    RetentionRule.SOFT_DELETED: _purge_action(removal.purge_message, RetentionRule.SOFT_DELETED),
    RetentionRule.EXPIRED: _purge_action(removal.purge_message, RetentionRule.EXPIRED),
    RetentionRule.BOX: _purge_action(removal.purge_box_if_empty, RetentionRule.BOX),
    RetentionRule.MEDIA: _purge_action(removal.purge_media, RetentionRule.MEDIA),
    RetentionRule.AWAITING_OWNER: _purge_action(removal.purge_take, RetentionRule.AWAITING_OWNER),
    RetentionRule.CALL_RECORD: _delete_action("calls", "id"),
    RetentionRule.AUTH_ATTEMPTS: _delete_action("auth_attempts", "rowid"),
    RetentionRule.AUDIT: audit.remove_expired,
}
"""Applies a rule to a row that is due; returns False if the row has to wait."""
