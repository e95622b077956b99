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

    def __init__(self, database: Database, clock: Clock, an_hour: int = AN_HOUR) -> None:
        self._database = database
        self._clock = clock
        self._an_hour = an_hour

    async def charge(self, address: str) -> None:
        """Count one failure in advance. Raises `TooManyTries` where there were enough."""
        now = int(self._clock.now())
        if await self._database.read(lambda c: _counted(c, address, now)) >= self._an_hour:
            raise _refused()

        def verb(connection: sqlite3.Connection) -> bool:
            counted = _counted(connection, address, now)
            if counted == 0:
                row = ("", SCOPE, address, 1, now, 0, 0)
                connection.execute("INSERT OR REPLACE INTO failures VALUES (?, ?, ?, ?, ?, ?, ?)", row)
            elif counted < self._an_hour:
                sql = "UPDATE failures SET failed = failed + 1 WHERE account_id = '' AND scope = ? AND subject = ?"
                connection.execute(sql, (SCOPE, address))
            return counted < self._an_hour

        if not await self._database.write(verb):
            raise _refused()

    async def forgive(self, address: str) -> None:
        """It was right: the charge is taken back."""
        sql = "UPDATE failures SET failed = max(0, failed - 1) WHERE account_id = '' AND scope = ? AND subject = ?"
        await self._database.write(lambda c: c.execute(sql, (SCOPE, address)).rowcount)


def _counted(connection: sqlite3.Connection, address: str, now: int) -> int:
    sql = "SELECT failed, counted_from FROM failures WHERE account_id = '' AND scope = ? AND subject = ?"
    row = connection.execute(sql, (SCOPE, address)).fetchone()
    return int(row["failed"]) if row and now - row["counted_from"] < HOUR_S else 0


def _refused() -> TooManyTries:
    return TooManyTries("too many wrong tokens or credentials came from your address: wait an hour")
