"""The record of one call in the store: opened at its start, marked at each sign-in, completed at its end.

While the call goes on its row is in `live_calls`. Over ARI a call outlives the service that handles it; another service
then finds there what the first one knew (`claim_interrupted_call`).
"""

from __future__ import annotations

import asyncio

import structlog

from ivr.call.base import Call
from ivr.clock import Clock
from ivr.errors import IvrError
from ivr.mailbox.mailbox import Mailbox
from ivr.menus.dialplan_status import Status
from ivr.storage.protocols import CallStore
from ivr.storage.records import CallRecord, InterruptedCall, LiveCall

log = structlog.get_logger()


class OpenCallRecord:
    """The record of a call that is in progress. A store error is logged and never ends the call.

    `instance`: the name of this service, if calls outlive it (ARI). Only then are sign-ins recorded and interrupted
    calls claimed.
    """

    def __init__(self, call: Call, call_store: CallStore, clock: Clock, instance: str | None) -> None:
        self.account_id: str | None = None
        self.box_id: str | None = None
        self._call = call
        self._call_store = call_store
        self._clock = clock
        self._instance = instance
        self._began_at = int(clock.now())
        self._row_id: asyncio.Task[str]
        self._sign_in_tasks: set[asyncio.Task[None]] = set()

    async def claim_interrupted_call(self) -> InterruptedCall | None:
        """Return what another service, or an earlier run of this one, had recorded of this call."""
        incoming = self._call.incoming
        if not self._instance:
            return None
        try:
            interrupted_call = await self._call_store.take_over(
                incoming.channel, incoming.uniqueid, int(self._clock.now())
            )
        except IvrError as error:
            log.warning("call.resume_failed", channel=incoming.channel, error=str(error))
            return None
        if interrupted_call:
            log.info("call.resumed", channel=incoming.channel, box=interrupted_call.box_id)
            self._call.journal.note("resumed")
        return interrupted_call

    def open(self) -> None:
        """Start to write the row of the live call. The first prompt does not wait for it."""
        self._row_id = asyncio.create_task(self._insert_live_call())

    async def wait_until_open(self) -> str:
        """Return the id of the row, "" if it could not be written."""
        return await self._row_id

    def on_sign_in(self, mailbox: Mailbox, own_phone: bool) -> None:
        """Record a sign-in in the background, so that a service that resumes the call can skip it."""
        if self._instance:
            task = asyncio.create_task(self._update_sign_in(mailbox, own_phone))
            self._sign_in_tasks.add(task)
            task.add_done_callback(self._sign_in_tasks.discard)

    async def close(self, status: Status | None) -> None:
        """Replace the row of the live call by the complete record."""
        incoming = self._call.incoming
        record = CallRecord(
            channel=incoming.channel,
            caller_number=incoming.caller_number,
            action=str(incoming.arguments.action),
            status=status or Status.DONE,
            began_at=self._began_at,
            ended_at=int(self._clock.now()),
            account_id=self.account_id,
            box_id=self.box_id,
            id=await self.wait_until_open(),
            steps=[{"at_ms": step.at_ms, "what": step.event, **step.details} for step in self._call.journal.entries],
        )
        try:
            await self._call_store.finish(record)
        except IvrError as error:
            log.warning("call.record_not_stored", channel=incoming.channel, error=str(error))

    async def _insert_live_call(self) -> str:
        incoming = self._call.incoming
        live_call = LiveCall(
            channel=incoming.channel,
            caller_number=incoming.caller_number,
            action=str(incoming.arguments.action),
            number=incoming.arguments.number or "",
            began_at=self._began_at,
            uniqueid=incoming.uniqueid if self._instance else None,
            instance=self._instance,
        )
        try:
            return await self._call_store.begin(live_call)
        except IvrError as error:
            log.warning("call.record_not_opened", channel=incoming.channel, error=str(error))
            return ""

    async def _update_sign_in(self, mailbox: Mailbox, own_phone: bool) -> None:
        try:
            await self._call_store.record_sign_in(await self._row_id, mailbox.id, own_phone)
        except IvrError as error:
            log.warning("call.sign_in_not_recorded", error=str(error))
