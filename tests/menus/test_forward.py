"""Forwarding."""

from __future__ import annotations

from typing import Any

import pytest

from ivr.audio import wav
from ivr.call.scripted import HangUp, Meanwhile, Press, ScriptedCall, Silence, Speak, Step
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.message import Message
from tests.support.house import House

ASK = "Please enter the mailbox number to forward to, then press pound."
HOW = (
    "To record an introduction first, press one. To forward it as it is, press two."
    " To go back to your messages, press zero."
)
INTRO = "Record your introduction after the tone. Press any key when you have finished."
REVIEW = "To keep this recording, press one. To listen to it, press two. To record it again, press three."
DONE = "Message forwarded."
FULL = "That mailbox is full. The message was not forwarded."


class Scene:
    """Alice has a message in 1000; bob has the box 1001."""

    def __init__(self, house: House, mine: Mailbox, bobs: Mailbox, message: Message) -> None:
        self.house = house
        self.mine = mine
        self.bobs = bobs
        self.message = message

    async def forward(self, *script: Step) -> ScriptedCall:
        keys: list[Step] = [Press("1"), Press("3", during="(message"), *script]
        return await self.house.call(keys, endpoint="alice", number="1000")

    async def arrived(self) -> list[Message]:
        return await self.house.messages(self.bobs)


async def scene(house: House, **settings: Any) -> Scene:
    mine = await house.box("1000", owner=house.alice, new_messages_at_once=False, **settings)
    bobs = await house.box("1001", owner=house.bob)
    return Scene(house, mine, bobs, await house.message(mine, s=5, caller="2001"))


async def test_forwarded_as_it_is(house: House) -> None:
    s = await scene(house)
    phone = await s.forward(Press("1001#"))
    assert phone.texts[3:6] == [ASK, DONE, "Saved."]
    [copy] = await s.arrived()
    assert (copy.folder, copy.length_ms, copy.caller.number) == ("new", 5000, "2001")
    assert copy.id != s.message.id
    assert copy.history == (s.mine.id,)
    assert copy.to_uri == "1001@demo.example"
    assert copy.time == int(house.clock.now()) or copy.time > s.message.time


async def test_what_follows_it_follows_for_the_other_box_only(house: House) -> None:
    s = await scene(house)
    await house.app.database.write(lambda c: c.execute("DELETE FROM outbox").rowcount)
    await s.forward(Press("1001#"), HangUp(during=DONE))
    rows = await house.app.database.read(
        lambda c: c.execute("SELECT kind FROM outbox WHERE box_id = ?", (s.bobs.id,)).fetchall()
    )
    assert sorted(row["kind"] for row in rows) == ["light", "new"]


async def test_the_original_stays_where_it_is_until_told(house: House) -> None:
    s = await scene(house, after_forward_action="prompt")
    phone = await s.forward(Press("1001#"), HangUp(during="To save"))
    assert phone.texts[3:5] == [ASK, DONE]
    assert phone.texts[-1].startswith("To save, press one.")
    assert await house.folder_of(s.message) == "new"


async def test_or_is_saved_where_the_box_wants_it(house: House) -> None:
    s = await scene(house, after_forward_action="save")
    await s.forward(Press("1001#"), HangUp(during="You have"))
    assert await house.folder_of(s.message) == "saved"


async def test_ones_own_box_is_refused(house: House) -> None:
    s = await scene(house)
    phone = await s.forward(Press("1000#"), Press("1001#", during=ASK))
    assert phone.texts[3:7] == [ASK, "That is your own mailbox.", ASK, DONE]


async def test_three_failed_tries_lead_back_to_the_message_menu(house: House) -> None:
    s = await scene(house)
    wrong: list[Step] = [Press("4711#", during=ASK), Silence(), Press("1000#", during=ASK)]
    phone = await s.forward(*wrong, HangUp(during="To save"))
    assert phone.texts[3:9] == [
        ASK, "That entry is not valid.", ASK, "That entry is not valid.", ASK, "That is your own mailbox.",
    ]  # fmt: skip
    assert phone.texts[9] == "I am sorry, there were too many failed tries. The message was not forwarded."
    assert phone.texts[10].startswith("To save, press one.")
    assert await house.folder_of(s.message) == "new"
    assert await s.arrived() == []


async def test_the_forward_menu_offers_intro_plain_and_back(house: House) -> None:
    s = await scene(house, vm_message_forward_type="prepend_forward")
    phone = await s.forward(Press("1001#"), Press("2", during=HOW), HangUp(during=DONE))
    assert phone.texts[3:] == [ASK, HOW, DONE]
    [copy] = await s.arrived()
    assert copy.intro_id is None


async def test_zero_in_the_forward_menu_goes_back_to_the_message(house: House) -> None:
    s = await scene(house, vm_message_forward_type="prepend_forward")
    phone = await s.forward(Press("1001#"), Press("0", during=HOW), HangUp(during="To save"))
    assert phone.texts[5].startswith("To save, press one.")
    assert await s.arrived() == []
    assert await house.folder_of(s.message) == "new"


async def test_an_intro_is_heard_before_the_original_and_lengths_are_added(house: House) -> None:
    s = await scene(house, vm_message_forward_type="prepend_forward")
    script: list[Step] = [
        Press("1001#"),
        Press("1", during=HOW),
        Speak(3000),
        Press("1", during=REVIEW),
        HangUp(during=DONE),
    ]
    phone = await s.forward(*script)
    assert phone.texts[3:] == [ASK, HOW, INTRO, "(beep)", REVIEW, DONE]
    [copy] = await s.arrived()
    assert (copy.length_ms, copy.intro_ms) == (8000, 3000)
    bob = await house.call([], endpoint="bob", number="1001")
    assert bob.texts[2:4] == ["(introduction)", f"(message {copy.id})"]
    assert [wav.length_ms(path) for path in house.app.delivery.audio(copy)] == [3000, 5000]


async def test_a_key_cuts_the_instructions(house: House) -> None:
    s = await scene(house, vm_message_forward_type="prepend_forward")
    keys: list[Step] = [
        Press("1001#"),
        Press("1", during=HOW),
        Press("5", during=INTRO, after_ms=100),
        Speak(3000, then="hang-up"),
    ]
    phone = await s.forward(*keys)
    assert phone.texts[-2:] == [INTRO, "(beep)"]
    assert phone.heard[-2].to_ms == 100


async def test_hanging_up_while_recording_the_intro_forwards_with_what_was_said(house: House) -> None:
    s = await scene(house, vm_message_forward_type="prepend_forward")
    await s.forward(Press("1001#"), Press("1", during=HOW), Speak(3000, then="hang-up"))
    assert [copy.intro_ms for copy in await s.arrived()] == [3000]


async def test_hanging_up_in_its_review_does_too(house: House) -> None:
    s = await scene(house, vm_message_forward_type="prepend_forward")
    await s.forward(Press("1001#"), Press("1", during=HOW), Speak(3000), HangUp(during=REVIEW))
    assert [copy.intro_ms for copy in await s.arrived()] == [3000]


async def test_an_intro_too_short_to_be_one_forwards_without(house: House) -> None:
    s = await scene(house, vm_message_forward_type="prepend_forward")
    await s.forward(Press("1001#"), Press("1", during=HOW), Speak(200), HangUp(during=DONE))
    assert [(copy.intro_id, copy.length_ms) for copy in await s.arrived()] == [(None, 5000)]
    assert await house.app.mailroom.takes.left_behind() == []


async def test_an_intro_recorded_again_replaces_the_first(house: House) -> None:
    s = await scene(house, vm_message_forward_type="prepend_forward")
    script: list[Step] = [
        Speak(3000),
        Press("3", during=REVIEW),
        Speak(2000),
        Press("1", during=REVIEW),
        HangUp(during=DONE),
    ]
    await s.forward(Press("1001#"), Press("1", during=HOW), *script)
    assert [copy.intro_ms for copy in await s.arrived()] == [2000]


async def test_an_intro_forwarded_on_goes_along(house: House) -> None:
    s = await scene(house, vm_message_forward_type="prepend_forward")
    script: list[Step] = [
        Press("1001#"),
        Press("1", during=HOW),
        Speak(3000),
        Press("1", during=REVIEW),
        HangUp(during=DONE),
    ]
    await s.forward(*script)
    await house.box("1002")
    await house.call(
        [Press("3", during="(message"), Press("1002#"), HangUp(during=DONE)], endpoint="bob", number="1001"
    )
    third = await house.app.boxes.by_number(house.account.id, "1002")
    assert third
    [copy] = await house.messages(third)
    assert (copy.length_ms, copy.intro_ms) == (8000, 3000)
    assert [wav.length_ms(path) for path in house.app.delivery.audio(copy)] == [3000, 5000]
    assert copy.history == (s.mine.id, s.bobs.id)


@pytest.mark.parametrize("skip", [True, False])
async def test_the_destination_decides_whether_instructions_are_heard(house: House, skip: bool) -> None:
    s = await scene(house, vm_message_forward_type="prepend_forward")
    await house.app.boxes.patch(s.bobs, {"skip_instructions": skip})
    phone = await s.forward(Press("1001#"), Press("1", during=HOW), Speak(3000, then="hang-up"))
    assert (INTRO in phone.texts) != skip


# -- a box that is full ------------------------------------------------------------------------------------------------


async def fill(s: Scene, **seconds: float) -> None:
    """Bob's box has a quota of 1 MB, a minute and two seconds, and so much in these folders."""
    s.bobs = await s.house.app.boxes.patch(s.bobs, {"quota_mb": 1})
    for folder, length in seconds.items():
        await s.house.message(s.bobs, s=length, folder=folder)


async def test_a_full_box_is_told_before_anything_else_and_another_can_be_named(house: House) -> None:
    s = await scene(house, vm_message_forward_type="prepend_forward")
    await fill(s, new=60)
    other = await house.box("1002")
    phone = await s.forward(Press("1001#"), Press("1002#", during=ASK), Press("2", during=HOW), HangUp(during=DONE))
    assert phone.texts[3:] == [ASK, FULL, ASK, HOW, DONE]
    assert len(await s.arrived()) == 1
    assert len(await house.messages(other)) == 1


async def test_whoever_gives_up_then_has_their_message_where_it_was(house: House) -> None:
    s = await scene(house, after_forward_action="save")
    await fill(s, saved=60)
    phone = await s.forward(*[Press("1001#", during=ASK)] * 3, HangUp(during="To save"))
    assert phone.texts[3:9] == [ASK, FULL] * 3
    assert phone.texts[9].endswith("The message was not forwarded.")
    assert await house.folder_of(s.message) == "new"


async def test_what_is_deleted_there_makes_room(house: House) -> None:
    s = await scene(house)
    await fill(s, deleted=60)
    phone = await s.forward(Press("1001#"), HangUp(during=DONE))
    assert DONE in phone.texts
    assert [message.folder for message in await s.arrived()] == ["new"]


async def test_a_box_that_fills_while_one_chooses_says_so_and_nothing_is_lost(house: House) -> None:
    s = await scene(house, vm_message_forward_type="prepend_forward")
    await fill(s)

    async def somebody_else_is_faster() -> None:
        await house.message(s.bobs, s=60)

    keys: list[Step] = [Meanwhile(HOW, somebody_else_is_faster), Press("2", during=HOW), HangUp(during="To save")]
    phone = await s.forward(Press("1001#"), *keys)
    assert phone.texts[3:6] == [ASK, HOW, FULL]
    assert phone.texts[6].startswith("To save, press one.")
    assert len(await s.arrived()) == 1
    assert await house.folder_of(s.message) == "new"


async def test_nobody_introduces_longer_than_there_is_room(house: House) -> None:
    s = await scene(house, vm_message_forward_type="prepend_forward")
    await fill(s, new=40)
    await s.forward(Press("1001#"), Press("1", during=HOW), Speak(60_000, then="silence"), HangUp(during=REVIEW))
    newest = next(message for message in await s.arrived() if message.intro_id)
    assert newest.intro_ms == pytest.approx(62_500 - 40_000 - 5000, abs=20)
    assert await house.app.messages.bytes(s.bobs.id) <= 1_000_000


async def test_what_was_introduced_is_kept_though_the_box_filled_meanwhile(house: House) -> None:
    s = await scene(house, vm_message_forward_type="prepend_forward")
    await fill(s)

    async def somebody_else_is_faster() -> None:
        await house.message(s.bobs, s=60)

    keys: list[Step] = [Meanwhile("(beep)", somebody_else_is_faster), Speak(3000), HangUp(during=REVIEW)]
    await s.forward(Press("1001#"), Press("1", during=HOW), *keys)
    assert sorted(copy.intro_ms for copy in await s.arrived()) == [0, 3000]
