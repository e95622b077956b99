"""Calls that are over, in SQLite."""

from __future__ import annotations

import json

from ivr.database.file import Database
from ivr.ids import Ids
from ivr.mailbox.store import CallRecord


class SqliteCalls:
    """The `CallStore` of one database file."""

    def __init__(self, database: Database, ids: Ids) -> None:
        self._database = database
        self._ids = ids

    async def add(self, call: CallRecord) -> None:
        values = {
            "id": self._ids.document(), "account_id": call.account_id, "box_id": call.box_id, "channel": call.channel,
            "caller_number": call.caller_number, "action": call.action, "status": call.status,
            "began_at": call.began_at, "ended_at": call.ended_at, "steps": json.dumps(list(call.steps)),
        }  # fmt: skip
        sql = f"INSERT INTO calls ({', '.join(values)}) VALUES ({', '.join('?' * len(values))})"
        await self._database.write(lambda c: c.execute(sql, tuple(values.values())).rowcount)
