"""Work that is done once for all nodes: by the holder of a lease, which lasts by the clock of the database."""

from __future__ import annotations

import os

import pytest

from ivr.mailbox.voicemail_settings import DAY_S
from tests.nodes.conftest import NewNode
from tests.support.app_fixture import AppFixture

pytestmark = pytest.mark.both_engines


async def test_one_process_of_all_nodes_has_the_lease(new_node: NewNode) -> None:
    a, b, same_node = new_node("a"), new_node("b"), new_node("a")
    assert await a.leases.acquire("work", 3600)
    assert await a.leases.acquire("work", 3600), "it can be renewed"
    assert not await b.leases.acquire("work", 3600)
    assert not await same_node.leases.acquire("work", 3600)
    assert await b.leases.acquire("other work", 3600)


async def test_successor_on_the_same_node_gets_the_lease_at_once(new_node: NewNode) -> None:
    killed, b = new_node("a"), new_node("b")
    assert await killed.leases.acquire("work", 3600)
    killed.process_locks.release_all()
    assert not await b.leases.acquire("work", 3600), "another node cannot see that the process has ended"
    assert await new_node("a").leases.acquire("work", 3600)


async def test_other_node_gets_the_lease_when_it_ends(new_node: NewNode) -> None:
    a, b = new_node("a"), new_node("b")
    assert await a.leases.acquire("work", 0)
    assert await b.leases.acquire("work", 3600)
    assert not await a.leases.acquire("work", 3600)


async def test_retention_is_applied_by_one_node_for_all(app: AppFixture, new_node: NewNode) -> None:
    a, b, box = new_node("a"), new_node("b"), await app.create_box()
    await a.retention_worker.run_unless_done_by_another()
    await app.create_message(box, folder="deleted")
    app.clock.advance(s=31 * DAY_S)
    assert not await b.retention_worker.run_unless_done_by_another()
    assert len(await app.messages(box)) == 1, "node a does it"
    assert b.retention_worker.last_run_at == app.clock.now(), "node b has nothing to catch up with"
    await a.retention_worker.run_unless_done_by_another()
    assert await app.messages(box) == []


async def test_each_node_removes_orphans_from_its_own_folder_of_takes(app: AppFixture, new_node: NewNode) -> None:
    a, b = new_node("a"), new_node("b")
    await a.retention_worker.run_unless_done_by_another()
    orphans = [node.recordings.takes_folder / f"{'0' * 32}.wav" for node in (a, b)]
    for path in orphans:
        path.write_bytes(b"RIFF")
    app.clock.advance(s=max(path.stat().st_ctime for path in orphans) - app.clock.now() + 100 * DAY_S)
    await b.retention_worker.run_unless_done_by_another()
    assert [os.path.exists(path) for path in orphans] == [True, False]
