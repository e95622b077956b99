"""The message store: folders, counts, order of play, revisions and outbox rows."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ivr.errors import NotFound, PastRetention, PreconditionFailed
from ivr.mailbox.mailbox import Mailbox
from ivr.storage.records import Caller, ChangeReason, Folder, FolderCounts, Message, OpenFolder
from ivr.storage.sqlite import message_rows
from tests.support.app_fixture import NOON, AppFixture

pytestmark = pytest.mark.both_engines

NO_RETENTION_LIMIT = 0


async def read_folder(app: AppFixture, opened: OpenFolder) -> list[Message]:
    messages: list[Message] = []
    after = None
    while message := await app.container.messages.next_message(opened, after):
        messages.append(message)
        after = message.order
    return messages


async def open_folder(
    app: AppFixture, box: Mailbox, folder: Folder = Folder.NEW, *, oldest_first: bool = False
) -> OpenFolder:
    opened, first = await app.container.messages.open_folder(
        box.id, folder, oldest_first=oldest_first, not_before=NO_RETENTION_LIMIT
    )
    assert first == await app.container.messages.next_message(opened, None)
    return opened


async def insert_message(app: AppFixture, box: Mailbox, **fields: object) -> Message:
    """Insert a message without an audio file."""
    time = int(fields.pop("time", NOON))  # type: ignore[call-overload]
    number = len(await app.messages(box))
    message = Message(
        id=f"201605-{number:032x}", account_id=box.account_id, box_id=box.id, folder=Folder.NEW, time=time,
        length_ms=1000, bytes=16_044, caller=Caller("2001"),
    )  # fmt: skip
    message = replace(message, **fields)  # type: ignore[arg-type]
    await app.container.messages.add(message)
    return message


async def test_stored_message_is_returned_unchanged(app: AppFixture) -> None:
    box = await app.create_box()
    message = await insert_message(app, box, urgent=True, from_uri="a@b", to_uri="c@d", call_id="x", history=("h",))
    assert await app.container.messages.get(box.id, message.id, NO_RETENTION_LIMIT) == message


async def test_message_does_not_exist_through_another_box(app: AppFixture) -> None:
    box, other = await app.create_box("1000"), await app.create_box("1001")
    message = await insert_message(app, box)
    with pytest.raises(NotFound):
        await app.container.messages.get(other.id, message.id, NO_RETENTION_LIMIT)
    with pytest.raises(NotFound):
        await app.container.messages.move_to_folder(other.id, message.id, Folder.SAVED, ChangeReason.DTMF)


async def test_message_past_retention_raises_and_is_not_listed(app: AppFixture) -> None:
    box = await app.create_box()
    message = await insert_message(app, box, time=NOON - 100)
    with pytest.raises(PastRetention):
        await app.container.messages.get(box.id, message.id, NOON - 99)
    assert await read_folder(app, replace(await open_folder(app, box), not_before=NOON - 99)) == []


async def test_counts_exclude_messages_past_retention(app: AppFixture) -> None:
    box = await app.create_box()
    await insert_message(app, box, time=NOON - 100)
    await insert_message(app, box, time=NOON)
    assert await app.container.messages.expire_and_count(box.account_id, box.id, NOON - 50) == FolderCounts(new=1)
    assert await app.container.messages.counts(box.id) == FolderCounts(new=1), "hidden, not only skipped"


async def test_expired_message_is_not_counted(app: AppFixture) -> None:
    box = await app.create_box()
    old, young = await insert_message(app, box, time=NOON - 100), await insert_message(app, box, time=NOON)
    assert await app.container.messages.expire(box.account_id, NOON - 50, 10) == 1
    assert await app.container.messages.counts(box.id) == FolderCounts(new=1)
    assert [m.id for m in await read_folder(app, await open_folder(app, box))] == [young.id]
    with pytest.raises(PastRetention):
        await app.container.messages.get(box.id, old.id, NO_RETENTION_LIMIT)


async def test_messages_are_ordered_urgent_first_then_newest_first(app: AppFixture) -> None:
    box = await app.create_box()
    a, b = await insert_message(app, box, time=NOON - 30), await insert_message(app, box, time=NOON - 10)
    c, d = (
        await insert_message(app, box, time=NOON - 40, urgent=True),
        await insert_message(app, box, time=NOON - 20, urgent=True),
    )
    assert [m.id for m in await read_folder(app, await open_folder(app, box))] == [d.id, c.id, b.id, a.id]
    assert [m.id for m in await read_folder(app, await open_folder(app, box, oldest_first=True))] == [
        c.id,
        d.id,
        a.id,
        b.id,
    ]


async def test_cursor_excludes_messages_added_after_opening(app: AppFixture) -> None:
    box = await app.create_box()
    present = await insert_message(app, box, time=NOON)
    saved = await insert_message(app, box, time=NOON - 5)
    await app.container.messages.move_to_folder(box.id, saved.id, Folder.SAVED, ChangeReason.DTMF)
    folder = await open_folder(app, box)
    await insert_message(app, box, time=NOON - 10)
    await app.container.messages.move_to_folder(box.id, saved.id, Folder.NEW, ChangeReason.API_REQUEST)
    assert [m.id for m in await read_folder(app, folder)] == [present.id]
    assert len(await read_folder(app, await open_folder(app, box))) == 3


async def test_move_stores_previous_folder(app: AppFixture) -> None:
    box = await app.create_box()
    message = await insert_message(app, box)
    await app.container.messages.move_to_folder(box.id, message.id, Folder.SAVED, ChangeReason.DTMF)
    deleted = await app.container.messages.move_to_folder(box.id, message.id, Folder.DELETED, ChangeReason.DTMF)
    assert (deleted.folder, deleted.folder_before, deleted.revision) == ("deleted", "saved", 3)
    restored = await app.container.messages.restore_from_deleted(box.id, message.id, ChangeReason.DTMF)
    assert restored.folder == "saved"


async def test_move_to_current_folder_changes_nothing(app: AppFixture) -> None:
    box = await app.create_box()
    message = await insert_message(app, box)
    same = await app.container.messages.move_to_folder(box.id, message.id, Folder.NEW, ChangeReason.DTMF)
    assert same == message
    assert (await app.container.messages.restore_from_deleted(box.id, message.id, ChangeReason.DTMF)) == message


async def test_change_with_outdated_revision_is_rejected(app: AppFixture) -> None:
    box = await app.create_box()
    message = await insert_message(app, box)
    await app.container.messages.move_to_folder(box.id, message.id, Folder.SAVED, ChangeReason.DTMF)
    with pytest.raises(PreconditionFailed):
        await app.container.messages.move_to_folder(
            box.id, message.id, Folder.DELETED, ChangeReason.API_REQUEST, expected_revision=message.revision
        )
    assert await app.folder_of(message) == "saved"
    await app.container.messages.move_to_folder(
        box.id, message.id, Folder.DELETED, ChangeReason.API_REQUEST, expected_revision=message.revision + 1
    )
    assert await app.folder_of(message) == "deleted"


async def test_conditional_move_skips_messages_in_other_folders(app: AppFixture) -> None:
    box = await app.create_box()
    message = await insert_message(app, box)
    await app.container.messages.move_to_folder(box.id, message.id, Folder.DELETED, ChangeReason.DTMF)
    unchanged = await app.container.messages.move_to_folder(
        box.id, message.id, Folder.SAVED, ChangeReason.PLAYED, required_folder=Folder.NEW
    )
    assert unchanged.folder == "deleted"


async def test_soft_deleted_message_is_invisible_everywhere(app: AppFixture) -> None:
    box = await app.create_box()
    message, other = await insert_message(app, box), await insert_message(app, box)
    assert await app.container.messages.soft_delete(box.id, [message.id, "nonsense"]) == [message.id]
    assert [m.id for m in await app.messages(box)] == [other.id]
    assert await app.container.messages.counts(box.id) == FolderCounts(new=1)
    assert await app.container.messages.used_bytes(box.id) == other.bytes


async def test_message_in_deleted_folder_is_not_soft_deleted(app: AppFixture) -> None:
    box = await app.create_box()
    message = await insert_message(app, box)
    await app.container.messages.move_to_folder(box.id, message.id, Folder.DELETED, ChangeReason.DTMF)
    assert [m.id for m in await app.messages(box)] == [message.id]
    assert await app.container.messages.counts(box.id) == FolderCounts(deleted=1)


async def test_message_for_deleted_box_is_rejected(app: AppFixture) -> None:
    box = await app.create_box()
    message = await insert_message(app, box)
    await app.container.boxes.delete(box)
    with pytest.raises(NotFound):
        await app.container.messages.add(replace(message, id="201605-" + "f" * 32))


async def test_message_deleted_in_the_second_before_its_mailbox_stays_deleted(app: AppFixture) -> None:
    """The clock of the test stands still."""
    box = await app.create_box()
    deleted, existing = await insert_message(app, box), await insert_message(app, box)
    await app.container.messages.soft_delete(box.id, [deleted.id])
    await app.container.boxes.delete(box)
    await app.container.boxes.restore(app.account, box.id)
    assert [m.id for m in await app.messages(box)] == [existing.id]
    assert await app.container.messages.counts(box.id) == FolderCounts(new=1)


async def test_each_change_enqueues_outbox_events(app: AppFixture) -> None:
    box = await app.create_box()
    message = await insert_message(app, box)
    await app.container.messages.move_to_folder(box.id, message.id, Folder.SAVED, ChangeReason.PLAYED)
    await app.container.messages.move_to_folder(box.id, message.id, Folder.DELETED, ChangeReason.DTMF)
    sql = "SELECT kind, message_id, payload FROM outbox ORDER BY id"
    tasks = await app.container.database.read(lambda c: [tuple(row) for row in c.execute(sql)])
    assert tasks == [
        ("new", message.id, "{}"),
        ("mwi", None, "{}"),
        ("saved", message.id, '{"reason": "heard"}'),
        ("deleted", message.id, '{"reason": "dtmf"}'),
    ]


OPERATIONS = st.lists(
    st.tuples(st.sampled_from(["add", "add urgent", "save", "delete", "restore", "new", "remove"]), st.integers(0, 5)),
    max_size=25,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(OPERATIONS)
async def test_counters_are_right_after_any_operations(app: AppFixture, operations: list[tuple[str, int]]) -> None:
    await app.container.database.write(lambda c: c.execute("DELETE FROM box_numbers").rowcount)
    box = await app.create_box()
    known: list[Message] = []
    for operation, n in operations:
        if operation.startswith("add"):
            known.append(await app.create_message(box, s=0.1 * (n + 1), urgent=operation == "add urgent"))
        elif known:
            message = known[n % len(known)]
            try:
                if operation == "remove":
                    await app.container.messages.soft_delete(box.id, [message.id])
                elif operation == "restore":
                    await app.container.messages.restore_from_deleted(box.id, message.id, ChangeReason.DTMF)
                else:
                    folder = {"save": Folder.SAVED, "delete": Folder.DELETED, "new": Folder.NEW}[operation]
                    await app.container.messages.move_to_folder(box.id, message.id, folder, ChangeReason.DTMF)
            except NotFound:
                pass
    messages = await app.messages(box)
    folders: list[str] = [m.folder for m in messages]
    urgent: list[str] = [m.folder for m in messages if m.urgent]
    assert await app.container.messages.counts(box.id) == FolderCounts(
        *map(folders.count, ("new", "saved", "deleted")), *map(urgent.count, ("new", "saved"))
    )
    assert await app.container.messages.used_bytes(box.id) == sum(m.bytes for m in messages)


def query_plan(statement: str, connection: sqlite3.Connection) -> list[str]:
    return [row["detail"] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}")]


@pytest.mark.sqlite_only
async def test_call_queries_use_indexes(app: AppFixture) -> None:
    """Each reads along an index in the order of its rows: no scan of a table, no sorting."""
    box = await app.create_box()
    statements: list[str] = []

    def trace_queries(connection: sqlite3.Connection) -> None:
        connection.set_trace_callback(statements.append)
        for oldest_first in (False, True):
            folder = OpenFolder(box.id, Folder.NEW, oldest_first, 10, NOON - 100)
            message_rows.next_message(connection, folder, None)
            message_rows.next_message(connection, folder, (True, NOON, "x"))
        message_rows.messages_older_than(connection, box.account_id, NOON, 1)
        message_rows.last_arrival_seq(connection, box.id)
        connection.execute(message_rows.MESSAGE_BY_ID_PREFIX, ("202611-0", "202611-0~", box.id))
        message_rows.message_page(connection, box.id, None, 0, None, 50)
        connection.set_trace_callback(None)

    await app.container.database.read(trace_queries)
    await app.container.messages.counts(box.id)
    selects = [s for s in statements if s.startswith("SELECT")]
    assert len(selects) > 8
    for statement in selects:
        plan = await app.container.database.read(partial(query_plan, statement))
        assert all(step.startswith("SEARCH") for step in plan), f"{plan}: {statement}"


async def test_transfer_is_a_change_of_both_mailboxes_for_the_pages_that_show_them(app: AppFixture) -> None:
    box, other = await app.create_box("1000"), await app.create_box("1001")
    message = await insert_message(app, box)
    changes = app.container.mailbox_changes
    before = await changes.count([box.id, other.id])
    await app.container.messages.transfer_to_box(message, other.id, "1001@demo.example")
    after = await changes.count([box.id, other.id])
    assert after[box.id] > before[box.id]
    assert after[other.id] > before[other.id]
