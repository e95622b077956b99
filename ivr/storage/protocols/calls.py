"""Storage interface of calls."""

from __future__ import annotations

from typing import Protocol

from ivr.storage.records import CallRecord, InterruptedCall, LiveCall


class CallStore(Protocol):
    """Calls in progress, and the records of finished calls."""

    async def begin(self, call: LiveCall) -> str:
        """Store a call that has begun; return the id that its record will have."""

    async def finish(self, call: CallRecord) -> None:
        """Store the record of a finished call."""

    async def record_sign_in(self, call_id: str, box_id: str, own_phone: bool) -> None:
        """Store which mailbox a call has signed in to."""

    async def take_over(self, channel: str, uniqueid: str, now: int) -> InterruptedCall | None:
        """Close and return what another service, or an earlier run, had stored of this call."""


class HeartbeatStore(Protocol):
    """The heartbeats of services that share a data folder, on the rows of their calls. Times are Unix seconds."""

    async def record_heartbeat(self, instance: str, now: int) -> None:
        """Store that a service, and with it each of its calls, is alive."""

    async def orphaned_calls(self, instance: str, last_seen_before: int) -> list[LiveCall]:
        """Return the calls of services other than `instance` without a heartbeat since then."""

    async def close_stale(self, now: int) -> None:
        """Close calls that have had no heartbeat for a minute and that no service has taken over."""
