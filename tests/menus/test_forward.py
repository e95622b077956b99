"""Forwarding messages to another mailbox."""

from __future__ import annotations

from typing import Any

import pytest

from ivr.audio import wav
from ivr.mailbox.mailbox import Mailbox
from ivr.storage.records import Forwarder, MediaKind, Message
from tests.support.app_fixture import AppFixture
from tests.support.scripted_call import HangUp, Meanwhile, Press, ScriptedCall, ScriptStep, Silence, Speak

ENTER_BOX = "Please enter the mailbox number to forward to, then press pound. To cancel, press star."
FORWARD_MENU = (
    "To record an introduction first, press one. To forward it as it is, press two."
    " To add another mailbox, press three. To go back to your messages, press zero."
)
TO_1001 = "mailbox one zero zero one"
CONFIRM = "To cancel, press star. To add another mailbox, press three."
INTRO = "Record your introduction after the tone. Press any key when you have finished."
REVIEW = "To keep this recording, press one. To listen to it, press two. To record it again, press three."
DONE = "Message forwarded."
FULL = "That mailbox is full. The message was not forwarded."


class ForwardScenario:
    """Alice has a message in mailbox 1000; Bob has mailbox 1001."""

    def __init__(self, app: AppFixture, mine: Mailbox, bobs: Mailbox, message: Message) -> None:
        self.app = app
        self.source_box = mine
        self.target_box = bobs
        self.message = message

    async def run_forward(self, *script: ScriptStep) -> ScriptedCall:
        keys: list[ScriptStep] = [Press("1"), Press("3", during="(message"), *script]
        return await self.app.run_call(keys, endpoint="alice", number="1000")

    async def forwarded_messages(self) -> list[Message]:
        return await self.app.messages(self.target_box)


async def create_scenario(app: AppFixture, **settings: Any) -> ForwardScenario:
    mine = await app.create_box("1000", owner=app.alice, new_messages_at_once=False, **settings)
    bobs = await app.create_box("1001", owner=app.bob)
    return ForwardScenario(app, mine, bobs, await app.create_message(mine, s=5, caller="2001"))


async def test_message_is_forwarded_without_intro(app: AppFixture) -> None:
    s = await create_scenario(app)
    phone = await s.run_forward(Press("1001#"))
    assert phone.texts[3:8] == [ENTER_BOX, TO_1001, CONFIRM, DONE, "Saved."]
    [copy] = await s.forwarded_messages()
    assert (copy.folder, copy.length_ms, copy.caller.number) == ("new", 5000, "2001")
    assert copy.id != s.message.id
    assert copy.history == (s.source_box.id,)
    assert copy.to_uri == "1001@demo.example"


async def test_forwarded_message_keeps_its_time_and_urgency_and_says_who_forwarded(app: AppFixture) -> None:
    mine = await app.create_box("1000", owner=app.alice, new_messages_at_once=False)
    bobs = await app.create_box("1001", owner=app.bob, new_messages_at_once=False)
    message = await app.create_message(mine, caller="2001", age_s=86_400, urgent=True)
    s = ForwardScenario(app, mine, bobs, message)
    await s.run_forward(Press("1001#"))
    [copy] = await s.forwarded_messages()
    assert (copy.time, copy.urgent, copy.caller) == (message.time, True, message.caller)
    assert copy.forwarded_by == Forwarder(mine.id, "1000", "Box 1000")
    phone = await app.run_call([Press("1"), HangUp(during="To save")], endpoint="bob", number="1001")
    assert phone.texts[1] == "Urgent message one"
    assert phone.texts[3] == "Received yesterday at twelve p.m. forwarded by extension one zero zero zero"


async def test_forwarder_is_announced_by_recorded_name(app: AppFixture) -> None:
    s = await create_scenario(app)
    await app.activate_recordings(s.source_box, MediaKind.NAME)
    await s.run_forward(Press("1001#"))
    keys: list[ScriptStep] = [Press("#", during="(message"), HangUp(during="(name of 1000)")]
    phone = await app.run_call(keys, endpoint="bob", number="1001")
    assert phone.texts[-1] == "(name of 1000)"
    assert phone.texts[-2].endswith("length five seconds forwarded by")


async def test_forwarder_whose_box_is_gone_is_announced_by_number(app: AppFixture) -> None:
    s = await create_scenario(app)
    await s.run_forward(Press("1001#"))
    await app.container.boxes.delete(s.source_box)
    phone = await app.run_call([HangUp(during="forwarded by")], endpoint="bob", number="1001")
    assert phone.texts[-1].endswith("forwarded by extension one zero zero zero")


async def test_forward_enqueues_events_for_target_box_only(app: AppFixture) -> None:
    s = await create_scenario(app)
    await app.container.database.write(lambda c: c.execute("DELETE FROM outbox").rowcount)
    await s.run_forward(Press("1001#"), HangUp(during=DONE))
    rows = await app.container.database.read(
        lambda c: c.execute("SELECT kind FROM outbox WHERE box_id = ?", (s.target_box.id,)).fetchall()
    )
    assert sorted(row["kind"] for row in rows) == ["mwi", "new"]


async def test_original_keeps_its_folder_after_forward(app: AppFixture) -> None:
    s = await create_scenario(app, after_forward_action="prompt")
    phone = await s.run_forward(Press("1001#"), HangUp(during="To save"))
    assert phone.texts[3:7] == [ENTER_BOX, TO_1001, CONFIRM, DONE]
    assert phone.texts[-1].startswith("To save, press one.")
    assert await app.folder_of(s.message) == "new"


async def test_original_is_saved_after_forward_when_configured(app: AppFixture) -> None:
    s = await create_scenario(app, after_forward_action="save")
    await s.run_forward(Press("1001#"), HangUp(during="You have"))
    assert await app.folder_of(s.message) == "saved"


async def test_forward_to_own_box_is_rejected(app: AppFixture) -> None:
    s = await create_scenario(app)
    phone = await s.run_forward(Press("1000#"), Press("1001#", during=ENTER_BOX))
    assert phone.texts[3:9] == [ENTER_BOX, "That is your own mailbox.", ENTER_BOX, TO_1001, CONFIRM, DONE]


async def test_three_invalid_recipients_return_to_message_menu(app: AppFixture) -> None:
    s = await create_scenario(app)
    wrong: list[ScriptStep] = [Press("4711#", during=ENTER_BOX), Silence(), Press("1000#", during=ENTER_BOX)]
    phone = await s.run_forward(*wrong, HangUp(during="To save"))
    assert phone.texts[3:9] == [
        ENTER_BOX,
        "That entry is not valid.",
        ENTER_BOX,
        "That entry is not valid.",
        ENTER_BOX,
        "That is your own mailbox.",
    ]
    assert phone.texts[9] == "I am sorry, there were too many failed tries. The message was not forwarded."
    assert phone.texts[10].startswith("To save, press one.")
    assert await app.folder_of(s.message) == "new"
    assert await s.forwarded_messages() == []


async def test_forward_menu_offers_intro_plain_and_back(app: AppFixture) -> None:
    s = await create_scenario(app, vm_message_forward_type="prepend_forward")
    phone = await s.run_forward(Press("1001#"), Press("2", during=FORWARD_MENU), HangUp(during=DONE))
    assert phone.texts[3:] == [ENTER_BOX, TO_1001, FORWARD_MENU, DONE]
    [copy] = await s.forwarded_messages()
    assert copy.intro_id is None


async def test_key_0_in_forward_menu_returns_to_message(app: AppFixture) -> None:
    s = await create_scenario(app, vm_message_forward_type="prepend_forward")
    phone = await s.run_forward(Press("1001#"), Press("0", during=FORWARD_MENU), HangUp(during="To save"))
    assert phone.texts[6].startswith("To save, press one.")
    assert await s.forwarded_messages() == []
    assert await app.folder_of(s.message) == "new"


async def test_intro_plays_before_original_and_lengths_add_up(app: AppFixture) -> None:
    s = await create_scenario(app, vm_message_forward_type="prepend_forward")
    script: list[ScriptStep] = [
        Press("1001#"),
        Press("1", during=FORWARD_MENU),
        Speak(3000),
        Press("1", during=REVIEW),
        HangUp(during=DONE),
    ]
    phone = await s.run_forward(*script)
    assert phone.texts[3:] == [ENTER_BOX, TO_1001, FORWARD_MENU, INTRO, "(beep)", REVIEW, DONE]
    [copy] = await s.forwarded_messages()
    assert (copy.length_ms, copy.intro_ms) == (8000, 3000)
    bob = await app.run_call([], endpoint="bob", number="1001")
    assert bob.texts[2:4] == ["(introduction)", f"(message {copy.id})"]
    assert [wav.length_ms(path) for path in app.container.delivery.audio_paths(copy)] == [3000, 5000]


async def test_key_skips_forward_instructions(app: AppFixture) -> None:
    s = await create_scenario(app, vm_message_forward_type="prepend_forward")
    keys: list[ScriptStep] = [
        Press("1001#"),
        Press("1", during=FORWARD_MENU),
        Press("5", during=INTRO, after_ms=100),
        Speak(3000, then="hang-up"),
    ]
    phone = await s.run_forward(*keys)
    assert phone.texts[-2:] == [INTRO, "(beep)"]
    assert phone.heard_sounds[-2].to_ms == 100


async def test_hangup_while_recording_intro_forwards_with_recorded_part(app: AppFixture) -> None:
    s = await create_scenario(app, vm_message_forward_type="prepend_forward")
    await s.run_forward(Press("1001#"), Press("1", during=FORWARD_MENU), Speak(3000, then="hang-up"))
    assert [copy.intro_ms for copy in await s.forwarded_messages()] == [3000]


async def test_hangup_during_intro_review_forwards_with_intro(app: AppFixture) -> None:
    s = await create_scenario(app, vm_message_forward_type="prepend_forward")
    await s.run_forward(Press("1001#"), Press("1", during=FORWARD_MENU), Speak(3000), HangUp(during=REVIEW))
    assert [copy.intro_ms for copy in await s.forwarded_messages()] == [3000]


async def test_after_too_short_intro_owner_chooses_again(app: AppFixture) -> None:
    s = await create_scenario(app, vm_message_forward_type="prepend_forward")
    first, second = Press("1", during=FORWARD_MENU), Press("2", during=FORWARD_MENU, after_ms=400)
    phone = await s.run_forward(Press("1001#"), first, Speak(200), second, HangUp(during=DONE))
    assert phone.texts[6:] == [INTRO, "(beep)", "The recording was too short to be kept.", FORWARD_MENU, DONE]
    assert [(copy.intro_id, copy.length_ms) for copy in await s.forwarded_messages()] == [(None, 5000)]
    assert await app.container.voicemail_services.takes.list_unfinished() == []


@pytest.mark.parametrize("ms", [0, 200])
async def test_hangup_at_beep_of_intro_forwards_nothing(app: AppFixture, ms: int) -> None:
    s = await create_scenario(app, vm_message_forward_type="prepend_forward")
    await s.run_forward(Press("1001#"), Press("1", during=FORWARD_MENU), Speak(ms, then="hang-up"))
    assert await s.forwarded_messages() == []
    assert await app.folder_of(s.message) == "new"
    assert await app.container.voicemail_services.takes.list_unfinished() == []


async def test_rerecorded_intro_replaces_first(app: AppFixture) -> None:
    s = await create_scenario(app, vm_message_forward_type="prepend_forward")
    script: list[ScriptStep] = [
        Speak(3000),
        Press("3", during=REVIEW),
        Speak(2000),
        Press("1", during=REVIEW),
        HangUp(during=DONE),
    ]
    await s.run_forward(Press("1001#"), Press("1", during=FORWARD_MENU), *script)
    assert [copy.intro_ms for copy in await s.forwarded_messages()] == [2000]


async def test_intro_is_kept_when_forwarded_again(app: AppFixture) -> None:
    s = await create_scenario(app, vm_message_forward_type="prepend_forward")
    script: list[ScriptStep] = [
        Press("1001#"),
        Press("1", during=FORWARD_MENU),
        Speak(3000),
        Press("1", during=REVIEW),
        HangUp(during=DONE),
    ]
    await s.run_forward(*script)
    await app.create_box("1002")
    await app.run_call(
        [Press("3", during="(message"), Press("1002#"), HangUp(during=DONE)], endpoint="bob", number="1001"
    )
    third = await app.container.boxes.find_by_number(app.account.id, "1002")
    assert third
    [copy] = await app.messages(third)
    assert (copy.length_ms, copy.intro_ms) == (8000, 3000)
    assert [wav.length_ms(path) for path in app.container.delivery.audio_paths(copy)] == [3000, 5000]
    assert copy.history == (s.source_box.id, s.target_box.id)


@pytest.mark.parametrize("skip", [True, False])
async def test_target_box_decides_whether_instructions_play(app: AppFixture, skip: bool) -> None:
    s = await create_scenario(app, vm_message_forward_type="prepend_forward")
    await app.container.boxes.patch(s.target_box, {"skip_instructions": skip})
    phone = await s.run_forward(Press("1001#"), Press("1", during=FORWARD_MENU), Speak(3000, then="hang-up"))
    assert (INTRO in phone.texts) != skip


# -- a full destination ------------------------------------------------------------------------------------------------


async def create_messages_seconds(s: ForwardScenario, **seconds: float) -> None:
    """Give Bob's mailbox a quota of 1 MB, which is 62 seconds, and messages of `seconds` in each folder."""
    s.target_box = await s.app.container.boxes.patch(s.target_box, {"quota_mb": 1})
    for folder, length in seconds.items():
        await s.app.create_message(s.target_box, s=length, folder=folder)


async def test_full_target_box_is_announced_first_and_another_can_be_entered(app: AppFixture) -> None:
    s = await create_scenario(app, vm_message_forward_type="prepend_forward")
    await create_messages_seconds(s, new=60)
    other = await app.create_box("1002")
    phone = await s.run_forward(
        Press("1001#"), Press("1002#", during=ENTER_BOX), Press("2", during=FORWARD_MENU), HangUp(during=DONE)
    )
    assert phone.texts[3:] == [ENTER_BOX, FULL, ENTER_BOX, "mailbox one zero zero two", FORWARD_MENU, DONE]
    assert len(await s.forwarded_messages()) == 1
    assert len(await app.messages(other)) == 1


async def test_aborted_forward_leaves_message_in_its_folder(app: AppFixture) -> None:
    s = await create_scenario(app, after_forward_action="save")
    await create_messages_seconds(s, saved=60)
    phone = await s.run_forward(*[Press("1001#", during=ENTER_BOX)] * 3, HangUp(during="To save"))
    assert phone.texts[3:9] == [ENTER_BOX, FULL] * 3
    assert phone.texts[9].endswith("The message was not forwarded.")
    assert await app.folder_of(s.message) == "new"


async def test_forward_purges_deleted_messages_of_target_box(app: AppFixture) -> None:
    s = await create_scenario(app)
    await create_messages_seconds(s, deleted=60)
    phone = await s.run_forward(Press("1001#"), HangUp(during=DONE))
    assert DONE in phone.texts
    assert [message.folder for message in await s.forwarded_messages()] == ["new"]


async def test_target_box_filling_during_forward_is_announced_without_loss(app: AppFixture) -> None:
    s = await create_scenario(app, vm_message_forward_type="prepend_forward")
    await create_messages_seconds(s)

    async def fill_destination() -> None:
        await app.create_message(s.target_box, s=60)

    keys: list[ScriptStep] = [
        Meanwhile(FORWARD_MENU, fill_destination),
        Press("2", during=FORWARD_MENU),
        HangUp(during="To save"),
    ]
    phone = await s.run_forward(Press("1001#"), *keys)
    assert phone.texts[3:7] == [ENTER_BOX, TO_1001, FORWARD_MENU, FULL]
    assert phone.texts[7].startswith("To save, press one.")
    assert len(await s.forwarded_messages()) == 1
    assert await app.folder_of(s.message) == "new"


async def test_intro_length_is_limited_by_capacity(app: AppFixture) -> None:
    s = await create_scenario(app, vm_message_forward_type="prepend_forward")
    await create_messages_seconds(s, new=40)
    await s.run_forward(
        Press("1001#"), Press("1", during=FORWARD_MENU), Speak(60_000, then="silence"), HangUp(during=REVIEW)
    )
    newest = next(message for message in await s.forwarded_messages() if message.intro_id)
    assert newest.intro_ms == pytest.approx(62_500 - 40_000 - 5000, abs=20)
    assert await app.container.messages.used_bytes(s.target_box.id) <= 1_000_000


async def test_recorded_intro_is_delivered_though_box_filled_meanwhile(app: AppFixture) -> None:
    s = await create_scenario(app, vm_message_forward_type="prepend_forward")
    await create_messages_seconds(s)

    async def fill_destination() -> None:
        await app.create_message(s.target_box, s=60)

    keys: list[ScriptStep] = [Meanwhile("(beep)", fill_destination), Speak(3000), HangUp(during=REVIEW)]
    await s.run_forward(Press("1001#"), Press("1", during=FORWARD_MENU), *keys)
    assert sorted(copy.intro_ms for copy in await s.forwarded_messages()) == [0, 3000]
