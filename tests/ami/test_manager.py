"""Our connection to Asterisk's manager, over a real socket."""

from __future__ import annotations

import asyncio

import pytest

from ivr.ami import calls, lamps
from ivr.ami.calls import Destination
from ivr.ami.lamps import Lamp
from ivr.ami.manager import Manager
from ivr.ami.settings import AmiSettings
from ivr.errors import ActionRefused, AsteriskAway
from tests.support.ami import FakeAsterisk, Fields

CALLED = Destination("1001", "to-owners")


async def comes_back(manager: Manager, after: int) -> None:
    while manager.connection <= after:
        await manager.changed()


async def test_it_comes_back_when_asterisk_was_restarted(asterisk: FakeAsterisk, manager: Manager) -> None:
    before = manager.connection
    await asterisk.stop()
    while manager.connection:
        await manager.changed()
    with pytest.raises(AsteriskAway):
        await manager.ask({"Action": "Ping"})
    await asterisk.start()
    await comes_back(manager, before)
    await manager.ask({"Action": "Ping"})


async def test_an_asterisk_that_says_nothing_costs_no_more_than_the_time_out(
    asterisk: FakeAsterisk, manager: Manager
) -> None:
    asterisk.answers["Status"] = lambda _: None
    with pytest.raises(AsteriskAway, match="no answer within"):
        await manager.ask({"Action": "Status"}, within_s=0.05)
    await manager.ask({"Action": "Ping"})


async def test_a_call_is_never_made_twice_when_the_connection_breaks(asterisk: FakeAsterisk, manager: Manager) -> None:
    before = manager.connection

    def breaks(_: Fields) -> None:
        asterisk.hang_up()

    asterisk.answers["Originate"] = breaks
    with pytest.raises(AsteriskAway, match="connection was lost"):
        await calls.call(manager, CALLED, "ivr-called", {}, ring_s=5, caller_number="1000")
    await comes_back(manager, before)
    await manager.ask({"Action": "Ping"})
    assert len(asterisk.asked("Originate")) == 1


async def test_a_wrong_secret_is_told_and_tried_again_later(asterisk: FakeAsterisk) -> None:
    manager = Manager(AmiSettings(port=asterisk.port, secret="wrong"))
    running = asyncio.create_task(manager.run())
    while len(asterisk.asked("Login")) < 2:
        await asyncio.sleep(0.01)
    assert not manager.connection
    running.cancel()


async def test_lights_are_set_many_at_a_time_in_their_order(asterisk: FakeAsterisk, manager: Manager) -> None:
    await lamps.show(manager, [Lamp("1000@ivr", 9, 9), *(Lamp(f"{n}@ivr", n, 1) for n in range(1000, 1200))])
    assert asterisk.lights == {f"{n}@ivr": (n, 1) for n in range(1000, 1200)}
    assert len(asterisk.asked("Originate")) == 3


async def test_an_asterisk_that_has_the_direct_way_is_asked_directly() -> None:
    asterisk = await FakeAsterisk(has_update=True).start()
    manager = Manager(AmiSettings(port=asterisk.port, secret="word"))
    running = asyncio.create_task(manager.run())
    await comes_back(manager, 0)
    await lamps.show(manager, [Lamp("1000@ivr", 2, 1)])
    assert asterisk.lights == {"1000@ivr": (2, 1)}
    assert asterisk.asked("Originate") == []
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await asterisk.stop()


async def test_whether_a_channel_is_still_there(asterisk: FakeAsterisk, manager: Manager) -> None:
    asterisk.answers["Status"] = lambda _: [{"Response": "Error", "Message": "No such channel"}]
    assert await calls.channel_is_gone(manager, "PJSIP/alice-00000001")
    asterisk.answers["Status"] = lambda _: [
        {"Response": "Success", "Message": "Channel status will follow"}, {"Event": "Status", "Channel": "x"},
        {"Event": "StatusComplete", "Items": "1"},
    ]  # fmt: skip
    assert not await calls.channel_is_gone(manager, "PJSIP/alice-00000001")
    asterisk.answers["Status"] = lambda _: [{"Response": "Error", "Message": "Permission denied"}]
    with pytest.raises(ActionRefused):
        await calls.channel_is_gone(manager, "PJSIP/alice-00000001")


@pytest.mark.parametrize(("outcome", "answered"), [("Success", True), ("Failure", False)])
async def test_how_a_call_went_is_told_when_it_is_over(
    asterisk: FakeAsterisk, manager: Manager, outcome: str, answered: bool
) -> None:
    asterisk.answers["Originate"] = lambda _: [
        {"Response": "Success", "Message": "Originate successfully queued"},
        {"Event": "OriginateResponse", "Response": outcome, "Reason": "4"},
    ]
    assert await calls.call(manager, CALLED, "ivr-called", {"A": "1"}, ring_s=5, caller_number="") is answered
    assert asterisk.asked("Originate")[0]["Channel"] == "Local/1001@to-owners/n"


async def test_a_call_that_asterisk_does_not_take_is_refused(asterisk: FakeAsterisk, manager: Manager) -> None:
    asterisk.answers["Originate"] = lambda _: [{"Response": "Error", "Message": "Extension does not exist."}]
    with pytest.raises(ActionRefused, match="Extension does not exist"):
        await calls.call(manager, CALLED, "ivr-called", {}, ring_s=5, caller_number="")
