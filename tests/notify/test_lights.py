"""The message lights of boxes, at an Asterisk that is none."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from ivr.directory.people import Endpoint
from ivr.mailbox.message import Folder
from ivr.mailbox.sqlite.outbox import Kind
from ivr.mailbox.store import Because
from ivr.notify import lights
from tests.notify.conftest import Home
from tests.support.ami import FakeAsterisk


@pytest.fixture
def shown(asterisk: FakeAsterisk) -> dict[str, tuple[int, int]]:
    """What phones would show."""
    return asterisk.lights


async def test_the_light_shows_what_is_new_and_what_is_saved(lit_home: Home, shown: dict[str, tuple[int, int]]) -> None:
    box = await lit_home.box()
    await lit_home.connects()
    message = await lit_home.message(box)
    await lit_home.settle()
    assert shown["1000@ivr"] == (1, 0)
    await lit_home.app.messages.move_to(box.id, message.id, Folder.SAVED, Because.KEY)
    await lit_home.settle()
    assert shown["1000@ivr"] == (0, 1)
    await lit_home.app.messages.remove(box.id, [message.id])
    await lit_home.settle()
    assert shown["1000@ivr"] == (0, 0)


async def test_an_asterisk_that_is_still_loading_is_asked_again_at_once(
    lit_home: Home, asterisk: FakeAsterisk, shown: dict[str, tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lights, "BOOTING_PAUSE_S", 0.01)

    def not_yet(_: dict[str, str]) -> list[dict[str, str]]:
        del asterisk.answers["Originate"]
        return [{"Response": "Error", "Message": "Extension does not exist."}]

    asterisk.answers["Originate"] = not_yet
    await lit_home.message(await lit_home.box())
    [lane] = [lane for lane in lit_home.notifier._lanes if isinstance(lane, lights.LightLane)]
    running = asyncio.create_task(lane.run())
    await lit_home.connects()
    async with asyncio.timeout(10):
        while shown.get("1000@ivr") != (1, 0):
            await asyncio.sleep(0.01)
    running.cancel()
    assert "Originate" not in asterisk.answers, "it was refused first"


async def test_a_boxs_numbers_and_the_prefix_show_the_same(lit_home: Home, shown: dict[str, tuple[int, int]]) -> None:
    box = await lit_home.box(numbers=["2000", "desk@elsewhere", "bad one"])
    await lit_home.connects()
    await lit_home.message(box)
    await lit_home.settle()
    assert {name for name, counts in shown.items() if counts == (1, 0)} == {
        "1000@ivr", "2000@ivr", "desk@elsewhere", "*981000@ivr",
    }  # fmt: skip


async def test_a_phone_that_becomes_an_owners_shows_the_sum_at_once_and_is_dark_when_it_is_no_more(
    lit_home: Home, shown: dict[str, tuple[int, int]]
) -> None:
    box = await lit_home.box(owner=lit_home.alice)
    await lit_home.connects()
    await lit_home.message(box)
    await lit_home.settle()
    phone = Endpoint(
        system="asterisk", name="alice-home", account_id=lit_home.account.id, user_id=lit_home.alice.id
    )  # fmt: skip
    await lit_home.app.directory.add_endpoint(phone)
    await lit_home.app.directory.add_endpoint(phone.model_copy(update={"system": "elsewhere", "name": "far-away"}))
    await lit_home.settle()
    assert shown["alice-home@ivr-phones"] == (1, 0)
    assert "far-away@ivr-phones" not in shown
    await lit_home.app.directory.remove_endpoint("asterisk", "alice-home")
    await lit_home.settle()
    assert shown["alice-home@ivr-phones"] == (0, 0)
    assert shown["alice@ivr-phones"] == (1, 0)
    await lit_home.app.directory.delete_user(lit_home.alice.id)
    await lit_home.settle()
    assert shown["alice@ivr-phones"] == (0, 0)
    assert await lit_home.waits() == []


async def test_an_owners_phones_show_the_sum_of_their_boxes(lit_home: Home, shown: dict[str, tuple[int, int]]) -> None:
    a, b = [await lit_home.box(number, owner=lit_home.alice) for number in ("1000", "1001")]
    await lit_home.connects()
    await lit_home.message(a)
    await lit_home.message(b)
    await lit_home.message(b, folder="saved")
    await lit_home.settle()
    assert shown["alice@ivr-phones"] == (2, 1)
    assert "bob@ivr-phones" not in shown or shown["bob@ivr-phones"] == (0, 0)


async def test_a_box_that_gets_another_number_leaves_no_light_behind(
    lit_home: Home, shown: dict[str, tuple[int, int]]
) -> None:
    box = await lit_home.box()
    await lit_home.connects()
    await lit_home.message(box)
    await lit_home.settle()
    await lit_home.app.boxes.patch(box, {"mailbox": "1009"})
    await lit_home.settle()
    assert shown["1000@ivr"] == (0, 0)
    assert shown["1009@ivr"] == (1, 0)


async def test_a_deleted_box_goes_dark(lit_home: Home, shown: dict[str, tuple[int, int]]) -> None:
    box = await lit_home.box()
    await lit_home.connects()
    await lit_home.message(box)
    await lit_home.settle()
    await lit_home.app.boxes.delete(box)
    await lit_home.settle()
    assert shown["1000@ivr"] == (0, 0)


async def test_an_hour_without_asterisk_costs_nothing_but_the_hour(
    lit_home: Home, asterisk: FakeAsterisk, shown: dict[str, tuple[int, int]]
) -> None:
    box = await lit_home.box()
    await lit_home.connects()
    await asterisk.stop()
    assert lit_home.manager
    while lit_home.manager.connection:
        await lit_home.manager.changed()
    for _ in range(12):
        await lit_home.message(box)
        lit_home.clock.advance(s=300)
        await lit_home.settle()
    [row] = [row for row in await lit_home.waits() if row.kind == "light"]
    assert row.attempts == 0
    await asterisk.start()
    await lit_home.connects()
    await lit_home.settle()
    assert shown["1000@ivr"] == (12, 0)
    assert await lit_home.waits() == []


async def test_a_change_while_the_light_is_being_set_is_not_lost(lit_home: Home, asterisk: FakeAsterisk) -> None:
    box = await lit_home.box()
    await lit_home.connects()
    await lit_home.settle()
    await lit_home.message(box)
    [row] = await lit_home.app.outbox.claim([Kind.LIGHT], 1)
    await lit_home.message(box)
    await lit_home.app.outbox.done([row])
    await lit_home.settle()
    assert asterisk.lights["1000@ivr"] == (2, 0)


async def test_a_slow_mail_server_holds_back_no_light(tmp_path: Path, asterisk: FakeAsterisk) -> None:
    listening: asyncio.Queue[asyncio.StreamWriter] = asyncio.Queue()
    silent = await asyncio.start_server(lambda _, writer: listening.put_nowait(writer), "127.0.0.1", 0)
    home = Home(
        tmp_path / "data", ami={"port": asterisk.port, "secret": "word"},
        mail={"host": "127.0.0.1", "port": silent.sockets[0].getsockname()[1], "timeout_s": 2, "at_once": 1},
    )  # fmt: skip
    await home.open()
    box = await home.box(notify_email="ann@example.org")
    await home.notifier.start()
    await home.connects()
    await home.is_left(box)
    asked = await listening.get()
    await home.is_left(box)
    while asterisk.lights.get("1000@ivr") != (2, 0):
        await home.app.outbox.due()
    assert Kind.MAIL in {row.kind for row in await home.waits()}
    silent.close()
    asked.close()
    await asyncio.wait_for(silent.wait_closed(), 5)
    await home.notifier.stop()
    while not listening.empty():
        listening.get_nowait().close()
    await asyncio.sleep(0.05)  # Sockets are closed by the loop's next turns.
    await home.leaves()


async def test_after_a_reconnect_everything_is_set_however_many_boxes(lit_home: Home, asterisk: FakeAsterisk) -> None:
    for n in range(450):
        await lit_home.box(str(10_000 + n), pin=None)
    began = time.monotonic()
    await lit_home.connects()
    await lit_home.settle()
    print(f"{450 / (time.monotonic() - began):.0f} boxes a second, with an Asterisk that is none")
    assert len([name for name in asterisk.lights if name.startswith("10")]) == 450
