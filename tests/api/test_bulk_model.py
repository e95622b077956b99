"""Bulk operations on messages, compared with a model that is a dict."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ivr.api import envelope, messages, request_body, serializers
from ivr.errors import IvrError, NotFound
from ivr.mailbox.bulk import BulkOperations, BulkResult
from ivr.storage.records import Folder, Message
from ivr.storage.sqlite.messages import SqliteMessages
from tests.api.conftest import RestClient
from tests.support.app_fixture import AppFixture

FOLDERS = ("new", "saved", "deleted")
MISSING = "201605-" + "0" * 32

ids = st.lists(st.integers(0, 5), max_size=6)  # 5: a message that does not exist.
operations = st.one_of(
    st.tuples(st.just("folder"), ids, st.sampled_from(FOLDERS)),
    st.tuples(st.just("delete"), ids, st.none()),
    st.tuples(st.just("move"), ids, st.none()),
    st.tuples(st.just("copy"), ids, st.none()),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(operations, max_size=6))
def test_bulk_operations_match_model(tmp_path_factory: Any, steps: list[tuple[str, list[int], Any]]) -> None:
    asyncio.run(_compare_with_model(tmp_path_factory.mktemp("app") / "data", steps))


async def _compare_with_model(folder: Path, operations: list[tuple[str, list[int], Any]]) -> None:
    app = await AppFixture(folder).open()
    try:
        here, there = await app.create_box("1000"), await app.create_box("1001")
        sent = [(await app.create_message(here, age_s=n, s=0.1)).id for n in range(5)] + [MISSING]
        model: dict[str, str] = dict.fromkeys(sent[:5], "new")
        arrived = 0
        bulk = app.container.api_services.mailbox.bulk
        for operation, indexes, target in operations:
            wanted = list(dict.fromkeys(sent[n] for n in indexes))
            known = [one for one in wanted if one in model]
            outcome: BulkResult
            if operation == "folder":
                outcome = await bulk.move_to_folder(here, wanted, target, 0)
                model.update(dict.fromkeys(known, target))
            elif operation == "delete":
                outcome = await bulk.delete(here, wanted, 0)
            elif operation == "move":
                outcome = await bulk.transfer(here, wanted, there, 0)
            else:
                outcome = await bulk.copy(here, wanted, [there, there], 0)
            if operation in ("delete", "move"):
                model = {one: where for one, where in model.items() if one not in known}
            arrived += {"move": 1, "copy": 2}.get(operation, 0) * len(known)
            assert len(outcome.succeeded) == len(known) * (2 if operation == "copy" else 1)
            if operation in ("folder", "delete"):
                assert outcome.succeeded == known
            assert outcome.failed == [(one, "not_found") for one in wanted if one not in known]
            assert {m.id: str(m.folder) for m in await app.messages(here)} == model
        folders = list(model.values())
        counts = await app.container.messages.counts(here.id)
        assert (counts.new, counts.saved, counts.deleted) == tuple(map(folders.count, FOLDERS))
        assert len(await app.messages(there)) == arrived
    finally:
        app.close()


class CountedMessages(SqliteMessages):
    """Counts what is read."""

    reads = 0

    async def get(self, box_id: str, message_id: str, not_before: int) -> Message:
        self.reads += 1
        return await super().get(box_id, message_id, not_before)

    async def get_many(self, box_id: str, ids: Sequence[str], not_before: int) -> list[Message | IvrError]:
        self.reads += 1
        return await super().get_many(box_id, ids, not_before)


async def test_messages_of_a_bulk_operation_are_read_together(app: AppFixture) -> None:
    """A read for each of 10,000 ids kept the threads busy, and calls waited."""
    box = await app.create_box("1000")
    sent = [(await app.create_message(box, s=0.1)).id for _ in range(3)]
    unknown = [f"201605-{number:032x}" for number in range(997)]
    messages = CountedMessages(app.container.database, app.clock, app.container.retention_clock)
    bulk = BulkOperations(messages=messages, delivery=app.container.delivery)
    outcome = await bulk.move_to_folder(box, [sent[0], *unknown, *sent[1:]], Folder.SAVED, 0)
    assert outcome.succeeded == sent
    assert outcome.failed == [(one, "not_found") for one in unknown]
    assert messages.reads <= 10


async def test_requests_take_turns_to_read_and_a_short_one_does_not_wait_for_a_long_one() -> None:
    """What is read at once is worked off at once, while calls wait."""
    readers, most, finished = 0, 0, list[str]()

    class SlowStore:
        async def get_many(self, box_id: str, ids: Sequence[str], not_before: int) -> list[IvrError]:
            nonlocal readers, most
            readers += 1
            most = max(most, readers)
            await asyncio.sleep(0)
            readers -= 1
            return [NotFound("unknown message")] * len(ids)

    bulk = BulkOperations(cast(Any, SlowStore()), cast(Any, None), max_concurrency=10)

    async def change(name: str, count: int) -> None:
        outcome = await bulk.delete(cast(Any, SimpleNamespace(id="box")), map(str, range(count)), 0)
        assert outcome.failed == [(str(number), "not_found") for number in range(count)]
        finished.append(name)

    await asyncio.gather(*(change(f"long {number}", 1000) for number in range(4)), change("short", 5))
    assert most == 1
    assert finished[0] == "short"


async def test_long_bulk_request_is_parsed_and_answered_in_steps_that_calls_go_between(
    rest: RestClient, app: AppFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten thousand ids to parse, look up and answer are never one step of the loop."""
    box = await app.create_box()
    ids = [f"201605-{number:032x}" for number in range(10_000)]
    steps: list[str] = []
    for module, name in ((request_body, "parse_body"), (messages, "parse_ids"), (serializers, "render_data"),
                         (serializers, "success")):  # fmt: skip
        monkeypatch.setattr(module, name, _noting(steps, name, getattr(module, name)))
    done = asyncio.create_task(rest.request_ok("POST", f"/{box.id}/messages", {"messages": ids, "folder": "saved"}))
    while not done.done():
        await asyncio.sleep(0)
        if steps and steps[-1] != "a call":
            steps.append("a call")
    assert len((await done)["data"]["failed"]) == 10_000
    assert [step for step in steps if step != "a call"] == ["parse_body", "parse_ids", "render_data", "success"]
    assert steps[1::2] == ["a call"] * (len(steps) // 2), "between any two of them"


async def test_long_list_without_pages_is_rendered_in_steps_that_calls_go_between(
    rest: RestClient, app: AppFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = await app.create_box()
    messages_of_box = [await app.create_message(box) for _ in range(5)]
    pages = (await rest.request_ok("GET", f"/{box.id}/messages"))["data"]
    steps: list[str] = []
    monkeypatch.setattr(serializers, "MAX_PAGE_SIZE", 2)
    for name in ("render_data", "join_lists"):
        monkeypatch.setattr(serializers, name, _noting(steps, name, getattr(serializers, name)))
    done = asyncio.create_task(rest.request("GET", f"/{box.id}/messages?paginate=false"))
    while not done.done():
        await asyncio.sleep(0)
        if steps and steps[-1] != "a call":
            steps.append("a call")
    response = await done
    assert steps == ["render_data", "a call"] * 3 + ["join_lists", "a call"]
    assert (response.json()["data"], len(pages)) == (pages, len(messages_of_box))
    unchanged = {"If-None-Match": response.headers["ETag"]}
    assert (await rest.request("GET", f"/{box.id}/messages?paginate=false", headers=unchanged)).status_code == 304
    await app.create_message(box)
    assert (await rest.request("GET", f"/{box.id}/messages?paginate=false", headers=unchanged)).status_code == 200
    monkeypatch.setattr(envelope, "MAX_INDENTED_BYTES", 100)
    assert "\n" not in (await rest.request("GET", f"/{box.id}/messages?pretty_print=true")).text


def _noting(steps: list[str], name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*arguments: Any, **options: Any) -> Any:
        steps.append(name)
        return function(*arguments, **options)

    return call
