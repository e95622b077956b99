"""Storage interface of the health checks."""

from __future__ import annotations

from typing import Protocol

from ivr.storage.records import ZoneUse


class HealthStore(Protocol):
    """What the checks of a running service read and try."""

    @property
    def schema_version(self) -> int:
        """The version of the schema that this process works with."""

    async def verify_writable(self) -> None:
        """Return if a change could be committed now. Raises `StoreError`."""

    async def newest_message_at(self) -> int:
        """Return the Unix time at which the newest message was stored; 0 if there is none."""

    async def trusted_time(self) -> int:
        """Return the Unix time at which retention ran last with a trusted clock; 0: never."""

    async def server_time(self) -> int | None:
        """Return the Unix time by the clock of the database's server; None: it has that of this machine."""

    async def zones(self) -> list[ZoneUse]:
        """Return each time zone in use once, with one account, user or box that uses it."""
