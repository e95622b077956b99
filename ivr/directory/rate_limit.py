"""Wrong tokens and credentials, counted by the address they come from: 20 an hour, then all from there wait.

A try is charged before it is tested, so that many at the same moment get no more than one after another.
"""

from __future__ import annotations

import sqlite3

from ivr.clock import Clock
from ivr.errors import RateLimited
from ivr.storage.sqlite.database import Database

ATTEMPTS_PER_HOUR = 20
HOUR_S = 3600
SCOPE = "address"


class RateLimiter:
    """The counters of one database file; rows of `failures`, beside those of wrong PINs."""

    def __init__(self, database: Database, clock: Clock, attempts_per_hour: int = ATTEMPTS_PER_HOUR) -> None:
        self._database = database
        self._clock = clock
        self._attempts_per_hour = attempts_per_hour

    async def register_attempt(self, address: str) -> None:
        """Count one failure in advance. Raises `RateLimited` where there were enough."""
        now = int(self._clock.now())
        if await self._database.read(lambda c: _attempts_in_window(c, address, now)) >= self._attempts_per_hour:
            raise _rate_limited_error()

        def verb(connection: sqlite3.Connection) -> bool:
            counted = _attempts_in_window(connection, address, now)
            if counted == 0:
                row = ("", SCOPE, address, 1, now, 0, 0)
                connection.execute("INSERT OR REPLACE INTO failures VALUES (?, ?, ?, ?, ?, ?, ?)", row)
            elif counted < self._attempts_per_hour:
                sql = "UPDATE failures SET failed = failed + 1 WHERE account_id = '' AND scope = ? AND subject = ?"
                connection.execute(sql, (SCOPE, address))
            return counted < self._attempts_per_hour

        if not await self._database.write(verb):
            raise _rate_limited_error()

    async def withdraw_attempt(self, address: str) -> None:
        """It was right: the charge is taken back."""
        sql = "UPDATE failures SET failed = max(0, failed - 1) WHERE account_id = '' AND scope = ? AND subject = ?"
        await self._database.write(lambda c: c.execute(sql, (SCOPE, address)).rowcount)


def _attempts_in_window(connection: sqlite3.Connection, address: str, now: int) -> int:
    sql = "SELECT failed, counted_from FROM failures WHERE account_id = '' AND scope = ? AND subject = ?"
    row = connection.execute(sql, (SCOPE, address)).fetchone()
    return int(row["failed"]) if row and now - row["counted_from"] < HOUR_S else 0


def _rate_limited_error() -> RateLimited:
    return RateLimited("too many wrong tokens or credentials came from your address: wait an hour")
