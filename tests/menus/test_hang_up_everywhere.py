"""A hang-up at every moment of every menu: nothing is lost, nothing is half done, nothing is raised."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from ivr.call.scripted import Press, Silence, Speak, Step
from tests.support.house import House

HOW = "To record an introduction first"
REVIEW = "To keep this recording"
IN = Press("5", during="To leave")
MENU = "For the main menu"
USE = "To use this recording"
GREETINGS = ("greeting", "temporary")

THERE = [("ivr-operator", "0"), ("ivr-hunt", "101")]

JOURNEYS: dict[str, tuple[list[Step], dict[str, Any]]] = {
    "a stranger signs in": ([Press("1000#"), Press("1379#"), Press("1")], {}),
    "three wrong PINs": ([Press("0000#", during="pin")] * 3, {"number": "1000"}),
    "new messages at once": ([], {"endpoint": "alice", "number": "1000"}),
    "save, delete, restore": (
        [Press("1", during="(message"), Press("7", during="(message"), Press("4"), Press("7", during="deleted")],
        {"endpoint": "alice", "number": "1000"},
    ),
    "seek, pause, envelope": (
        [Press(key, during="(message", after_ms=50) for key in "8585*#"],
        {"endpoint": "alice", "number": "1000"},
    ),
    "every folder": ([Press(key, during="To leave") for key in "123"], {"endpoint": "alice", "number": "1000"}),
    "forward with an intro": (
        [Press("3", during="(message"), Press("1001#"), Press("1", during=HOW), Speak(2000),
         Press("2", during=REVIEW), Press("3", during=REVIEW), Speak(1500), Press("1", during=REVIEW)],
        {"endpoint": "alice", "number": "1000"},
    ),
    "forward as it is": (
        [Press("3", during="(message"), Press("1001#"), Press("2", during=HOW)],
        {"endpoint": "alice", "number": "1000"},
    ),
    "leave a message": (
        [Speak(2000), Press("2", during=REVIEW), Press("3", during=REVIEW), Speak(1500), Press("1", during=REVIEW)],
        {"path": "leave", "number": "1001"},
    ),
    "leave an urgent message": (
        [Speak(2000), Press("4", during=REVIEW), Press("3", during=REVIEW), Speak(1500), Press("4", during=REVIEW),
         Press("1", during=REVIEW)],
        {"path": "leave", "number": "1001"},
    ),
    "on to the operator": (
        [Speak(2000), Press("0", during=REVIEW)], {"path": "leave", "number": "1001", "extensions": THERE}
    ),
    "hunt": (
        [Press("555#"), Press("101#", during="dial it")], {"path": "leave", "number": "1001", "extensions": THERE}
    ),
    "a full box": ([], {"path": "leave", "number": "1003"}),
    "an announcement": ([], {"path": "leave", "number": "1004"}),
    "call back": ([Press("9", during="(message")], {"endpoint": "alice", "number": "1000"}),
    "settings": (
        [IN, *[Press(key, during=MENU) for key in ("9", "6", "5", "0")]], {"endpoint": "bob", "number": "1001"},
    ),
    "record a greeting": (
        [IN, Press("1", during=MENU), Speak(2000), Press("2", during=USE), Press("3", during=USE), Speak(1500),
         Press("1", during=USE)],
        {"endpoint": "bob", "number": "1001"},
    ),
    "a temporary greeting": (
        [IN, Press("4", during=MENU), Speak(2000), Press("1", during=USE), Press("2#", during="how many days"),
         Press("5", during=MENU)],
        {"endpoint": "bob", "number": "1001"},
    ),
    "a new pin": (
        [IN, Press("3", during=MENU), Press("2468#", during="new pin"), Press("2468#", during="again")],
        {"endpoint": "bob", "number": "1001"},
    ),
    "first use": (
        [Press("2468#", during="new pin"), Press("2468#", during="again"), Speak(2000), Press("1", during=USE)],
        {"endpoint": "carol", "number": "1009"},
    ),
    "four silent rounds": ([Silence()] * 4, {"endpoint": "bob", "number": "1001"}),
}  # fmt: skip


async def furnish(house: House) -> None:
    mine = await house.box("1000", owner=house.alice, vm_message_forward_type="prepend_forward")
    await house.box("1001", owner=house.bob)
    full = await house.box("1003", quota_mb=1)
    await house.message(full, s=62)
    await house.box("1004", announcement_only=True)
    await house.box("1009", owner=await house.user("carol"), is_setup=False)
    for age_s in (60, 3600):
        await house.message(mine, s=2, age_s=age_s)
    await house.message(mine, s=2, folder="saved")
    await house.message(mine, s=2, folder="deleted")


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """One whose dialplan has an operator and extensions to hunt."""
    contexts = {"operator_context": "ivr-operator", "hunt_context": "ivr-hunt"}
    house = await House(tmp_path / "data", voicemail=contexts).open()
    yield house
    house.close()


@pytest.mark.parametrize("journey", JOURNEYS)
async def test_hang_up_at_every_moment(house: House, journey: str) -> None:
    script, how = JOURNEYS[journey]
    await furnish(house)
    moments = (await house.call(script, **how)).moments
    for moment in range(1, moments + 1):
        await begin_anew(house)
        before = await everything(house)
        phone = await house.call(script, hang_up_at=moment, **how)
        assert phone.status in ("HANGUP", "DONE", "NOACCESS", "BRANCH", "FULL"), f"moment {moment}: {phone.texts}"
        after = await everything(house)
        assert set(before) <= set(after), f"moment {moment}: a message was lost"
        assert await house.app.mailroom.takes.left_behind() == [], f"moment {moment}: a take was left behind"
        await nothing_but_one_take_a_greeting_is_aside(house, moment)


async def begin_anew(house: House) -> None:
    """What an earlier hang-up left to decide would lead the next call another way."""
    for box in await house.app.boxes.of_account(house.account.id):
        for take in await house.app.mailroom.takes.aside(box.id):
            await house.app.mailroom.takes.drop(take)
        if box.number == "1009":
            await house.app.boxes.amend(box.id, {"is_setup": False})


async def nothing_but_one_take_a_greeting_is_aside(house: House, moment: int) -> None:
    aside = []
    for box in await house.app.boxes.of_account(house.account.id):
        takes = await house.app.mailroom.takes.aside(box.id)
        aside += [(take.box_id, take.purpose) for take in takes]
        assert all(take.purpose in GREETINGS for take in takes)
        assert all(house.app.mailroom.takes.length_ms(take) >= 1500 for take in takes)
        media = box.settings.media
        for pointer in filter(None, (media.unavailable, media.temporary_unavailable)):
            assert house.app.recordings.media(box.account_id, pointer).exists(), f"moment {moment}: {pointer}"
    assert len(set(aside)) == len(aside) == len(list(house.app.recordings.takes.iterdir())), f"moment {moment}: {aside}"


async def everything(house: House) -> dict[str, str]:
    """Every message of the account with its folder; each has its audio, and the counters are right."""
    found: dict[str, str] = {}
    for box in await house.app.boxes.of_account(house.account.id):
        messages = await house.messages(box)
        for message in messages:
            found[message.id] = message.folder
            assert all(path.exists() for path in house.app.delivery.audio(message))
        counts = await house.app.messages.counts(box.id)
        folders: list[str] = [message.folder for message in messages]
        assert (counts.new, counts.saved, counts.deleted) == tuple(map(folders.count, ("new", "saved", "deleted")))
        assert counts.urgent_new == sum(message.urgent and message.folder == "new" for message in messages)
    return found
