"""Storage interface of calls."""

from __future__ import annotations

from typing import Protocol

from ivr.storage.records import CallRecord, InterruptedCall, LiveCall


class CallStore(Protocol):
    """Calls: those that go on, and the records of those that are over."""

    async def begin(self, call: LiveCall) -> str:
        """A call has begun; gives the id that its record will have."""

    async def finish(self, call: CallRecord) -> None:
        """Keep the record of a call: it is over."""

    async def record_sign_in(self, call_id: str, box_id: str, own_phone: bool) -> None:
        """Somebody has signed in to a box in this call."""

    async def take_over(self, channel: str, uniqueid: str, now: int) -> InterruptedCall | None:
        """What another service, or an earlier run of this one, knew of this call, which it no longer has."""
