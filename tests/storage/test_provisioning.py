"""Bulk changes are stored whole or not at all."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ivr.directory.directory import user_record
from ivr.errors import Conflict
from ivr.mailbox.boxes import record_of
from ivr.storage.records import BoxRecord, EndpointRecord, ProvisioningBatch, SecretRecord, TaskKind
from ivr.storage.sqlite.provisioning import SqliteProvisioning
from tests.support.app_fixture import AppFixture

pytestmark = pytest.mark.both_engines


@pytest.fixture
def store(app: AppFixture) -> SqliteProvisioning:
    return SqliteProvisioning(app.container.database, app.clock)


async def test_batch_that_conflicts_at_its_end_stores_nothing(app: AppFixture, store: SqliteProvisioning) -> None:
    account_id = app.account.id
    box = BoxRecord("b" * 32, account_id, {"mailbox": "1000", "name": "new"})
    user = replace(user_record(app.alice), email="changed@demo.example")
    batch = ProvisioningBatch(
        changed_users=[user],
        new_boxes=[box],
        new_endpoints=[EndpointRecord("asterisk", "alice", account_id, app.bob.id)],
        secrets=[SecretRecord(account_id, "box:x:pin", "hash")],
    )
    with pytest.raises(Conflict, match="already belongs"):
        await store.apply(batch)
    assert await app.container.boxes.find_by_number(account_id, "1000") is None
    assert (await app.container.directory.user(user.id)).email == app.alice.email
    assert not await app.container.secret_store.exists(account_id, "box:x:pin")


async def test_row_that_was_changed_meanwhile_is_a_conflict(app: AppFixture, store: SqliteProvisioning) -> None:
    box = await app.create_box("1000", owner=app.alice)
    await app.container.boxes.patch(box, {"quota_mb": 5})
    with pytest.raises(Conflict, match="changed meanwhile"):
        await store.apply(ProvisioningBatch(changed_boxes=[record_of(box)]))
    await app.container.directory.update_user(app.alice)
    with pytest.raises(Conflict, match="changed meanwhile"):
        await store.apply(ProvisioningBatch(changed_users=[user_record(app.alice)]))


async def test_phone_of_the_earlier_owner_of_a_box_gets_a_light_update(app: AppFixture) -> None:
    box = await app.create_box("1000", owner=app.alice)
    before = {task.id for task in await app.container.outbox.list_tasks()}
    await app.container.boxes.patch(box, {"owner_id": app.bob.id})
    tasks = [task for task in await app.container.outbox.list_tasks() if task.id not in before]
    assert {(task.kind, task.target) for task in tasks} == {(TaskKind.MWI, ""), (TaskKind.PHONE_MWI, "alice")}
