"""Nodes and leases, in SQLite. The time is that of the database, so nodes with different clocks agree."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence

from ivr.errors import Conflict, NotFound
from ivr.storage.database import DATABASE_TIME, Database
from ivr.storage.process_locks import ProcessLocks
from ivr.storage.records import FORGOTTEN_AFTER_S, LOST_AFTER_S, NodeRecord, NodeStatus, ServiceProcess
from ivr.storage.sqlite.calls import close_interrupted

_NODES = (
    f"SELECT *, {DATABASE_TIME} - seen_at AS silent_s,"
    " (SELECT count(*) FROM takes WHERE takes.node = nodes.name) AS takes,"
    " (SELECT count(*) FROM live_calls WHERE live_calls.node = nodes.name) AS calls FROM nodes ORDER BY name"
)


class SqliteNodes:
    """The `NodeStore` of one database file."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def register(self, node: NodeRecord, verify: Callable[[Sequence[NodeStatus]], None]) -> int | None:
        def verify_and_store(connection: sqlite3.Connection) -> int | None:
            nodes = [_status_from_row(row) for row in connection.execute(_NODES)]
            verify(nodes)
            _store(connection, node)
            return next((status.silent_s for status in nodes if status.node.name == node.name), None)

        return await self._database.write(verify_and_store)

    async def record_sign(self, node: NodeRecord) -> int:
        def store_and_close(connection: sqlite3.Connection) -> int:
            _store(connection, node)
            return _close_calls_of_lost_nodes(connection)

        return await self._database.write(store_and_close)

    async def record_stop(self, name: str) -> None:
        sql = "UPDATE nodes SET is_stopped = 1 WHERE name = ?"
        await self._database.write(lambda c: c.execute(sql, (name,)).rowcount)

    async def list_nodes(self) -> list[NodeStatus]:
        return [_status_from_row(row) for row in await self._database.read(lambda c: c.execute(_NODES).fetchall())]

    async def remove(self, name: str) -> None:
        def remove_stopped(connection: sqlite3.Connection) -> None:
            nodes = {status.node.name: status for status in map(_status_from_row, connection.execute(_NODES))}
            if name not in nodes:
                raise NotFound(f"there is no node {name!r}: see 'ivr node list'")
            if nodes[name].is_running:
                raise Conflict(f"node {name} is running: stop its services first")
            _close_calls(connection, "node = ?", name)
            connection.execute("DELETE FROM nodes WHERE name = ?", (name,))

        await self._database.write(remove_stopped)


TRUSTED_TIME = "trusted time"
"""The row of `leases` that has no holder: its end is the last time that was trusted, by the clock of a node."""


class SqliteLeases:
    """The `LeaseStore` of one database file, for `process`."""

    def __init__(self, database: Database, process: ServiceProcess, locks: ProcessLocks) -> None:
        self._database = database
        self._process = process
        self._locks = locks

    async def acquire(self, name: str, duration_s: int) -> bool:
        self._locks.acquire_run(self._process.run_id)

        def acquire_lease(connection: sqlite3.Connection) -> bool:
            sql = f"SELECT holder, ends_at > {DATABASE_TIME} AS is_valid FROM leases WHERE name = ?"
            row = connection.execute(sql, (name,)).fetchone()
            if row and row["is_valid"] and self._is_held_by_another(row["holder"]):
                return False
            connection.execute(
                f"INSERT INTO leases (name, holder, ends_at) VALUES (?, ?, {DATABASE_TIME} + ?)"
                " ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, ends_at = excluded.ends_at",
                (name, self._process.run_id, duration_s),
            )
            return True

        return await self._database.write(acquire_lease)

    async def trusted_time(self) -> int:
        return await self._database.read(read_trusted_time)

    async def store_trusted_time(self, time: int) -> None:
        sql = (
            "INSERT INTO leases (name, holder, ends_at) VALUES (?, '', ?)"
            " ON CONFLICT (name) DO UPDATE SET ends_at = excluded.ends_at"
        )
        await self._database.write(lambda c: c.execute(sql, (TRUSTED_TIME, time)).rowcount)

    def _is_held_by_another(self, run_id: str) -> bool:
        if run_id == self._process.run_id:
            return False
        return not self._process.is_of_same_node(run_id) or self._locks.has_run(run_id)


def read_trusted_time(connection: sqlite3.Connection) -> int:
    """Return the last time that was trusted, in Unix seconds; 0: none is stored."""
    row = connection.execute("SELECT ends_at FROM leases WHERE name = ?", (TRUSTED_TIME,)).fetchone()
    return row["ends_at"] if row else 0


def _store(connection: sqlite3.Connection, node: NodeRecord) -> None:
    connection.execute(
        "INSERT INTO nodes (name, asterisk, location, folder_id, secret_ids, seen_at, is_stopped)"
        f" VALUES (?, ?, ?, ?, ?, {DATABASE_TIME}, 0) ON CONFLICT (name) DO UPDATE SET asterisk = excluded.asterisk,"
        " location = excluded.location, folder_id = excluded.folder_id, secret_ids = excluded.secret_ids,"
        " seen_at = excluded.seen_at, is_stopped = 0",
        (node.name, node.asterisk, node.location, node.folder_id, json.dumps(node.secret_ids)),
    )


def _close_calls_of_lost_nodes(connection: sqlite3.Connection) -> int:
    """Close the calls of nodes that are lost, and drop the light updates that nothing will publish."""
    connection.execute(
        "DELETE FROM outbox WHERE kind = 'mwi' AND target <> '' AND target NOT IN"
        f" (SELECT asterisk FROM nodes WHERE seen_at >= {DATABASE_TIME} - ?)",
        (FORGOTTEN_AFTER_S,),
    )
    lost = f"node IN (SELECT name FROM nodes WHERE seen_at < {DATABASE_TIME} - ?)"
    return _close_calls(connection, lost, LOST_AFTER_S)


def _close_calls(connection: sqlite3.Connection, where: str, *values: object) -> int:
    now = connection.execute(f"SELECT {DATABASE_TIME}").fetchone()[0]
    rows = connection.execute(f"SELECT * FROM live_calls WHERE {where}", values).fetchall()
    for row in rows:
        close_interrupted(connection, row, now)
    return len(rows)


def _status_from_row(row: sqlite3.Row) -> NodeStatus:
    node = NodeRecord(
        row["name"], row["asterisk"], row["location"], row["folder_id"], tuple(json.loads(row["secret_ids"]))
    )
    return NodeStatus(node, max(0, row["silent_s"]), bool(row["is_stopped"]), row["takes"], row["calls"])
