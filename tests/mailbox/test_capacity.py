"""Capacity of a mailbox, and which messages are purged for a new one."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ivr.errors import BoxFull, NotFound
from ivr.mailbox.mailbox import MIN_RECORDING_MS, Mailbox
from ivr.storage.records import MEGABYTE, Caller, ChangeReason, Folder, MediaKind, Message
from ivr.storage.sqlite import counters, message_rows
from tests.storage.test_messages import insert_message
from tests.support.app_fixture import NOON, AppFixture

SIZE = MEGABYTE // 4


async def create_messages(app: AppFixture, box: Mailbox, *folders: str) -> list[Message]:
    """A message of 0.25 MB in each of these folders, oldest first."""
    return [
        await insert_message(app, box, folder=Folder(folder), bytes=SIZE, time=NOON + n)
        for n, folder in enumerate(folders)
    ]


async def message_ids(app: AppFixture, box: Mailbox) -> set[str]:
    return {message.id for message in await app.messages(box)}


async def add_message(app: AppFixture, box: Mailbox, size: int, *, exempt_from_quota: bool = False) -> list[str]:
    """Add a message of `size` bytes and return the ids of the messages purged for it."""
    message = Message("201605-" + "f" * 32, box.account_id, box.id, Folder.NEW, NOON + 999, 1000, bytes=size)
    return [gone.id for gone in await app.container.messages.add(message, exempt_from_quota=exempt_from_quota)]


async def test_box_without_quota_has_unlimited_capacity(app: AppFixture) -> None:
    capacity = app.container.voicemail_services.capacity
    box = await app.create_box()
    await create_messages(app, box, *["new"] * 5)
    for quota in (None, 0):
        box = await app.container.boxes.patch(box, {"quota_mb": quota})
        assert await capacity.remaining_ms(box) is None
        assert not await capacity.is_full(box)


async def test_remaining_capacity_excludes_new_saved_and_greetings(app: AppFixture) -> None:
    box = await app.create_box(quota_mb=1)
    await create_messages(app, box, "new", "saved", "deleted")
    await app.create_recording(box, MediaKind.UNAVAILABLE, s=10)
    left_ms = await app.container.voicemail_services.capacity.remaining_ms(box)
    assert left_ms is not None
    assert left_ms == pytest.approx((1_000_000 - 2 * SIZE - 160_000) / 16, abs=10)


@pytest.mark.parametrize(("left_ms", "full"), [(MIN_RECORDING_MS + 10, False), (MIN_RECORDING_MS - 10, True)])
async def test_box_is_full_below_minimum_recording_length(app: AppFixture, left_ms: int, full: bool) -> None:
    box = await app.create_box(quota_mb=1)
    await insert_message(app, box, bytes=1_000_000 - 16 * left_ms - 44)
    assert await app.container.voicemail_services.capacity.is_full(box) is full


async def test_oldest_deleted_messages_are_purged_until_message_fits(app: AppFixture) -> None:
    box = await app.create_box(quota_mb=1)
    first, second, third, fourth = await create_messages(app, box, "deleted", "new", "deleted", "deleted")
    assert await add_message(app, box, SIZE + 100_000) == [first.id, third.id]
    assert {second.id, fourth.id} < await message_ids(app, box)


async def test_fitting_message_purges_nothing(app: AppFixture) -> None:
    box = await app.create_box(quota_mb=1)
    await create_messages(app, box, "deleted", "new", "saved")
    assert await add_message(app, box, SIZE) == []


async def test_spoken_message_is_kept_when_nothing_can_be_purged(app: AppFixture) -> None:
    box = await app.create_box(quota_mb=1)
    deleted, *others = await create_messages(app, box, "deleted", "new", "saved")
    assert await add_message(app, box, 10 * SIZE, exempt_from_quota=True) == [deleted.id]
    assert {message.id for message in others} < await message_ids(app, box)


async def test_uploaded_message_over_quota_is_rejected_and_purges_nothing(app: AppFixture) -> None:
    box = await app.create_box(quota_mb=1)
    before = {message.id for message in await create_messages(app, box, "deleted", "new", "saved")}
    with pytest.raises(BoxFull, match="its quota of 1 MB is used up"):
        await add_message(app, box, 10 * SIZE)
    assert await message_ids(app, box) == before
    assert (await app.container.messages.counts(box.id)).deleted == 1


async def test_quota_is_read_at_delivery_time(app: AppFixture) -> None:
    """A `Mailbox` read before a change of the quota is subject to the new quota."""
    box = await app.create_box()
    await create_messages(app, box, "new", "new", "new")
    await app.container.boxes.patch(box, {"quota_mb": 1})
    with pytest.raises(BoxFull):
        await app.container.delivery.import_recording(box, b"\0\0" * SIZE, Caller("2001"), NOON, Folder.NEW)
    assert len(await app.messages(box)) == 3


async def test_purge_order_ignores_urgency(app: AppFixture) -> None:
    box = await app.create_box(quota_mb=1)
    old = await insert_message(app, box, folder=Folder.DELETED, bytes=2 * SIZE, time=NOON, urgent=False)
    young = await insert_message(app, box, folder=Folder.DELETED, bytes=2 * SIZE, time=NOON + 5, urgent=True)
    assert await add_message(app, box, SIZE) == [old.id]
    assert young.id in await message_ids(app, box)


@given(
    folders=st.lists(st.sampled_from(["new", "saved", "deleted"]), max_size=6),
    size=st.integers(1, 5 * SIZE),
    quota=st.integers(1, 2),
)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_purge_ends_when_message_fits_or_nothing_is_left(
    app: AppFixture, folders: list[str], size: int, quota: int
) -> None:
    box = await app.create_box()
    try:
        before = await create_messages(app, box, *folders)
        await app.container.boxes.patch(box, {"quota_mb": quota})
        gone = await add_message(app, box, size, exempt_from_quota=True)
        left = await app.messages(box)
        assert all(message.folder == "deleted" for message in before if message.id in gone)
        assert len(left) == len(before) + 1 - len(gone)
        held = sum(message.bytes for message in left)
        assert held == await app.container.messages.used_bytes(box.id)
        assert held <= quota * MEGABYTE or not any(message.folder == "deleted" for message in left)
        if gone:
            assert held > quota * MEGABYTE - SIZE, "a message was purged unnecessarily"
    finally:
        await app.container.boxes.delete(box)
        await app.container.database.write(lambda c: c.execute("DELETE FROM messages").rowcount)


@pytest.mark.parametrize(
    "reads",
    [
        lambda c: message_rows.oldest_message(c, "box", Folder.DELETED),
        lambda c: counters.used_bytes(c, "box", "deleted"),
    ],
)
@pytest.mark.sqlite_only
async def test_quota_queries_use_indexes(app: AppFixture, reads: Callable[[sqlite3.Connection], object]) -> None:
    def plans(connection: sqlite3.Connection) -> list[str]:
        statements: list[str] = []
        connection.set_trace_callback(statements.append)
        reads(connection)
        connection.set_trace_callback(None)
        return [row["detail"] for sql in statements for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}")]

    details = await app.container.database.read(plans)
    assert details
    assert [detail for detail in details if detail.startswith("SCAN") and "CONSTANT" not in detail] == []
    assert not any("TEMP B-TREE" in detail for detail in details)


async def test_messages_purged_for_quota_are_permanently_removed(app: AppFixture) -> None:
    box = await app.create_box(quota_mb=1)
    gone = await app.create_message(box, s=10, folder="deleted")
    assert await add_message(app, box, MEGABYTE) == [gone.id]
    with pytest.raises(NotFound, match="too late"):
        await app.container.messages.undelete(box.id, gone.id, ChangeReason.API_REQUEST)
    await app.container.retention_worker.run_once()
    assert not app.container.delivery.audio_paths(gone)[0].exists(), "the retention worker removes the files"
