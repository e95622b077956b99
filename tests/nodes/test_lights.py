"""Lights of mailboxes and phones at two Asterisks that share the rows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from ivr.ami.client import AmiClient
from ivr.app import App
from ivr.directory.models import Endpoint
from ivr.notifications.worker import OutboxRunner
from ivr.service.background import build_workers
from ivr.service.node_presence import NodePresence
from ivr.storage.postgresql.connection import PostgresqlConnection
from ivr.storage.records import FORGOTTEN_AFTER_S, TaskKind
from tests.nodes.conftest import NewNode, age_sign
from tests.support.app_fixture import AppFixture
from tests.support.fake_ami_server import FakeAmiServer


@dataclass
class Asterisk:
    """An Asterisk, and the service beside it, whose workers run when a test says so."""

    server: FakeAmiServer
    node: App
    runner: OutboxRunner
    task: asyncio.Task[None]

    async def set_lights(self) -> dict[str, tuple[int, int]]:
        """Let the service set what is due; return what the phones of this Asterisk show."""
        await self.runner.run_until_idle()
        return self.server.mailboxes


@pytest.fixture
async def asterisks(new_node: NewNode) -> AsyncIterator[tuple[Asterisk, Asterisk]]:
    started = []
    for name in ("asterisk", "b"):
        server = await FakeAmiServer().start()
        node = new_node(name, ami={"port": server.port, "secret": "word"})
        await NodePresence(node).register()
        client = AmiClient(node.settings.ami)
        task = asyncio.create_task(client.run_forever())
        while not client.connection_id:
            await client.wait_for_change()
        started.append(Asterisk(server, node, OutboxRunner(node.outbox, build_workers(node, client)), task))
        await started[-1].set_lights()
    yield started[0], started[1]
    for asterisk in started:
        asterisk.task.cancel()
        await asyncio.gather(asterisk.task, return_exceptions=True)
        await asterisk.node.stop_workers()
        await asterisk.server.stop()


@pytest.mark.both_engines
async def test_light_is_set_at_every_asterisk(app: AppFixture, asterisks: tuple[Asterisk, Asterisk]) -> None:
    a, b = asterisks
    await app.create_message(await app.create_box(owner=app.alice))
    assert (await a.set_lights())["1000@ivr"] == (1, 0)
    assert (await b.set_lights())["1000@ivr"] == (1, 0), "what a has set is not done for b"
    assert await app.container.outbox.list_tasks() == []


@pytest.mark.both_engines
async def test_light_of_a_phone_is_set_at_its_own_asterisk(
    app: AppFixture, asterisks: tuple[Asterisk, Asterisk]
) -> None:
    a, b = asterisks
    await app.create_message(await app.create_box(owner=app.alice))
    for asterisk in asterisks:
        await asterisk.set_lights()
    phone = Endpoint(system="b", name="desk", account_id=app.account.id, user_id=app.alice.id)
    await app.container.directory.add_endpoint(phone)
    assert not [name for name in await a.set_lights() if name.startswith("desk")]
    [light] = [count for name, count in (await b.set_lights()).items() if name.startswith("desk")]
    assert light == (1, 0)


@pytest.mark.both_engines
async def test_silent_asterisk_delays_no_other_and_gets_its_lights_when_it_returns(
    app: AppFixture, asterisks: tuple[Asterisk, Asterisk]
) -> None:
    a, b = asterisks
    await app.create_message(await app.create_box())
    assert (await a.set_lights())["1000@ivr"] == (1, 0)
    assert [(task.kind, task.target) for task in await app.container.outbox.list_tasks()] == [(TaskKind.MWI, "b")]
    assert TaskKind.MWI not in await a.node.outbox.due_kinds()
    assert (await b.set_lights())["1000@ivr"] == (1, 0)


@pytest.mark.both_engines
async def test_no_light_is_kept_for_an_asterisk_that_is_forgotten(
    app: AppFixture, asterisks: tuple[Asterisk, Asterisk]
) -> None:
    a, b = asterisks
    box = await app.create_box()
    await app.create_message(box)
    await age_sign(a.node, FORGOTTEN_AFTER_S + 5)
    await a.node.node_store.record_sign(NodePresence(a.node).describe())
    await app.create_message(box)
    assert (await a.set_lights())["1000@ivr"] == (2, 0)
    assert await app.container.outbox.list_tasks() == []
    assert await NodePresence(b.node).register() is True, "it sets all its lights when it returns"


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
async def test_message_costs_each_further_node_few_statements(
    app: AppFixture, asterisks: tuple[Asterisk, Asterisk], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of the light at its own Asterisk, however many nodes there are; the transactions begin and end besides."""
    a, b = asterisks
    box = await app.create_box(owner=app.alice)
    await app.create_message(box)
    for asterisk in asterisks:
        await asterisk.set_lights()
    await app.create_message(box)
    await a.set_lights()
    executed: list[str] = []
    execute = PostgresqlConnection.execute

    def record(connection: PostgresqlConnection, sql: str, values: Any = ()) -> Any:
        executed.append(sql)
        return execute(connection, sql, values)

    monkeypatch.setattr(PostgresqlConnection, "execute", record)
    [worker] = [one for one in b.runner.workers if TaskKind.MWI in one.kinds]
    assert await worker.run_once()
    assert [sql.split()[0] for sql in executed] == ["SELECT", "WITH", "SELECT", "SELECT", "SELECT", "DELETE", "UPDATE"]
    assert b.server.mailboxes["1000@ivr"] == (2, 0)
