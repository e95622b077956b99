"""Wrong tokens and credentials, counted by the address they come from: 20 an hour, then all from there wait.

A try is charged before it is tested, so that many at the same moment get no more than one after another.
"""

from __future__ import annotations

import sqlite3

from ivr.clock import Clock
from ivr.database.file import Database
from ivr.errors import TooManyTries

AN_HOUR = 20
HOUR_S = 3600
SCOPE = "address"


class Tries:
    """The counters of one database file; rows of `failures`, beside those of wrong PINs."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def charge(self, address: str) -> None:
        """Count one failure in advance. Raises `TooManyTries` where there were enough."""
        now = int(self._clock.now())
        if await self._database.read(lambda c: _left(c, address, now)) <= 0:
            raise _refused()

        def verb(connection: sqlite3.Connection) -> bool:
            left = _left(connection, address, now)
            if left == AN_HOUR:
                row = ("", SCOPE, address, 1, now, 0, 0)
                connection.execute("INSERT OR REPLACE INTO failures VALUES (?, ?, ?, ?, ?, ?, ?)", row)
            elif left > 0:
                sql = "UPDATE failures SET failed = failed + 1 WHERE account_id = '' AND scope = ? AND subject = ?"
                connection.execute(sql, (SCOPE, address))
            return left > 0

        if not await self._database.write(verb):
            raise _refused()

    async def forgive(self, address: str) -> None:
        """It was right: the charge is taken back."""
        sql = "UPDATE failures SET failed = max(0, failed - 1) WHERE account_id = '' AND scope = ? AND subject = ?"
        await self._database.write(lambda c: c.execute(sql, (SCOPE, address)).rowcount)


def _left(connection: sqlite3.Connection, address: str, now: int) -> int:
    sql = "SELECT failed, counted_from FROM failures WHERE account_id = '' AND scope = ? AND subject = ?"
    row = connection.execute(sql, (SCOPE, address)).fetchone()
    return AN_HOUR - int(row["failed"]) if row and now - row["counted_from"] < HOUR_S else AN_HOUR


def _refused() -> TooManyTries:
    return TooManyTries("too many wrong tokens or credentials came from your address: wait an hour")
