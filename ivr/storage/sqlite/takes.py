"""Takes, in SQLite."""

from __future__ import annotations

import json
import sqlite3

from ivr.errors import NotFound
from ivr.storage.database import DATABASE_TIME, OWN_ROWS, Database
from ivr.storage.records import LOST_AFTER_S, RecordingPurpose, Take, TakeState


class SqliteTakes:
    """The `TakeStore` of one database file."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def change_fingerprint(self) -> bytes:
        return self._database.change_signal()

    async def begin(self, take: Take) -> None:
        values = {
            "id": take.id,
            "account_id": take.account_id,
            "box_id": take.box_id,
            "purpose": take.purpose,
            "state": take.state,
            "channel": take.channel,
            "call_id": take.call_id,
            "caller_number": take.caller_number,
            "caller_name": take.caller_name,
            "path": take.path,
            "payload": json.dumps(dict(take.payload or {})),
            "began_at": take.began_at,
            "node": take.node,
        }
        sql = f"INSERT INTO takes ({', '.join(values)}) VALUES ({', '.join('?' * len(values))})"
        await self._database.write(lambda c: c.execute(sql, tuple(values.values())).rowcount, boxes=OWN_ROWS)

    async def mark_urgent(self, take_id: str, urgent: bool) -> None:
        sql = "UPDATE takes SET payload = json_set(payload, '$.urgent', json(?)) WHERE id = ?"
        await self._database.write(lambda c: c.execute(sql, (json.dumps(urgent), take_id)).rowcount, boxes=OWN_ROWS)

    async def mark_replacing(self, take_id: str, replaced_id: str) -> None:
        sql = "UPDATE takes SET payload = json_set(payload, '$.replaces', ?) WHERE id = ?"
        await self._database.write(lambda c: c.execute(sql, (replaced_id, take_id)).rowcount, boxes=OWN_ROWS)

    async def discard(self, take_id: str) -> None:
        sql = "DELETE FROM takes WHERE id = ?"
        await self._database.write(lambda c: c.execute(sql, (take_id,)).rowcount, boxes=OWN_ROWS)

    async def mark_awaiting_owner(self, take_id: str) -> list[Take]:
        def set_awaiting_owner(connection: sqlite3.Connection) -> list[Take]:
            sql = "UPDATE takes SET state = ? WHERE id = ? RETURNING box_id, purpose"
            row = connection.execute(sql, (TakeState.AWAITING_OWNER, take_id)).fetchone()
            if row is None:
                raise NotFound("this recording was stored or discarded already")
            same_purpose = "FROM takes WHERE box_id = ? AND state = ? AND purpose = ? AND id <> ?"
            values = (row["box_id"], TakeState.AWAITING_OWNER, row["purpose"], take_id)
            older = [_take_from_row(other) for other in connection.execute(f"SELECT * {same_purpose}", values)]
            connection.execute(f"DELETE {same_purpose}", values)
            return older

        return await self._database.write(set_awaiting_owner)

    async def list_awaiting_owner(self, box_id: str) -> list[Take]:
        sql = "SELECT * FROM takes WHERE box_id = ? AND state = ? ORDER BY began_at, id"
        rows = await self._database.read(lambda c: c.execute(sql, (box_id, TakeState.AWAITING_OWNER)).fetchall())
        return [_take_from_row(row) for row in rows]

    async def list_unfinished(self, node: str) -> list[Take]:
        sql = (
            "SELECT * FROM takes WHERE state <> ? AND (node IS NULL OR node = ? OR node NOT IN"
            f" (SELECT name FROM nodes WHERE seen_at >= {DATABASE_TIME} - ?)) ORDER BY began_at, id"
        )
        values = (TakeState.AWAITING_OWNER, node, LOST_AFTER_S)
        return [_take_from_row(row) for row in await self._database.read(lambda c: c.execute(sql, values).fetchall())]

    async def is_recorded_elsewhere(self, box_id: str, node: str) -> bool:
        sql = (
            "SELECT 1 FROM takes JOIN nodes ON nodes.name = takes.node WHERE box_id = ? AND state <> ? AND purpose = ?"
            f" AND node <> ? AND seen_at >= {DATABASE_TIME} - ? LIMIT 1"
        )
        values = (box_id, TakeState.AWAITING_OWNER, RecordingPurpose.MESSAGE, node, LOST_AFTER_S)
        return await self._database.read(lambda c: c.execute(sql, values).fetchone()) is not None


def _take_from_row(row: sqlite3.Row) -> Take:
    return Take(
        id=row["id"],
        account_id=row["account_id"],
        box_id=row["box_id"],
        purpose=RecordingPurpose(row["purpose"]),
        channel=row["channel"] or "",
        path=row["path"],
        began_at=row["began_at"],
        state=TakeState(row["state"]),
        call_id=row["call_id"] or "",
        caller_number=row["caller_number"] or "",
        caller_name=row["caller_name"] or "",
        payload=json.loads(row["payload"]),
        node=row["node"],
    )
