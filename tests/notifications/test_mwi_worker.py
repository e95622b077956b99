"""Message lights of mailboxes and phones, against a fake AMI server."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from ivr.ami.client import AmiClient
from ivr.app import App
from ivr.directory.models import Account, Endpoint
from ivr.errors import InvalidFields, StoreError
from ivr.mailbox.mailbox import Mailbox
from ivr.notifications.mwi_targets import Lights, MwiTargets
from ivr.notifications.mwi_worker import MwiTiming, MwiWorker
from ivr.notifications.settings import MwiSettings
from ivr.notifications.worker import OutboxRunner
from ivr.service.background import build_workers
from ivr.storage.protocols import OutboxStore
from ivr.storage.records import ChangeReason, Folder, TaskKind
from ivr.storage.sqlite.counters import SqliteMwiCounts
from tests.notifications.conftest import NotificationAppFixture
from tests.support.fake_ami_server import FakeAmiServer


class DatabaseAwayOnce:
    """An object whose `method` finds no database at its first call."""

    def __init__(self, target: object) -> None:
        self._target = target
        self.method = ""

    def __getattr__(self, name: str) -> Any:
        if name != self.method:
            return getattr(self._target, name)
        self.method = ""

        async def fail(*_: object, **__: object) -> None:
            raise StoreError("the database is away")

        return fail


@pytest.fixture
def shown_mwi(ami_server: FakeAmiServer) -> dict[str, tuple[int, int]]:
    """New and saved messages that the phones show, by MWI mailbox."""
    return ami_server.mailboxes


async def _create_lit_box(app: NotificationAppFixture) -> Mailbox:
    """Create mailbox 1000 with a new message, and set its light."""
    box = await app.create_box()
    await app.connect_ami()
    await app.create_message(box)
    await app.run_until_idle()
    return box


@pytest.mark.both_engines
async def test_mwi_shows_new_and_saved_counts(
    mwi_app: NotificationAppFixture, shown_mwi: dict[str, tuple[int, int]]
) -> None:
    box = await mwi_app.create_box()
    await mwi_app.connect_ami()
    message = await mwi_app.create_message(box)
    await mwi_app.run_until_idle()
    assert shown_mwi["1000@ivr"] == (1, 0)
    await mwi_app.container.messages.move_to_folder(box.id, message.id, Folder.SAVED, ChangeReason.DTMF)
    await mwi_app.run_until_idle()
    assert shown_mwi["1000@ivr"] == (0, 1)
    await mwi_app.container.messages.soft_delete(box.id, [message.id])
    await mwi_app.run_until_idle()
    assert shown_mwi["1000@ivr"] == (0, 0)


@pytest.mark.both_engines
async def test_mwi_counts_urgent_messages_too(
    mwi_app: NotificationAppFixture, shown_mwi: dict[str, tuple[int, int]]
) -> None:
    await mwi_app.create_box("1000", owner=mwi_app.alice)
    box = await mwi_app.create_box("1001", owner=mwi_app.bob)
    await mwi_app.connect_ami()
    for folder, urgent in (("new", False), ("new", True), ("new", True), ("saved", True), ("saved", False)):
        await mwi_app.create_message(box, folder=folder, urgent=urgent)
    await mwi_app.run_until_idle()
    assert shown_mwi["1001@ivr"] == (3, 2)


async def test_rejection_by_booting_asterisk_is_retried_soon(
    mwi_app: NotificationAppFixture, ami_server: FakeAmiServer, shown_mwi: dict[str, tuple[int, int]]
) -> None:
    def reject_once(_: dict[str, str]) -> list[dict[str, str]]:
        del ami_server.replies["Originate"]
        return [{"Response": "Error", "Message": "Extension does not exist."}]

    ami_server.replies["Originate"] = reject_once
    await mwi_app.create_message(await mwi_app.create_box())
    worker = MwiWorker(
        outbox=mwi_app.container.outbox,
        clock=mwi_app.clock,
        targets=mwi_app.container.mwi_targets,
        ami=mwi_app.ami_client,
        timing=MwiTiming(startup_retry_delay_s=0.01),
    )
    running = asyncio.create_task(worker.run_forever())
    await mwi_app.connect_ami()
    async with asyncio.timeout(60):
        while shown_mwi.get("1000@ivr") != (1, 0):
            await asyncio.sleep(0.01)
    running.cancel()
    assert "Originate" not in ami_server.replies, "the first Originate must have been rejected"


@pytest.mark.parametrize("moment", ["mailboxes are read", "the light is published"])
async def test_light_is_right_soon_after_the_database_was_away(
    mwi_app: NotificationAppFixture, shown_mwi: dict[str, tuple[int, int]], moment: str
) -> None:
    """Rows that are claimed are not due before their lease ends, two minutes later."""
    container = mwi_app.container
    targets, outbox = DatabaseAwayOnce(container.mwi_targets), DatabaseAwayOnce(container.outbox)
    failing = {"mailboxes are read": (targets, "for_boxes"), "the light is published": (outbox, "complete")}
    proxy, method = failing[moment]
    proxy.method = method
    worker = MwiWorker(
        outbox=cast("OutboxStore", outbox),
        clock=mwi_app.clock,
        targets=cast("MwiTargets", targets),
        ami=mwi_app.ami_client,
        timing=MwiTiming(storage_retry_delay_s=0.01),
    )
    await mwi_app.connect_ami()
    await mwi_app.create_message(await mwi_app.create_box())
    running = asyncio.create_task(worker.run_forever())
    async with asyncio.timeout(60):
        while await container.outbox.backlog_by_kind() != {TaskKind.NEW: (1, 0)}:
            await asyncio.sleep(0.01)
    running.cancel()
    assert proxy.method == "", "the database was away"
    assert shown_mwi["1000@ivr"] == (1, 0)


async def test_all_numbers_and_prefix_show_same_mwi(
    mwi_app: NotificationAppFixture, shown_mwi: dict[str, tuple[int, int]]
) -> None:
    with pytest.raises(InvalidFields, match="not the name of a message light"):
        await mwi_app.create_box(numbers=["bad one"])
    box = await mwi_app.create_box(numbers=["2000", "desk@elsewhere"])
    await mwi_app.connect_ami()
    await mwi_app.create_message(box)
    await mwi_app.run_until_idle()
    assert {name for name, counts in shown_mwi.items() if counts == (1, 0)} == {
        "1000@ivr",
        "2000@ivr",
        "desk@elsewhere",
        "*981000@ivr",
    }


async def test_assigned_phone_shows_sum_and_unassigned_phone_is_cleared(
    mwi_app: NotificationAppFixture, shown_mwi: dict[str, tuple[int, int]]
) -> None:
    box = await mwi_app.create_box(owner=mwi_app.alice)
    await mwi_app.connect_ami()
    await mwi_app.create_message(box)
    await mwi_app.run_until_idle()
    phone = Endpoint(system="asterisk", name="alice-app", account_id=mwi_app.account.id, user_id=mwi_app.alice.id)
    await mwi_app.container.directory.add_endpoint(phone)
    await mwi_app.container.directory.add_endpoint(phone.model_copy(update={"system": "elsewhere", "name": "far-away"}))
    await mwi_app.run_until_idle()
    assert shown_mwi["alice-app@ivr-phones"] == (1, 0)
    assert "far-away@ivr-phones" not in shown_mwi
    await mwi_app.container.directory.remove_endpoint("asterisk", "alice-app")
    await mwi_app.run_until_idle()
    assert shown_mwi["alice-app@ivr-phones"] == (0, 0)
    assert shown_mwi["alice@ivr-phones"] == (1, 0)
    await mwi_app.container.directory.delete_user(mwi_app.alice.id)
    await mwi_app.run_until_idle()
    assert shown_mwi["alice@ivr-phones"] == (0, 0)
    assert await mwi_app.pending_tasks() == []


async def test_owner_phone_shows_sum_of_boxes(
    mwi_app: NotificationAppFixture, shown_mwi: dict[str, tuple[int, int]]
) -> None:
    a, b = [await mwi_app.create_box(number, owner=mwi_app.alice) for number in ("1000", "1001")]
    await mwi_app.connect_ami()
    await mwi_app.create_message(a)
    await mwi_app.create_message(b)
    await mwi_app.create_message(b, folder="saved")
    await mwi_app.run_until_idle()
    assert shown_mwi["alice@ivr-phones"] == (2, 1)
    assert "bob@ivr-phones" not in shown_mwi or shown_mwi["bob@ivr-phones"] == (0, 0)


async def test_former_owner_phone_is_cleared_and_new_owner_phone_is_lit(
    mwi_app: NotificationAppFixture, shown_mwi: dict[str, tuple[int, int]]
) -> None:
    box = await mwi_app.create_box(owner=mwi_app.alice)
    await mwi_app.connect_ami()
    await mwi_app.create_message(box)
    await mwi_app.run_until_idle()
    assert shown_mwi["alice@ivr-phones"] == (1, 0)
    box = await mwi_app.container.boxes.patch(box, {"owner_id": mwi_app.bob.id})
    await mwi_app.run_until_idle()
    assert (shown_mwi["alice@ivr-phones"], shown_mwi["bob@ivr-phones"]) == ((0, 0), (1, 0))
    await mwi_app.container.boxes.patch(box, {"owner_id": None})
    await mwi_app.run_until_idle()
    assert shown_mwi["bob@ivr-phones"] == (0, 0)


@pytest.mark.parametrize("as_object", [False, True], ids=["id", "object"])
@pytest.mark.both_engines
async def test_phone_of_member_shows_shared_box_while_it_is_shared(
    mwi_app: NotificationAppFixture, shown_mwi: dict[str, tuple[int, int]], as_object: bool
) -> None:
    bob = mwi_app.bob.id
    box = await mwi_app.create_box(owner=mwi_app.alice)
    own = await mwi_app.create_box("1001", owner=mwi_app.bob)
    await mwi_app.connect_ami()
    shared = {"shared_vmbox": True, "members": [{"id": bob} if as_object else bob]}
    box = await mwi_app.container.boxes.patch(box, shared)
    await mwi_app.create_message(own)
    message = await mwi_app.create_message(box)
    await mwi_app.run_until_idle()
    assert (shown_mwi["alice@ivr-phones"], shown_mwi["bob@ivr-phones"]) == ((1, 0), (2, 0))
    await mwi_app.container.messages.move_to_folder(box.id, message.id, Folder.SAVED, ChangeReason.DTMF)
    await mwi_app.run_until_idle()
    assert shown_mwi["bob@ivr-phones"] == (1, 1)
    await mwi_app.container.boxes.patch(box, {"shared_vmbox": False})
    await mwi_app.run_until_idle()
    assert (shown_mwi["alice@ivr-phones"], shown_mwi["bob@ivr-phones"]) == ((0, 1), (1, 0))


@pytest.mark.both_engines
async def test_disabled_mailbox_has_no_light_and_has_it_back_when_it_is_enabled(
    mwi_app: NotificationAppFixture, shown_mwi: dict[str, tuple[int, int]]
) -> None:
    """It cannot be opened by phone, so its owner could not put the light out. Another mailbox keeps its own."""
    bob = mwi_app.bob.id
    box = await mwi_app.create_box(owner=mwi_app.alice, shared_vmbox=True, members=[bob], numbers=["2000"])
    other = await mwi_app.create_box("1001", owner=mwi_app.alice)
    await mwi_app.connect_ami()
    await mwi_app.create_message(other)
    await mwi_app.create_message(box)
    await mwi_app.run_until_idle()
    lights = ("1000@ivr", "2000@ivr", "bob@ivr-phones", "alice@ivr-phones")
    assert [shown_mwi[light] for light in lights] == [(1, 0), (1, 0), (1, 0), (2, 0)]
    box = await mwi_app.container.boxes.patch(box, {"enabled": False})
    await mwi_app.run_until_idle()
    assert [shown_mwi[light] for light in lights] == [(0, 0), (0, 0), (0, 0), (1, 0)]
    listed = await mwi_app.container.overview.snapshot(int(mwi_app.clock.now()))
    assert [light.box for light in listed.lights] == ["1001"]
    await mwi_app.container.boxes.patch(box, {"enabled": True})
    await mwi_app.run_until_idle()
    assert [shown_mwi[light] for light in lights] == [(1, 0), (1, 0), (1, 0), (2, 0)]


async def test_renumbered_box_clears_old_mwi(
    mwi_app: NotificationAppFixture, shown_mwi: dict[str, tuple[int, int]]
) -> None:
    box = await _create_lit_box(mwi_app)
    await mwi_app.container.boxes.patch(box, {"mailbox": "1009"})
    await mwi_app.run_until_idle()
    assert shown_mwi["1000@ivr"] == (0, 0)
    assert shown_mwi["1009@ivr"] == (1, 0)


@pytest.mark.both_engines
@pytest.mark.parametrize("is_deleted", [False, True], ids=["changed", "deleted"])
async def test_light_that_a_box_gives_up_shows_the_box_that_has_it_now(
    mwi_app: NotificationAppFixture, shown_mwi: dict[str, tuple[int, int]], is_deleted: bool
) -> None:
    """It went dark although the other mailbox has a message."""
    box = await mwi_app.create_box(numbers=["2000", "3000"])
    successor = await mwi_app.create_box("2000")
    elsewhere = await mwi_app.create_box("1001", numbers=["3000@ivr"])
    await mwi_app.connect_ami()
    await mwi_app.create_message(box)
    await mwi_app.create_message(successor)
    await mwi_app.create_message(elsewhere, folder="saved")
    await mwi_app.run_until_idle()
    await (
        mwi_app.container.boxes.delete(box)
        if is_deleted
        else mwi_app.container.boxes.patch(box, {"mailbox": "1009", "numbers": None})
    )
    await mwi_app.run_until_idle()
    shown = [shown_mwi[name] for name in ("1000@ivr", "*981000@ivr", "2000@ivr", "*982000@ivr", "3000@ivr")]
    assert shown == [(0, 0), (0, 0), (1, 0), (1, 0), (0, 1)]


async def test_lights_that_boxes_gave_up_while_the_service_was_stopped_are_cleared(
    mwi_app: NotificationAppFixture, shown_mwi: dict[str, tuple[int, int]]
) -> None:
    """Asterisk keeps them; only the process that had lit them knew of them."""
    renumbered = await mwi_app.create_box(numbers=["2000"])
    deleted, heir = await mwi_app.create_box("1002"), await mwi_app.create_box("1003")
    await mwi_app.connect_ami()
    await mwi_app.create_message(renumbered)
    await mwi_app.create_message(deleted)
    await mwi_app.run_until_idle()
    renumbered = await mwi_app.container.boxes.patch(renumbered, {"mailbox": "1008", "numbers": None})
    await mwi_app.container.boxes.patch(renumbered, {"mailbox": "1009"})
    await mwi_app.container.boxes.delete(deleted)
    await mwi_app.container.boxes.patch(heir, {"aliases": ["1002"]})
    mwi_app.outbox_runner = OutboxRunner(
        mwi_app.container.outbox, build_workers(mwi_app.container, mwi_app.ami_client)
    )  # The service after its restart.
    await mwi_app.run_until_idle()
    lit = {name for name, counts in shown_mwi.items() if counts != (0, 0)}
    assert lit == {"1009@ivr", "*981009@ivr"}


def _restart(app: NotificationAppFixture, **mwi: str) -> None:
    """Start the service again, with these settings of `[mwi]`."""
    targets = MwiTargets(
        SqliteMwiCounts(app.container.database), MwiSettings(**mwi), "asterisk", app.container.process_locks
    )
    worker = MwiWorker(outbox=app.container.outbox, clock=app.clock, targets=targets, ami=app.ami_client)
    app.outbox_runner = OutboxRunner(app.container.outbox, [worker])


def _lit(shown: dict[str, tuple[int, int]]) -> set[str]:
    return {name for name, counts in shown.items() if counts != (0, 0)}


@pytest.mark.both_engines
@pytest.mark.parametrize("is_stopped", [False, True], ids=["running", "stopped"])
async def test_light_moves_when_the_realm_of_its_account_changes(
    mwi_app: NotificationAppFixture, shown_mwi: dict[str, tuple[int, int]], is_stopped: bool
) -> None:
    """The former one stayed on for ever. An account that has the realm now keeps its lights."""
    pattern = {"mailbox": "{realm}_{number}@ivr"}
    _restart(mwi_app, **pattern)
    directory = mwi_app.container.directory
    await mwi_app.connect_ami()
    await mwi_app.create_message(await mwi_app.create_box())
    await mwi_app.create_message(await mwi_app.create_box("1001"))
    await mwi_app.run_until_idle()
    assert _lit(shown_mwi) == {"demo.example_1000@ivr", "demo.example_1001@ivr"}
    await directory.update_account(mwi_app.account.model_copy(update={"realm": "new.example"}))
    other = await directory.create_account(Account(name="other", realm="demo.example"))
    heir = await mwi_app.container.boxes.create(other, {"mailbox": "1001", "name": "heir", "pin": "1379"})
    await mwi_app.create_message(heir)
    if is_stopped:
        _restart(mwi_app, **pattern)
    await mwi_app.run_until_idle()
    assert _lit(shown_mwi) == {"new.example_1000@ivr", "new.example_1001@ivr", "demo.example_1001@ivr"}


@pytest.mark.both_engines
async def test_lights_by_former_patterns_are_cleared_after_a_restart(
    mwi_app: NotificationAppFixture, shown_mwi: dict[str, tuple[int, int]]
) -> None:
    """Of mailboxes, of their second light and of phones; also of those that went while the service was stopped."""
    box = await mwi_app.create_box(owner=mwi_app.alice, numbers=["2000"])
    deleted = await mwi_app.create_box("1002", owner=mwi_app.bob)
    _restart(mwi_app, blf_prefix="*98")
    await mwi_app.connect_ami()
    await mwi_app.create_message(box)
    await mwi_app.create_message(deleted)
    await mwi_app.run_until_idle()
    assert {"1000@ivr", "*981000@ivr", "2000@ivr", "1002@ivr", "alice@ivr-phones", "bob@ivr-phones"} <= _lit(shown_mwi)
    await mwi_app.container.boxes.delete(deleted)
    await mwi_app.container.directory.remove_endpoint("asterisk", "bob")
    mwi_app.outbox_runner = OutboxRunner(mwi_app.container.outbox, build_workers(mwi_app.container, None))
    await mwi_app.run_until_idle()  # A service without a connection to Asterisk's manager.
    _restart(mwi_app, mailbox="{number}@{realm}", endpoint_mailbox="phone-{endpoint}@ivr")
    await mwi_app.run_until_idle()
    assert _lit(shown_mwi) == {"1000@demo.example", "2000@demo.example", "phone-alice@ivr"}
    _restart(mwi_app, mailbox="{number}@{account}", endpoint_mailbox="{endpoint}@ivr-phones")
    await mwi_app.run_until_idle()
    assert _lit(shown_mwi) == {f"{number}@{box.account_id}" for number in (1000, 2000)} | {"alice@ivr-phones"}


async def test_light_that_a_phone_gives_up_shows_the_mailbox_that_has_it(
    mwi_app: NotificationAppFixture, shown_mwi: dict[str, tuple[int, int]]
) -> None:
    """A mailbox can have the light of a phone among its `numbers`, and a phone that of a mailbox."""
    box = await mwi_app.create_box(numbers=["alice@ivr-phones"])
    await mwi_app.connect_ami()
    await mwi_app.create_message(box)
    await mwi_app.run_until_idle()
    await mwi_app.container.directory.remove_endpoint("asterisk", "alice")
    await mwi_app.run_until_idle()
    assert shown_mwi["alice@ivr-phones"] == (1, 0)


async def test_deleted_box_clears_mwi(mwi_app: NotificationAppFixture, shown_mwi: dict[str, tuple[int, int]]) -> None:
    box = await _create_lit_box(mwi_app)
    await mwi_app.container.boxes.delete(box)
    await mwi_app.run_until_idle()
    assert shown_mwi["1000@ivr"] == (0, 0)


async def test_mwi_is_updated_after_asterisk_outage(
    mwi_app: NotificationAppFixture, ami_server: FakeAmiServer, shown_mwi: dict[str, tuple[int, int]]
) -> None:
    box = await mwi_app.create_box()
    await mwi_app.connect_ami()
    await ami_server.stop()
    assert mwi_app.ami_client
    while mwi_app.ami_client.connection_id:
        await mwi_app.ami_client.wait_for_change()
    for _ in range(12):
        await mwi_app.create_message(box)
        mwi_app.clock.advance(s=300)
        await mwi_app.run_until_idle()
    [task] = [task for task in await mwi_app.pending_tasks() if task.kind is TaskKind.MWI]
    assert task.attempts == 0
    await ami_server.start()
    await mwi_app.connect_ami()
    await mwi_app.run_until_idle()
    assert shown_mwi["1000@ivr"] == (12, 0)
    assert await mwi_app.pending_tasks() == []


async def test_change_during_mwi_update_is_not_lost(mwi_app: NotificationAppFixture, ami_server: FakeAmiServer) -> None:
    box = await mwi_app.create_box()
    await mwi_app.connect_ami()
    await mwi_app.run_until_idle()
    await mwi_app.create_message(box)
    [task] = await mwi_app.container.outbox.claim([TaskKind.MWI], 1)
    await mwi_app.create_message(box)
    await mwi_app.container.outbox.complete([task])
    await mwi_app.run_until_idle()
    assert ami_server.mailboxes["1000@ivr"] == (2, 0)


async def test_slow_mail_server_does_not_delay_mwi(tmp_path: Path, ami_server: FakeAmiServer) -> None:
    connections: asyncio.Queue[asyncio.StreamWriter] = asyncio.Queue()
    silent = await asyncio.start_server(lambda _, writer: connections.put_nowait(writer), "127.0.0.1", 0)
    app = NotificationAppFixture(
        tmp_path / "data",
        ami={"port": ami_server.port, "secret": "word"},
        mail={"host": "127.0.0.1", "port": silent.sockets[0].getsockname()[1], "timeout_s": 2, "max_connections": 1},
    )
    await app.open()
    box = await app.create_box(notify_email="ann@example.org")
    await app.outbox_runner.start()
    await app.connect_ami()
    await app.leave_message(box)
    first_connection = await connections.get()
    await app.leave_message(box)
    while ami_server.mailboxes.get("1000@ivr") != (2, 0):
        await app.container.outbox.due_kinds()
    assert TaskKind.MAIL in {task.kind for task in await app.pending_tasks()}
    silent.close()
    first_connection.close()
    await asyncio.wait_for(silent.wait_closed(), 60)
    await app.outbox_runner.stop()
    while not connections.empty():
        connections.get_nowait().close()
    await asyncio.sleep(0.05)  # The loop closes the sockets in its next iterations.
    await app.shut_down()


async def test_reconnect_resyncs_all_boxes(mwi_app: NotificationAppFixture, ami_server: FakeAmiServer) -> None:
    for n in range(450):
        await mwi_app.create_box(str(10_000 + n), pin=None)
    started_at = time.monotonic()
    await mwi_app.connect_ami()
    await mwi_app.run_until_idle()
    print(f"{450 / (time.monotonic() - started_at):.0f} boxes a second, with a fake AMI server")
    assert len([name for name in ami_server.mailboxes if name.startswith("10")]) == 450


async def test_counts_of_a_phone_read_no_mailbox_of_others(mwi_app: NotificationAppFixture) -> None:
    await mwi_app.create_box(owner=mwi_app.alice)
    statements: list[str] = []
    database, read = mwi_app.container.database, mwi_app.container.database.read

    async def traced_read(work: Callable[[sqlite3.Connection], Any]) -> Any:
        def traced(connection: sqlite3.Connection) -> Any:
            connection.set_trace_callback(statements.append)
            try:
                return work(connection)
            finally:
                connection.set_trace_callback(None)

        return await read(traced)

    database.read = traced_read  # type: ignore[assignment,method-assign]
    assert await mwi_app.container.mwi_targets.for_users([mwi_app.alice.id])
    database.read = read  # type: ignore[method-assign]
    [counts] = [sql for sql in statements if "FROM endpoints" in sql]
    rows = await database.read(lambda c: c.execute(f"EXPLAIN QUERY PLAN {counts}").fetchall())
    steps = [str(row["detail"]) for row in rows]
    assert {step.split(" (")[0] for step in steps if " boxes " in step} == {
        "SEARCH boxes USING INDEX boxes_by_owner",
        "SEARCH boxes USING INDEX shared_boxes",
    }


class _SlowTargets(MwiTargets):
    """Targets of a service that is slow: `read` is set when it has read lights, and it waits for `go_on`."""

    def __init__(self, app: App) -> None:
        super().__init__(SqliteMwiCounts(app.database), app.settings.mwi, "asterisk", app.process_locks)
        self.read, self.go_on = asyncio.Event(), asyncio.Event()

    async def with_published(self, lights: Sequence[Lights]) -> list[Lights]:
        result = await super().with_published(lights)
        self.read.set()
        await self.go_on.wait()
        return result


def _worker(app: App, targets: MwiTargets, ami: AmiClient | None) -> MwiWorker:
    return MwiWorker(outbox=app.outbox, clock=app.clock, targets=targets, ami=ami, resync_on_connect=False)


async def _drain(app: NotificationAppFixture, targets: _SlowTargets, meanwhile: Awaitable[object]) -> None:
    """Let a worker with these targets work, and this happen between its reading and its publishing."""
    working = asyncio.create_task(_worker(app.container, targets, app.ami_client).run_once())
    await targets.read.wait()
    await meanwhile
    targets.go_on.set()
    await working


@pytest.mark.both_engines
async def test_light_is_known_although_another_mailbox_changed_while_both_were_published(
    mwi_app: NotificationAppFixture, shown_mwi: dict[str, tuple[int, int]]
) -> None:
    """What was published was stored only if nothing of the whole batch had changed: 1001 stayed on for ever."""
    box, other = await mwi_app.create_box(), await mwi_app.create_box("2000")
    await mwi_app.connect_ami()
    await mwi_app.create_message(box)
    await mwi_app.run_until_idle()
    box = await mwi_app.container.boxes.patch(box, {"mailbox": "1001"})
    await mwi_app.create_message(other)
    await _drain(mwi_app, _SlowTargets(mwi_app.container), mwi_app.create_message(other))
    await mwi_app.container.boxes.patch(box, {"mailbox": "1002"})
    await mwi_app.run_until_idle()
    assert _lit(shown_mwi) == {"1002@ivr", "*981002@ivr", "2000@ivr", "*982000@ivr"}


async def test_light_of_a_service_that_died_before_it_could_store_it_is_put_out(
    mwi_app: NotificationAppFixture, shown_mwi: dict[str, tuple[int, int]]
) -> None:
    box = await _create_lit_box(mwi_app)
    box = await mwi_app.container.boxes.patch(box, {"mailbox": "1001"})
    targets = _SlowTargets(mwi_app.container)
    targets.go_on.set()
    dying = asyncio.create_task(_worker(mwi_app.container, targets, mwi_app.ami_client).run_once())
    while "1001@ivr" not in shown_mwi:
        await asyncio.sleep(0)
    dying.cancel()
    await asyncio.gather(dying, return_exceptions=True)
    await mwi_app.container.boxes.patch(box, {"mailbox": "1002"})
    await mwi_app.run_until_idle()
    assert _lit(shown_mwi) == {"1002@ivr", "*981002@ivr"}


@pytest.mark.parametrize("change", ["number", "message"])
async def test_slower_service_of_the_same_asterisk_does_not_bring_a_former_light_back(
    mwi_app: NotificationAppFixture, shown_mwi: dict[str, tuple[int, int]], change: str
) -> None:
    box = await mwi_app.create_box(owner=mwi_app.alice)
    second = await mwi_app.create_box("2000", owner=mwi_app.alice)
    await mwi_app.connect_ami()
    await mwi_app.create_message(box)
    await mwi_app.run_until_idle()
    other_service = App(mwi_app.settings, clock=mwi_app.clock).open()
    targets = _SlowTargets(mwi_app.container)
    await mwi_app.create_message(box)

    async def change_and_publish() -> None:
        if change == "number":
            await mwi_app.container.boxes.patch(box, {"mailbox": "1001"})
        await mwi_app.create_message(second)
        publishing = asyncio.create_task(
            _worker(other_service, other_service.mwi_targets, mwi_app.ami_client).run_once()
        )
        await asyncio.wait([publishing], timeout=0.2)
        waiting.append(publishing)

    waiting: list[asyncio.Task[bool]] = []
    await _drain(mwi_app, targets, change_and_publish())
    await asyncio.gather(*waiting)
    await mwi_app.run_until_idle()
    number = {"number": "1001", "message": "1000"}[change]
    assert _lit(shown_mwi) == {f"{number}@ivr", f"*98{number}@ivr", "2000@ivr", "*982000@ivr", "alice@ivr-phones"}
    assert shown_mwi["alice@ivr-phones"] == (3, 0)
    await other_service.stop_workers()
    other_service.close()
