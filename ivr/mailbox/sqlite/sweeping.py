"""The sweeper's statements: each reads along one index, oldest first, and no more rows than its limit."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Sequence
from pathlib import PurePosixPath

from ivr.clock import Clock
from ivr.database.file import Database
from ivr.mailbox.sqlite import removal, rows
from ivr.mailbox.sweeping.rules import HEARD_OUT_S, Audio, Due, Leftover, Rule, Shelf

DUE = {
    Rule.DELETED: "SELECT *, folder_at AS since FROM messages WHERE folder = 'deleted' AND folder_at < :before"
    " AND deleted_at IS NULL AND expired_at IS NULL ORDER BY folder_at LIMIT :limit",
    Rule.SOFT_DELETED: "SELECT *, deleted_at AS since FROM messages WHERE deleted_at IS NOT NULL"
    " AND deleted_at < :before ORDER BY deleted_at LIMIT :limit",
    Rule.EXPIRED: "SELECT *, expired_at AS since FROM messages WHERE expired_at IS NOT NULL AND deleted_at IS NULL"
    " AND expired_at < :before ORDER BY expired_at LIMIT :limit",
    Rule.BOX: "SELECT *, id AS box_id, deleted_at AS since FROM boxes WHERE deleted_at IS NOT NULL"
    " AND deleted_at < :before ORDER BY deleted_at LIMIT :limit",
    Rule.MEDIA: "SELECT *, deleted_at AS since FROM media WHERE deleted_at IS NOT NULL"
    " AND deleted_at < :before ORDER BY deleted_at LIMIT :limit",
    Rule.ASIDE: "SELECT *, began_at AS since FROM takes WHERE state = 'aside' AND began_at < :before"
    " ORDER BY began_at LIMIT :limit",
    Rule.CALL: "SELECT id, account_id, box_id, began_at AS since FROM calls WHERE began_at < :before"
    " ORDER BY began_at LIMIT :limit",
    # A lock that still holds was counted within the last hour, and so is never among them.
    Rule.FAILURE: "SELECT rowid AS id, account_id, '' AS box_id, counted_from AS since FROM failures"
    " WHERE counted_from < :before ORDER BY counted_from LIMIT :limit",
}
KNOWN = {
    Shelf.MESSAGES: ("SELECT id FROM messages WHERE id = substr(?1, 1, 39) AND coalesce(audio, id) = ?1",),
    Shelf.MEDIA: ("SELECT id FROM media WHERE id = ?", "SELECT intro_id FROM messages WHERE intro_id = ?"),
    Shelf.TAKES: ("SELECT id FROM takes WHERE id = ?",),
}
IN_USE = (
    "SELECT 1 FROM boxes WHERE account_id = :account AND instr(settings, :media) LIMIT 1",
    "SELECT 1 FROM users WHERE account_id = :account AND instr(settings, :media) LIMIT 1",
)
"""Ids are 32 random digits, so finding one anywhere in the settings is enough. A deleted box keeps what it has."""


class SqliteSweeping:
    """The `SweepStore` of one database file."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def past_retention(self, account_id: str, not_before: int, limit: int) -> list[Due]:
        old = await self._database.read(lambda c: rows.older_than(c, account_id, not_before, limit))
        return [Due(Rule.RETENTION, m.id, m.account_id, m.box_id, m.time) for m in old]

    async def due(self, rule: Rule, before: int, limit: int) -> list[Due]:
        return await self._database.read(lambda c: [_due(rule, row) for row in _select(c, rule, before, limit)])

    async def carry_out(self, rule: Rule, before: int, limit: int) -> list[Due]:
        if not await self.due(rule, before, 1):
            return []  # Most often; the writer is not troubled then.
        now = int(self._clock.now())

        def verb(connection: sqlite3.Connection) -> list[Due]:
            found = _select(connection, rule, before, limit)
            return [_due(rule, row) for row in found if ACTS[rule](connection, row, now)]

        return await self._database.write(verb)

    async def leftovers(self, limit: int) -> list[Leftover]:
        sql = (
            "SELECT id, files FROM tombstones WHERE files IS NOT NULL AND (kind <> ? OR removed_at < ?)"
            " ORDER BY removed_at LIMIT ?"
        )
        values = (removal.REPLACED, int(self._clock.now()) - HEARD_OUT_S, limit)
        found = await self._database.read(lambda c: c.execute(sql, values).fetchall())
        return [Leftover(row["id"], tuple(map(PurePosixPath, json.loads(row["files"])))) for row in found]

    async def files_gone(self, ids: Sequence[str]) -> None:
        def verb(connection: sqlite3.Connection) -> None:
            for id_ in ids:
                connection.execute("DELETE FROM tombstones WHERE id = ? AND kind = ?", (id_, removal.REPLACED))
                connection.execute("UPDATE tombstones SET files = NULL WHERE id = ?", (id_,))

        await self._database.write(verb)

    async def replaced(self, after: str, before: int, limit: int) -> tuple[str | None, list[str]]:
        sql = "SELECT * FROM media WHERE id > ? ORDER BY id LIMIT ?"

        def question(connection: sqlite3.Connection) -> tuple[str | None, list[str]]:
            found = connection.execute(sql, (after, limit)).fetchall()
            old = [row for row in found if row["deleted_at"] is None and row["created_at"] < before]
            unused = [row["id"] for row in old if not _in_use(connection, row)]
            return (found[-1]["id"] if len(found) == limit else None), unused

        return await self._database.read(question)

    async def retire(self, media_ids: Sequence[str]) -> None:
        now = int(self._clock.now())

        def verb(connection: sqlite3.Connection) -> None:
            for media_id in media_ids:
                row = connection.execute("SELECT * FROM media WHERE id = ?", (media_id,)).fetchone()
                if row and row["deleted_at"] is None and not _in_use(connection, row):
                    connection.execute("UPDATE media SET deleted_at = ? WHERE id = ?", (now, media_id))

        await self._database.write(verb)

    async def known(self, shelf: Shelf, ids: Collection[str]) -> set[str]:
        def question(connection: sqlite3.Connection) -> set[str]:
            return {
                id_
                for id_ in ids
                if any(connection.execute(sql, (id_,)).fetchone() is not None for sql in KNOWN[shelf])
            }

        return await self._database.read(question)

    async def audio(self, after: str, limit: int) -> tuple[str | None, list[Audio]]:
        sql = "SELECT * FROM messages WHERE id > ? ORDER BY id LIMIT ?"
        found = await self._database.read(lambda c: c.execute(sql, (after, limit)).fetchall())
        seen = [row for row in found if row["deleted_at"] is None and row["expired_at"] is None and row["bytes"]]
        messages = map(rows.message, seen)
        heard = [Audio(m.id, m.recording, m.account_id, m.box_id, m.intro_id) for m in messages]
        return (found[-1]["id"] if len(found) == limit else None), heard


def _select(connection: sqlite3.Connection, rule: Rule, before: int, limit: int) -> list[sqlite3.Row]:
    return connection.execute(DUE[rule], {"before": before, "limit": limit}).fetchall()


def _due(rule: Rule, row: sqlite3.Row) -> Due:
    return Due(rule, str(row["id"]), row["account_id"] or "", row["box_id"] or "", row["since"])


def _in_use(connection: sqlite3.Connection, media: sqlite3.Row) -> bool:
    values = {"account": media["account_id"], "media": media["id"]}
    return any(connection.execute(sql, values).fetchone() is not None for sql in IN_USE)


def _vanish(connection: sqlite3.Connection, row: sqlite3.Row, now: int) -> bool:
    removal.vanish(connection, rows.message(row), now)
    return True


def _bury(
    bury: Callable[[sqlite3.Connection, sqlite3.Row, int, str], bool | None], rule: Rule
) -> Callable[[sqlite3.Connection, sqlite3.Row, int], bool]:
    return lambda connection, row, now: bury(connection, row, now, rule.value) is not False


def _delete(table: str, column: str) -> Callable[[sqlite3.Connection, sqlite3.Row, int], bool]:
    sql = f"DELETE FROM {table} WHERE {column} = ?"
    return lambda connection, row, _: connection.execute(sql, (row["id"],)).rowcount == 1


ACTS: dict[Rule, Callable[[sqlite3.Connection, sqlite3.Row, int], bool]] = {
    Rule.DELETED: _vanish,
    Rule.SOFT_DELETED: _bury(removal.bury_message, Rule.SOFT_DELETED),
    Rule.EXPIRED: _bury(removal.bury_message, Rule.EXPIRED),
    Rule.BOX: _bury(removal.bury_box, Rule.BOX),
    Rule.MEDIA: _bury(removal.bury_media, Rule.MEDIA),
    Rule.ASIDE: _bury(removal.bury_take, Rule.ASIDE),
    Rule.CALL: _delete("calls", "id"),
    Rule.FAILURE: _delete("failures", "rowid"),
}
"""What is done about a row whose time has come; False where it has to wait."""
