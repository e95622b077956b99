"""Calls over ARI outlive the service that has them: what the next start, or another service, makes of them."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from ivr.app import build
from ivr.clock import SystemClock
from ivr.serving.service import Service, serve
from tests.call.conftest import SECRET
from tests.call.test_ari import FROM_ALICE
from tests.support.ari import APPLICATION, PASSWORD, FakeAri, PeerCall
from tests.support.house import House

Start = Callable[..., Awaitable[Service]]
TRUNK = "PJSIP/trunk-00000001"
ENTER_PIN = "Please enter your pin"


@pytest.fixture
async def house(tmp_path: Path, humming: Path, asterisk: FakeAri) -> AsyncIterator[House]:
    house = House(
        tmp_path / "data", sounds={"folder": humming}, asterisk={"secret": SECRET}, fastagi={"port": 0},
        ari={"port": asterisk.port, "password": PASSWORD},
    )  # fmt: skip
    house.clock = SystemClock()  # type: ignore[assignment]
    await house.open()
    asterisk.takes = house.settings.data.folder / "takes"
    yield house
    house.app.close()


@pytest.fixture
async def start(house: House, asterisk: FakeAri) -> AsyncIterator[Start]:
    """Starts one more service, of the same data."""
    running: list[Service] = []

    async def begin(application: str = APPLICATION) -> Service:
        ari = house.settings.ari.model_copy(update={"application": application})
        app = build(house.settings.model_copy(update={"ari": ari}), SystemClock())
        asked = len(asterisk.asked)
        running.append(await serve(app, only="calls"))
        async with asyncio.timeout(10):
            while not any(f"applications/{application}" in one for one in asterisk.asked[asked:]):
                await asyncio.sleep(0.01)
        return running[-1]

    yield begin
    for service in running:
        await service.stop()


def ages(house: House, seconds: int) -> None:
    """The service was alive so long ago."""
    with sqlite3.connect(house.settings.data.folder / "ivr.db") as connection:
        connection.execute("UPDATE live_calls SET seen_at = seen_at - ?", (seconds,))
    connection.close()


def has_noted(house: House, question: str) -> int:
    with sqlite3.connect(house.settings.data.folder / "ivr.db") as connection:
        found = connection.execute(f"SELECT count(*) FROM {question}").fetchone()[0]
    connection.close()
    return int(found)


async def until(house: House, question: str) -> None:
    async with asyncio.timeout(10):
        while not has_noted(house, question):
            await asyncio.sleep(0.01)


async def signed_in(house: House, asterisk: FakeAri) -> PeerCall:
    """Somebody has dialled in from outside, given their PIN, and hears a message."""
    await house.message(await house.box(owner=house.alice, pin="1379"), s=60)
    call = asterisk.call("check", "account=demo", "number=1000", channel=TRUNK, variables=FROM_ALICE)
    await call.plays(ENTER_PIN)
    call.press("1379#1")
    await call.plays("(recording)")
    await until(house, "live_calls WHERE box_id IS NOT NULL")
    return call


async def test_who_was_signed_in_is_signed_in_again_when_the_service_starts_again(
    house: House, asterisk: FakeAri, start: Start
) -> None:
    service = await start()
    call = await signed_in(house, asterisk)
    await service.stop()
    await start()
    await call.plays("You have one new message")
    call.press("#")
    assert await call.ends() == "DONE"
    assert sum(ENTER_PIN in text for text in call.heard) == 1
    await until(house, "calls WHERE status = 'DONE'")
    assert has_noted(house, "calls") == 2, "what the first one knew of it is written down, too"
    assert has_noted(house, "live_calls") == 0


async def test_a_minute_later_the_pin_is_asked_again(house: House, asterisk: FakeAri, start: Start) -> None:
    service = await start()
    call = await signed_in(house, asterisk)
    await service.stop()
    ages(house, 60)
    await start()
    await call.plays(ENTER_PIN)
    call.hang_up()
    await call.ends()


@pytest.mark.parametrize("other", ["channel = 'PJSIP/trunk-00000002'", "uniqueid = '1700000000.99'"])
async def test_another_channels_row_signs_nobody_in(house: House, asterisk: FakeAri, start: Start, other: str) -> None:
    service = await start()
    call = await signed_in(house, asterisk)
    await service.stop()
    with sqlite3.connect(house.settings.data.folder / "ivr.db") as connection:
        connection.execute(f"UPDATE live_calls SET {other}")
    connection.close()
    await start()
    await call.plays(ENTER_PIN)
    call.hang_up()
    await call.ends()


async def test_who_had_not_signed_in_begins_anew(house: House, asterisk: FakeAri, start: Start) -> None:
    service = await start()
    await house.box(owner=house.alice, pin="1379")
    call = asterisk.call("check", "account=demo", "number=1000", channel=TRUNK, variables=FROM_ALICE)
    await call.plays(ENTER_PIN)
    await service.stop()
    await start()
    await call.plays(ENTER_PIN)
    call.press("1379#")
    await call.plays("You have no messages")
    call.hang_up()
    await call.ends()


async def test_a_box_that_is_gone_meanwhile_signs_nobody_in(house: House, asterisk: FakeAri, start: Start) -> None:
    service = await start()
    call = await signed_in(house, asterisk)
    await service.stop()
    box = await house.app.boxes.by_number(house.account.id, "1000")
    assert box
    await house.app.boxes.delete(box)
    await start()
    await call.plays(ENTER_PIN)
    call.hang_up()
    await call.ends()


async def test_a_caller_who_had_spoken_goes_back_to_the_dialplan_which_thanks_them(
    house: House, asterisk: FakeAri, start: Start
) -> None:
    """And what they said becomes a message."""
    service = await start()
    box = await house.box("1001", owner=house.bob)
    call = asterisk.call("leave", "account=demo", "number=1001", variables=FROM_ALICE)
    await call.speaks(3000)
    await call.plays("To keep")
    await service.stop()
    await start()
    assert await call.ends() == "", "as if nobody had it: the dialplan looks at the recording"
    call.hang_up()
    async with asyncio.timeout(15):
        while not (found := await house.messages(box)):
            await asyncio.sleep(0.05)
    assert [message.length_ms for message in found] == [3000]


async def test_another_service_takes_up_the_calls_of_one_that_died(
    house: House, asterisk: FakeAri, start: Start
) -> None:
    service = await start()
    await start("ivr-2")
    call = await signed_in(house, asterisk)
    await service.stop()
    ages(house, 10)
    await call.plays("You have one new message")
    assert call.application == "ivr-2"
    call.press("#")
    assert await call.ends() == "DONE"
    assert sum(ENTER_PIN in text for text in call.heard) == 1


async def test_the_calls_of_a_service_that_lives_are_left_to_it(house: House, asterisk: FakeAri, start: Start) -> None:
    await start()
    await start("ivr-2")
    call = await signed_in(house, asterisk)
    await asyncio.sleep(2.5)
    assert call.application == APPLICATION
    assert call.entered == 1
    call.hang_up()
    await call.ends()


async def test_a_call_that_several_services_may_have_is_claimed(house: House, asterisk: FakeAri, start: Start) -> None:
    await start()
    about = {"id": "1700000000.77", "name": TRUNK}
    asterisk.tell("CallBroadcast", channel=about)
    async with asyncio.timeout(10):
        while asterisk.claimed != ["1700000000.77"]:
            await asyncio.sleep(0.01)
