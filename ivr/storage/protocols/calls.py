"""Storage interface of calls: in progress, finished, and those of services that have died."""

from __future__ import annotations

from typing import Protocol

from ivr.storage.records import CallQuery, CallRecord, InterruptedCall, LiveCall


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
        """Return the calls of other services at the same Asterisk without a heartbeat since then."""

    async def close_stale(self, now: int) -> None:
        """Close calls that have had no heartbeat for a minute and that no service has taken over."""


class CallLogStore(CallStore, HeartbeatStore, Protocol):
    """All that is stored of calls: what a service writes, and what commands and the start of a service read."""

    async def close_unfinished(self, now: int, started_before: int | None = None) -> int:
        """Write the record of calls that an earlier run on this node did not finish; return how many.

        Calls of a process that lives are never closed. Calls that can outlive their service are closed only after a
        minute without a heartbeat. Of the others, only those that began before `started_before` (Unix s; None: all).
        """

    async def live_calls(self) -> list[LiveCall]:
        """Return the calls in progress, oldest first."""

    async def recent_calls(self, query: CallQuery, limit: int) -> list[CallRecord]:
        """Return calls, newest first."""

    async def get(self, call_id: str, not_before: int) -> CallRecord:
        """Return the call whose id is or begins with `call_id`. Raises `NotFound`; `BadInput` if several match."""
