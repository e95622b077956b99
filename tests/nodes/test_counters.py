"""Two services change the same three mailboxes at the same time: counters are always what the rows say."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Awaitable
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ivr.app import App
from ivr.errors import BoxFull, NotFound, PreconditionFailed
from ivr.mailbox.mailbox import Mailbox
from ivr.storage.records import Caller, ChangeReason, Folder, Message, TaskKind
from tests.lab.admin_process import COUNTED, COUNTERS
from tests.nodes.conftest import NewNode
from tests.support.app_fixture import NOON, AppFixture

CHANGES = ("leave", "leave urgent", "save", "delete", "restore", "remove", "undelete", "copy", "move", "mark", "claim")
STEP = st.tuples(st.sampled_from(CHANGES), st.integers(0, 1), st.integers(0, 2), st.integers(0, 7))
"""A change, the service that makes it, its mailbox, and which of the messages it is about."""
ROUNDS = st.lists(st.lists(STEP, min_size=2, max_size=8), min_size=1, max_size=8)
"""The changes of a round are made at the same time."""

WRONG_ARRIVALS = (
    "SELECT messages.box_id, arrival_seq, count(*) FROM messages LEFT JOIN arrival_sequences"
    " ON arrival_sequences.box_id = messages.box_id WHERE bytes > 0 AND deleted_at IS NULL"
    " GROUP BY messages.box_id, arrival_seq HAVING count(*) > 1 OR arrival_seq > coalesce(min(last_seq), 0)"
)
"""Two messages of a mailbox with one arrival number, or one that a folder opened from now on would not show."""
OVERTAKEN = (NotFound, PreconditionFailed, BoxFull)
"""Errors of a change that comes after another one of its round."""


class TwoServices:
    """The model: messages that were left, and tasks that were claimed."""

    def __init__(self, services: list[App], boxes: list[Mailbox]) -> None:
        self._services = services
        self._boxes = boxes
        self.left: list[Message] = []
        self.claimed: list[int] = []

    async def run(self, change: str, service: int, box: int, number: int) -> None:
        """Make a change; what another one has made impossible is no error."""
        with contextlib.suppress(*OVERTAKEN):
            await self._make(change, self._services[service], self._boxes[box], self._boxes[number % 3], number)

    def _make(self, change: str, app: App, box: Mailbox, other: Mailbox, number: int) -> Awaitable[object]:
        if change.startswith("leave"):
            return self._leave(app, box, urgent=change == "leave urgent")
        if change == "claim":
            return self._claim(app)
        if not self.left:
            return asyncio.sleep(0)
        message, messages = self.left[number % len(self.left)], app.messages
        match change:
            case "copy":
                copy = replace(message, id=self._new_id(), box_id=other.id, folder=Folder.NEW)
                back = replace(message, id=self._new_id(), box_id=box.id, folder=Folder.NEW)
                return messages.copy_to_boxes([copy, back], message)
            case "move":
                return messages.transfer_to_box(message, other.id, "a@b")
            case "mark":
                return messages.set_marks(box.id, message.id, urgent=bool(number % 2))
            case "remove":
                return messages.soft_delete(box.id, [message.id])
            case "undelete":
                return messages.undelete(box.id, message.id, ChangeReason.DTMF)
            case "restore":
                return messages.restore_from_deleted(box.id, message.id, ChangeReason.DTMF)
        folder = {"save": Folder.SAVED, "delete": Folder.DELETED}[change]
        return messages.move_to_folder(box.id, message.id, folder, ChangeReason.DTMF)

    async def _leave(self, app: App, box: Mailbox, *, urgent: bool) -> None:
        message = Message(
            id=self._new_id(), account_id=box.account_id, box_id=box.id, folder=Folder.NEW, time=NOON,
            length_ms=1000, bytes=16_044, caller=Caller("2001"), urgent=urgent,
        )  # fmt: skip
        await app.messages.add(message)
        self.left.append(message)

    async def _claim(self, app: App) -> None:
        self.claimed += [task.id for task in await app.outbox.claim([TaskKind.NEW], 5)]

    def _new_id(self) -> str:
        return self._services[0].ids.new_message_id(NOON)


@pytest.mark.both_engines
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=12)
@given(rounds=ROUNDS)
async def test_counters_are_what_the_rows_say_whatever_two_services_do_at_once(
    app: AppFixture, new_node: NewNode, rounds: list[list[tuple[str, int, int, int]]]
) -> None:
    await app.container.database.write(_forget_everything)
    boxes = [await app.create_box(number, quota_mb=1) for number in ("1000", "1001", "1002")]
    services = [new_node(name, data={"busy_timeout_ms": 60_000}) for name in ("a", "b")]  # One file has one writer.
    model = TwoServices(services, boxes)
    for changes in rounds:
        await asyncio.gather(*(model.run(*change) for change in changes))
        counters, counted = await app.container.database.read(_read_counters)
        assert counters == counted
        assert await app.container.database.read(_read_wrong_arrivals) == []
    assert len(model.claimed) == len(set(model.claimed)), "two services have claimed one task"


def _forget_everything(connection: sqlite3.Connection) -> None:
    for table in ("outbox", "messages", "folder_counters", "box_numbers", "boxes"):
        connection.execute(f"DELETE FROM {table}")


def _read_wrong_arrivals(connection: sqlite3.Connection) -> list[tuple[object, ...]]:
    return [tuple(row) for row in connection.execute(WRONG_ARRIVALS)]


def _read_counters(connection: sqlite3.Connection) -> tuple[set[tuple[object, ...]], set[tuple[object, ...]]]:
    counters, counted = ({tuple(row) for row in connection.execute(sql)} for sql in (COUNTERS, COUNTED))
    return counters, counted
