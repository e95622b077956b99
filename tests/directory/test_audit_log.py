"""When entries of the audit log are stored."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from ivr.directory.audit_log import AuditLog
from ivr.errors import StoreError
from ivr.storage.records import Actor, AuditAction, AuditEntry, AuditQuery, Door
from tests.support.app_fixture import FakeClock

ACTOR = Actor(Door.REST, "", "127.0.0.1", "link")


class Transactions:
    """An `AuditStore` that keeps what each transaction appended. `error`: raised instead."""

    def __init__(self, error: StoreError | None = None) -> None:
        self.error = error
        self.committed: list[list[str]] = []

    async def append(self, entries: Sequence[AuditEntry]) -> None:
        if self.error:
            raise self.error
        self.committed.append([entry.subject for entry in entries])

    async def find(self, query: AuditQuery, limit: int) -> list[AuditEntry]:
        raise NotImplementedError


def fetch(audit_log: AuditLog, message_id: str) -> None:
    audit_log.record_soon(ACTOR, AuditAction.FETCHED, account_id="a", box_id="b", subject=message_id)


async def test_frequent_actions_share_a_transaction() -> None:
    store = Transactions()
    audit_log = AuditLog(store, FakeClock(), delay_s=0.01)
    for message_id in ("1", "2", "3"):
        fetch(audit_log, message_id)
    assert store.committed == []
    while not store.committed:
        await asyncio.sleep(0.001)
    fetch(audit_log, "4")
    while len(store.committed) < 2:
        await asyncio.sleep(0.001)
    assert store.committed == [["1", "2", "3"], ["4"]]


async def test_action_during_a_transaction_is_stored_by_the_next() -> None:
    class SlowTransactions(Transactions):
        async def append(self, entries: Sequence[AuditEntry]) -> None:
            if not self.committed:
                fetch(audit_log, "2")
            await super().append(entries)

    store = SlowTransactions()
    audit_log = AuditLog(store, FakeClock(), delay_s=0.01)
    fetch(audit_log, "1")
    while len(store.committed) < 2:
        await asyncio.sleep(0.001)
    assert store.committed == [["1"], ["2"]]


async def test_another_action_is_stored_at_once_behind_what_waits() -> None:
    store = Transactions()
    audit_log = AuditLog(store, FakeClock(), delay_s=60)
    fetch(audit_log, "1")
    await audit_log.record(ACTOR, AuditAction.DELETED, account_id="a", box_id="b", subjects=["1", "2"])
    assert store.committed == [["1", "1", "2"]]
    await audit_log.close()


async def test_what_waits_is_stored_when_the_service_stops() -> None:
    store = Transactions()
    audit_log = AuditLog(store, FakeClock(), delay_s=60)
    fetch(audit_log, "1")
    await audit_log.close()
    assert store.committed == [["1"]]


async def test_entry_that_cannot_be_stored_ends_no_request() -> None:
    audit_log = AuditLog(Transactions(StoreError("the disk is full")), FakeClock(), delay_s=60)
    fetch(audit_log, "1")
    await audit_log.record(ACTOR, AuditAction.DELETED, account_id="a", subjects=["1"])
    await audit_log.close()
