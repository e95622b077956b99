"""`ivr calls`: reading afterwards what happened in a call."""

from __future__ import annotations

import asyncio
import json
import re
import time
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ivr.call.scripted import HangUp, Meanwhile, Press, Speak
from ivr.mailbox.sqlite.calls import CUT_SHORT
from ivr.mailbox.store import LiveCall
from tests.cli.conftest import Ivr, answer
from tests.support.house import House

DAY_S = 86_400


class Yesterday:
    """A house in which calls took place, on the data folder that `ivr` reads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, story: Any, now: float | None = None) -> None:
        async def told() -> None:
            house = House(self._folder)
            house.clock._now = now if now is not None else time.time()
            try:
                if await house.app.directory.accounts():
                    house.account = await house.app.directory.account_called("demo")
                else:
                    await house.open()
                await story(house)
            finally:
                house.app.close()

        asyncio.run(told())


@pytest.fixture
def happened(tmp_path: Path) -> Yesterday:
    return Yesterday(tmp_path / "data")


async def deleting(house: House) -> None:
    box = await house.box("1000", owner=house.alice, pin="1379", require_pin=True, new_messages_at_once=False)
    await house.message(box)
    await house.call(
        [Press("1379#"), Press("1", after_ms=500), Press("7", after_ms=600), Press("#")],
        endpoint="alice",
        number="1000",
    )


def test_a_whole_call_is_read_afterwards(ivr: Ivr, happened: Yesterday) -> None:
    happened(deleting)
    [listed] = answer(ivr("calls", "list", "--json"))
    assert (listed["caller"], listed["action"], listed["box"], listed["status"]) == ("5550100", "check", "1000", "DONE")
    shown = ivr("calls", "show", listed["id"][:8]).stdout
    story = [re.split(r" {2,}", line.strip(), maxsplit=2)[1:] for line in shown.split("\n\n", 1)[1].splitlines()]
    told = [" ".join(words) for words in story]
    wanted = [
        "menu sign in", "key •", "signed in", "menu main menu", "heard “You have one new message”", "key 1",
        "menu message menu", "message id=", "key 7", "folder message=", "heard “Deleted.”", "menu main menu",
        "key #", "heard “Goodbye",
    ]  # fmt: skip
    at = 0
    for want in wanted:
        at = next((n + 1 for n in range(at, len(told)) if told[n].startswith(want)), 0)
        assert at, f"{want!r} is not there, or not in this place: {told}"


def test_digits_of_a_pin_are_masked(ivr: Ivr, happened: Yesterday) -> None:
    happened(deleting)
    [listed] = answer(ivr("calls", "list", "--json"))
    record = answer(ivr("calls", "show", listed["id"], "--json"))
    keys = [step["key"] for step in record["steps"] if step["what"] == "key"]
    assert keys == ["•", "•", "•", "•", "•", "1", "7", "#"]
    assert "1379" not in json.dumps(record)


def test_steps_have_the_time_since_the_call_began(ivr: Ivr, happened: Yesterday) -> None:
    happened(deleting)
    [listed] = answer(ivr("calls", "list", "--json"))
    times = re.findall(r"^ +(\d+:\d\d\.\d{3})  ", ivr("calls", "show", listed["id"]).stdout, re.MULTILINE)
    assert len(times) > 10
    assert times[0] == "0:00.000"
    assert times == sorted(times)
    assert times[-1] > "0:01.000"


def test_a_message_that_was_left_is_in_it(ivr: Ivr, happened: Yesterday) -> None:
    async def leaving(house: House) -> None:
        await house.box("1000", owner=house.alice)
        await house.call([Speak(3000, "hang-up")], path="leave", number="1000", caller="2001")

    happened(leaving)
    [listed] = answer(ivr("calls", "list", "--json"))
    assert (listed["action"], listed["status"], listed["caller"]) == ("leave", "HANGUP", "2001")
    steps = answer(ivr("calls", "show", listed["id"], "--json"))["steps"]
    assert {"menu", "recording", "message left"} <= {step["what"] for step in steps}


def test_what_is_saved_by_hanging_up_is_in_it(ivr: Ivr, happened: Yesterday) -> None:
    async def hearing(house: House) -> None:
        box = await house.box("1000", owner=house.alice)
        await house.message(box, s=1)
        await house.call([HangUp(during="received")], endpoint="alice", number="1000")

    happened(hearing)
    [listed] = answer(ivr("calls", "list", "--json"))
    steps = answer(ivr("calls", "show", listed["id"], "--json"))["steps"]
    assert [step["folder"] for step in steps if step["what"] == "folder"] == ["saved"]


def test_calls_older_than_30_days_are_not_shown(ivr: Ivr, happened: Yesterday) -> None:
    happened(deleting, now=time.time() - 31 * DAY_S)
    assert answer(ivr("calls", "list", "--json")) == []

    async def looking(house: House) -> None:
        [old] = await house.app.calls.recent(None, 0, 10)
        ids.append(old.id)

    ids: list[str] = []
    happened(looking)
    assert "there is no call" in ivr("calls", "show", ids[0], fails=3).stderr


def test_the_newest_come_first_and_only_so_many(ivr: Ivr, happened: Yesterday) -> None:
    async def three(house: House) -> None:
        for caller in ("2001", "2002", "2003"):
            await house.call([HangUp()], path="leave", number="1999", caller=caller)
            house.clock.advance(s=10)

    happened(three, now=time.time() - 3600)
    assert [call["caller"] for call in answer(ivr("calls", "list", "-n", "2", "--json"))] == ["2003", "2002"]


def test_times_are_those_of_the_account(ivr: Ivr, happened: Yesterday) -> None:
    now = time.time() - 3600
    happened(deleting, now=now)
    ivr("account", "set", "demo", "timezone=Asia/Tokyo")
    [listed] = answer(ivr("calls", "list", "--json"))
    assert listed["time"] == f"{datetime.fromtimestamp(int(now), ZoneInfo('Asia/Tokyo')):%Y-%m-%d %H:%M:%S}"


def test_an_unknown_call_is_told(ivr: Ivr) -> None:
    assert "see 'ivr calls list'" in ivr("calls", "show", "4711", fails=3).stderr
    assert "see 'ivr calls list'" in ivr("calls", "show", "'; --", fails=3).stderr


async def test_a_call_that_goes_on_is_there_until_it_is_over(house: House) -> None:
    seen: list[str] = []

    async def look() -> None:
        seen.extend(live.number for live in await house.app.calls.live())

    await house.box("1000", owner=house.alice)
    await house.call([Meanwhile("You have", look), HangUp()], endpoint="alice", number="1000")
    assert seen == ["1000"]
    assert await house.app.calls.live() == []


async def test_a_call_that_the_service_died_in_has_a_record(house: House) -> None:
    await house.app.calls.begin(LiveCall("PJSIP/alice-1", "1000", "check", "1000", 1000))
    assert await house.app.calls.close_left_behind(2000) == 1
    [record] = await house.app.calls.recent(None, 0, 10)
    assert (record.status, record.channel, record.ended_at) == ("ERROR", "PJSIP/alice-1", 2000)
    assert record.steps[0]["what"] == CUT_SHORT
    assert await house.app.calls.live() == []
