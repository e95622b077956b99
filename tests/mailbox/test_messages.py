"""The store contract for messages, on its SQLite form."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ivr.errors import NotFound, Outdated, PastRetention
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.message import Caller, Counts, Folder, Message, OpenFolder
from ivr.mailbox.sqlite import rows
from ivr.mailbox.store import Because
from tests.support.house import NOON, House

NEVER = 0


async def walk(house: House, opened: OpenFolder) -> list[Message]:
    found: list[Message] = []
    after = None
    while message := await house.app.messages.next(opened, after):
        found.append(message)
        after = message.order
    return found


async def opened(house: House, box: Mailbox, folder: Folder = Folder.NEW, *, oldest_first: bool = False) -> OpenFolder:
    found, first = await house.app.messages.open(
        box.account_id, box.id, folder, oldest_first=oldest_first, not_before=NEVER
    )
    assert first == await house.app.messages.next(found, None)
    return found


async def put(house: House, box: Mailbox, **about: object) -> Message:
    """A row without audio."""
    time = int(about.pop("time", NOON))  # type: ignore[call-overload]
    number = len(await house.messages(box))
    message = Message(
        id=f"201605-{number:032x}", account_id=box.account_id, box_id=box.id, folder=Folder.NEW, time=time,
        length_ms=1000, bytes=16_044, caller=Caller("2001"),
    )  # fmt: skip
    message = replace(message, **about)  # type: ignore[arg-type]
    await house.app.messages.add(message)
    return message


async def test_a_message_is_seen_as_it_was_stored(house: House) -> None:
    box = await house.box()
    message = await put(house, box, urgent=True, from_uri="a@b", to_uri="c@d", call_id="x", history=("h",))
    assert await house.app.messages.get(box.id, message.id, NEVER) == message


async def test_through_another_box_it_does_not_exist(house: House) -> None:
    box, other = await house.box("1000"), await house.box("1001")
    message = await put(house, box)
    with pytest.raises(NotFound):
        await house.app.messages.get(other.id, message.id, NEVER)
    with pytest.raises(NotFound):
        await house.app.messages.move_to(other.id, message.id, Folder.SAVED, Because.KEY)


async def test_past_retention_it_is_refused_not_gone(house: House) -> None:
    box = await house.box()
    message = await put(house, box, time=NOON - 100)
    with pytest.raises(PastRetention):
        await house.app.messages.get(box.id, message.id, NOON - 99)
    assert await walk(house, replace(await opened(house, box), not_before=NOON - 99)) == []


async def test_counts_of_now_leave_out_what_passed_retention(house: House) -> None:
    box = await house.box()
    await put(house, box, time=NOON - 100)
    await put(house, box, time=NOON)
    assert await house.app.messages.counts_now(box.account_id, box.id, NOON - 50) == Counts(new=1)
    assert await house.app.messages.counts(box.id) == Counts(new=1), "and so it stays"


async def test_expiry_takes_messages_out_of_the_counts(house: House) -> None:
    box = await house.box()
    old, young = await put(house, box, time=NOON - 100), await put(house, box, time=NOON)
    assert await house.app.messages.expire(box.account_id, NOON - 50, 10) == 1
    assert await house.app.messages.counts(box.id) == Counts(new=1)
    assert [m.id for m in await walk(house, await opened(house, box))] == [young.id]
    with pytest.raises(PastRetention):
        await house.app.messages.get(box.id, old.id, NEVER)


async def test_urgent_first_then_newest_first(house: House) -> None:
    box = await house.box()
    a, b = await put(house, box, time=NOON - 30), await put(house, box, time=NOON - 10)
    c, d = await put(house, box, time=NOON - 40, urgent=True), await put(house, box, time=NOON - 20, urgent=True)
    assert [m.id for m in await walk(house, await opened(house, box))] == [d.id, c.id, b.id, a.id]
    assert [m.id for m in await walk(house, await opened(house, box, oldest_first=True))] == [c.id, d.id, a.id, b.id]


async def test_what_comes_into_a_folder_later_is_not_in_it_as_it_was_opened(house: House) -> None:
    box = await house.box()
    there = await put(house, box, time=NOON)
    saved = await put(house, box, time=NOON - 5)
    await house.app.messages.move_to(box.id, saved.id, Folder.SAVED, Because.KEY)
    folder = await opened(house, box)
    await put(house, box, time=NOON - 10)
    await house.app.messages.move_to(box.id, saved.id, Folder.NEW, Because.REQUEST)
    assert [m.id for m in await walk(house, folder)] == [there.id]
    assert len(await walk(house, await opened(house, box))) == 3


async def test_a_folder_change_remembers_where_it_came_from(house: House) -> None:
    box = await house.box()
    message = await put(house, box)
    await house.app.messages.move_to(box.id, message.id, Folder.SAVED, Because.KEY)
    deleted = await house.app.messages.move_to(box.id, message.id, Folder.DELETED, Because.KEY)
    assert (deleted.folder, deleted.folder_before, deleted.revision) == ("deleted", "saved", 3)
    restored = await house.app.messages.restore(box.id, message.id, Because.KEY)
    assert restored.folder == "saved"


async def test_changing_to_the_folder_where_it_is_changes_nothing(house: House) -> None:
    box = await house.box()
    message = await put(house, box)
    same = await house.app.messages.move_to(box.id, message.id, Folder.NEW, Because.KEY)
    assert same == message
    assert (await house.app.messages.restore(box.id, message.id, Because.KEY)) == message


async def test_a_change_that_rests_on_an_old_revision_is_refused(house: House) -> None:
    box = await house.box()
    message = await put(house, box)
    await house.app.messages.move_to(box.id, message.id, Folder.SAVED, Because.KEY)
    with pytest.raises(Outdated):
        await house.app.messages.move_to(box.id, message.id, Folder.DELETED, Because.REQUEST, seen=message.revision)
    assert await house.folder_of(message) == "saved"
    await house.app.messages.move_to(box.id, message.id, Folder.DELETED, Because.REQUEST, seen=message.revision + 1)
    assert await house.folder_of(message) == "deleted"


async def test_only_from_leaves_others_alone(house: House) -> None:
    box = await house.box()
    message = await put(house, box)
    await house.app.messages.move_to(box.id, message.id, Folder.DELETED, Because.KEY)
    kept = await house.app.messages.move_to(box.id, message.id, Folder.SAVED, Because.HEARD, only_from=Folder.NEW)
    assert kept.folder == "deleted"


async def test_soft_deleted_is_gone_from_everywhere(house: House) -> None:
    box = await house.box()
    message, other = await put(house, box), await put(house, box)
    assert await house.app.messages.remove(box.id, [message.id, "nonsense"]) == [message.id]
    assert [m.id for m in await house.messages(box)] == [other.id]
    assert await house.app.messages.counts(box.id) == Counts(new=1)
    assert await house.app.messages.bytes(box.id) == other.bytes


async def test_moved_to_the_deleted_folder_is_not(house: House) -> None:
    box = await house.box()
    message = await put(house, box)
    await house.app.messages.move_to(box.id, message.id, Folder.DELETED, Because.KEY)
    assert [m.id for m in await house.messages(box)] == [message.id]
    assert await house.app.messages.counts(box.id) == Counts(deleted=1)


async def test_a_box_that_was_deleted_takes_no_message(house: House) -> None:
    box = await house.box()
    message = await put(house, box)
    await house.app.boxes.delete(box)
    with pytest.raises(NotFound):
        await house.app.messages.add(replace(message, id="201605-" + "f" * 32))


async def test_each_change_asks_for_what_must_follow(house: House) -> None:
    box = await house.box()
    message = await put(house, box)
    await house.app.messages.move_to(box.id, message.id, Folder.SAVED, Because.HEARD)
    await house.app.messages.move_to(box.id, message.id, Folder.DELETED, Because.KEY)
    sql = "SELECT kind, message_id, payload FROM outbox ORDER BY id"
    asked = await house.app.database.read(lambda c: [tuple(row) for row in c.execute(sql)])
    assert asked == [
        ("new", message.id, "{}"),
        ("light", None, "{}"),
        ("saved", message.id, '{"reason": "heard"}'),
        ("deleted", message.id, '{"reason": "dtmf"}'),
    ]


VERBS = st.lists(
    st.tuples(st.sampled_from(["add", "add urgent", "save", "delete", "restore", "new", "remove"]), st.integers(0, 5)),
    max_size=25,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(VERBS)
async def test_counters_are_right_after_any_verbs(house: House, verbs: list[tuple[str, int]]) -> None:
    await house.app.database.write(lambda c: c.execute("DELETE FROM numbers").rowcount)
    box = await house.box()
    known: list[Message] = []
    for verb, n in verbs:
        if verb.startswith("add"):
            known.append(await house.message(box, s=0.1 * (n + 1), urgent=verb == "add urgent"))
        elif known:
            message = known[n % len(known)]
            try:
                if verb == "remove":
                    await house.app.messages.remove(box.id, [message.id])
                elif verb == "restore":
                    await house.app.messages.restore(box.id, message.id, Because.KEY)
                else:
                    folder = {"save": Folder.SAVED, "delete": Folder.DELETED, "new": Folder.NEW}[verb]
                    await house.app.messages.move_to(box.id, message.id, folder, Because.KEY)
            except NotFound:
                pass
    there = await house.messages(box)
    folders: list[str] = [m.folder for m in there]
    urgent: list[str] = [m.folder for m in there if m.urgent]
    assert await house.app.messages.counts(box.id) == Counts(
        *map(folders.count, ("new", "saved", "deleted")), *map(urgent.count, ("new", "saved"))
    )
    assert await house.app.messages.bytes(box.id) == sum(m.bytes for m in there)


def plan_of(statement: str, connection: sqlite3.Connection) -> list[str]:
    return [row["detail"] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}")]


async def test_no_statement_of_a_call_reads_more_than_it_says(house: House) -> None:
    """Each runs along an index that gives its rows in the wanted order: no scan of a table, no sorting."""
    box = await house.box()
    statements: list[str] = []

    def watched(connection: sqlite3.Connection) -> None:
        connection.set_trace_callback(statements.append)
        for oldest_first in (False, True):
            folder = OpenFolder(box.id, Folder.NEW, oldest_first, 10, NOON - 100)
            rows.next_in(connection, folder, None)
            rows.next_in(connection, folder, (True, NOON, "x"))
        rows.older_than(connection, box.account_id, NOON, 1)
        rows.last_arrival(connection, box.account_id)
        rows.page(connection, box.id, None, 0, None, 50)
        connection.set_trace_callback(None)

    await house.app.database.read(watched)
    await house.app.messages.counts(box.id)
    selects = [s for s in statements if s.startswith("SELECT")]
    assert len(selects) > 8
    for statement in selects:
        plan = await house.app.database.read(partial(plan_of, statement))
        assert all(step.startswith("SEARCH") for step in plan), f"{plan}: {statement}"
