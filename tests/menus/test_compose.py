"""Messages of owners: sent to mailboxes and distribution lists, as a reply, and forwarded to several mailboxes."""

from __future__ import annotations

from typing import Any

import pytest

from ivr.errors import BoxFull
from ivr.mailbox.mailbox import Mailbox
from ivr.menus import recipients
from ivr.storage.records import MediaKind, Message
from tests.menus.test_box_options import configure_account
from tests.support.app_fixture import AppFixture
from tests.support.scripted_call import HangUp, Meanwhile, Press, ScriptedCall, ScriptStep, Speak

ENTER = "Please enter the number of a mailbox or list, then press pound. To cancel, press star."
NEXT = "Please enter the next mailbox number, then press pound. To cancel, press star."
TO_1001, TO_1002 = "mailbox one zero zero one", "mailbox one zero zero two"
MENU = "To record your message, press one. To add another mailbox, press three. To go back without sending, press zero."
RECORD = "Record your message after the tone. Press any key when you have finished."
REVIEW = (
    "To send it, press one. To listen to it, press two. To record it again, press three. To mark it urgent, press four."
    " To throw it away, press seven."
)
SENT, NOT_SENT = "Message sent.", "The message was not sent."
INVALID = "That entry is not valid."
TO_LEAVE = "To leave your mailbox"
CONFIRM = "To cancel, press star. To add another mailbox, press three."


async def create_boxes(app: AppFixture, **settings: Any) -> list[Mailbox]:
    """Alice has mailbox 1000, Bob 1001; 1002 has no owner."""
    mine = await app.create_box("1000", owner=app.alice, new_messages_at_once=False, **settings)
    return [mine, await app.create_box("1001", owner=app.bob), await app.create_box("1002")]


async def compose(app: AppFixture, *script: ScriptStep) -> ScriptedCall:
    return await app.run_call([Press("4", during=TO_LEAVE), *script], endpoint="alice", number="1000")


async def lengths(app: AppFixture, *boxes: Mailbox) -> list[list[int]]:
    return [[message.length_ms for message in await app.messages(box)] for box in boxes]


async def test_message_is_sent_to_one_mailbox_after_review(app: AppFixture) -> None:
    mine, bobs, other = await create_boxes(app)
    script: list[ScriptStep] = [
        Press("1001#"),
        Press("1", during=MENU),
        Speak(3000),
        Press("1", during=REVIEW),
        HangUp(during=SENT),
    ]
    phone = await compose(app, *script)
    assert phone.texts[2:] == [ENTER, TO_1001, MENU, RECORD, "(beep)", REVIEW, SENT]
    [message] = await app.messages(bobs)
    assert (message.folder, message.length_ms, message.caller.number) == ("new", 3000, "1000")
    assert (message.caller.name, message.caller_user_id) == ("Box 1000", app.alice.id)
    assert await lengths(app, mine, other) == [[], []]


async def test_wrong_number_is_said_and_the_good_ones_are_kept(app: AppFixture) -> None:
    _, bobs, other = await create_boxes(app)
    add = Press("3", during="To add another")
    phone = await compose(
        app,
        Press("1001#"),
        add,
        Press("4711#", during=NEXT),
        Press("1002#", during=NEXT),
        add,
        Press("1001#", during=NEXT),
        Press("1", during=MENU),
        Speak(2000),
        Press("41", during=REVIEW[:12]),
        HangUp(during=SENT),
    )
    assert phone.texts[3:13] == [TO_1001, MENU, NEXT, INVALID, NEXT, TO_1002, MENU, NEXT, TO_1001, MENU]
    found = [await app.messages(box) for box in (bobs, other)]
    assert [[(message.length_ms, message.urgent) for message in messages] for messages in found] == [[(2000, True)]] * 2


async def test_star_while_adding_keeps_the_mailboxes_before(app: AppFixture) -> None:
    _, bobs, _ = await create_boxes(app)
    script: list[ScriptStep] = [
        Press("3", during=MENU),
        Press("*", during=NEXT),
        Press("1", during=MENU),
        Speak(2000, then="hang-up"),
    ]
    phone = await compose(app, Press("1001#"), *script)
    assert phone.texts[3:7] == [TO_1001, MENU, NEXT, MENU]
    assert await lengths(app, bobs) == [[2000]]


@pytest.mark.parametrize("key", ["0", "*"])
async def test_owner_leaves_before_recording(app: AppFixture, key: str) -> None:
    _, bobs, _ = await create_boxes(app)
    phone = await compose(app, Press("1001#"), Press(key, during=MENU), HangUp(during="You have"))
    assert phone.texts[4:6] == [MENU, NOT_SENT]
    assert await lengths(app, bobs) == [[]]


@pytest.mark.parametrize("entry", ["*", "100*", "800*", "#"])
async def test_entry_of_mailbox_or_list_is_left_by_star_and_by_empty_entry(app: AppFixture, entry: str) -> None:
    await configure_account(app, distribution_lists={"800": ["1001"], "100": ["1001"]})
    _, bobs, _ = await create_boxes(app)
    phone = await compose(app, Press(entry, during=ENTER), HangUp(during="You have"))
    assert phone.texts[2:4] == [ENTER, NOT_SENT]
    assert phone.texts[4].startswith("You have")
    assert await lengths(app, bobs) == [[]]


async def test_three_wrong_numbers_return_to_the_main_menu(app: AppFixture) -> None:
    await create_boxes(app)
    wrong = [Press(f"{number}#", during=ENTER) for number in ("4711", "1000", "9")]
    phone = await compose(app, *wrong, HangUp(during="You have"))
    assert phone.texts[3:7:2] == [INVALID, "That is your own mailbox."]
    assert phone.texts[8] == "I am sorry, there were too many failed tries. The message was not sent."


async def test_recording_that_is_thrown_away_is_not_sent(app: AppFixture) -> None:
    _, bobs, _ = await create_boxes(app)
    script: list[ScriptStep] = [
        Press("1", during=MENU),
        Speak(2000),
        Press("7", during=REVIEW),
        HangUp(during="You have"),
    ]
    phone = await compose(app, Press("1001#"), *script)
    assert NOT_SENT in phone.texts
    assert await lengths(app, bobs) == [[]]
    assert await app.container.voicemail_services.takes.list_unfinished() == []


async def test_distribution_list_reaches_its_members_and_names_those_left_out(app: AppFixture) -> None:
    await configure_account(app, distribution_lists={"800": ["1000", "1001", "1002", "1003", "4711"]})
    mine, bobs, other = await create_boxes(app)
    full = await app.create_box("1003", max_message_count=1)
    await app.create_message(full)
    script: list[ScriptStep] = [Press("800#"), Press("1", during=MENU), Speak(2000, then="hang-up")]
    phone = await compose(app, *script)
    assert phone.texts[3] == (
        "list eight zero zero It cannot go to mailbox one zero zero three mailbox four seven one one"
    )
    assert await lengths(app, mine, bobs, other) == [[], [2000], [2000]]
    assert len(await app.messages(full)) == 1


async def test_message_goes_to_a_limited_number_of_mailboxes(app: AppFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipients, "MAX_RECIPIENTS", 2)
    _, bobs, other = await create_boxes(app, distribution_lists={"800": ["1001", "1003"], "801": ["1001", "1002"]})
    third = await app.create_box("1003")
    script = [Press("801#"), Press("3", during=MENU), Press("800#", during=NEXT), Press("1003#", during=NEXT)]
    phone = await compose(app, *script, Press("*", during=NEXT), Press("1", during=MENU), Speak(2000, then="hang-up"))
    assert phone.texts[5:10] == [NEXT, INVALID, NEXT, INVALID, NEXT]
    assert await lengths(app, bobs, other, third) == [[2000], [2000], []]


async def test_list_of_the_owner_is_their_own_and_takes_precedence(app: AppFixture) -> None:
    await configure_account(app, distribution_lists={"800": ["1001"]})
    _, bobs, other = await create_boxes(app, distribution_lists={"800": ["1002"], "1001": ["1002"]})
    send: list[ScriptStep] = [Press("1", during=MENU), Speak(2000, then="hang-up")]
    assert (await compose(app, Press("800#"), *send)).texts[3] == "list eight zero zero"
    assert await lengths(app, bobs, other) == [[], [2000]]
    assert (await compose(app, Press("1001#"), *send)).texts[3] == TO_1001, "a mailbox before a list"
    assert await lengths(app, bobs, other) == [[2000], [2000]]
    others = (await app.container.boxes.get(bobs.id)).distribution_lists
    assert others == {"800": ["1001"]}, "others have those of the account"


async def test_mailboxes_that_take_no_messages_are_refused_before_recording(app: AppFixture) -> None:
    await create_boxes(app)
    await app.create_box("1003", announcement_only=True)
    await app.create_box("1004", enabled=False)
    await app.create_message(await app.create_box("1005", max_message_count=1))
    numbers = [Press(f"{number}#", during=ENTER) for number in ("1003", "1004", "1005")]
    phone = await compose(app, *numbers, HangUp(during="You have"))
    assert phone.texts[3:8:2] == ["That mailbox takes no messages.", INVALID, "That mailbox is full."]


async def test_recorded_name_confirms_a_mailbox(app: AppFixture) -> None:
    _, bobs, _ = await create_boxes(app)
    await app.activate_recordings(bobs, MediaKind.NAME)
    phone = await compose(app, Press("1001#"), HangUp(during=MENU))
    assert phone.texts[3] == "(name of 1001)"


async def test_owner_who_may_not_send_messages_is_not_offered_it(app: AppFixture) -> None:
    mine, *_ = await create_boxes(app, may_send_messages=False)
    await app.create_message(mine, caller="1001")
    phone = await compose(app, Press("1", during=TO_LEAVE), Press("9", during="(message"), HangUp(during="To save"))
    assert "To send a message" not in phone.texts[1]
    assert INVALID in phone.texts
    assert ENTER not in phone.texts
    assert "I am sorry, calls to this number are not allowed from here." in phone.texts


# -- replies -----------------------------------------------------------------------------------------------------------


async def reply(app: AppFixture, *script: ScriptStep, **options: Any) -> ScriptedCall:
    return await app.run_call(
        [Press("1"), Press("9", during="To save"), *script], endpoint="alice", number="1000", **options
    )


async def test_reply_goes_to_the_mailbox_of_the_caller(app: AppFixture) -> None:
    mine, bobs, _ = await create_boxes(app)
    message = await app.create_message(mine, caller="1001")
    phone = await reply(app, Press("1", during=MENU), Speak(2000), Press("1", during=REVIEW), HangUp(during="To save"))
    assert "To reply, press nine." in phone.texts[4]
    assert phone.texts[5:] == [TO_1001, MENU, RECORD, "(beep)", REVIEW, SENT, phone.texts[4]]
    assert await lengths(app, bobs) == [[2000]]
    assert await app.folder_of(message) == "saved"  # It was heard.


async def test_reply_to_a_forwarded_message_of_a_stranger_goes_to_who_forwarded_it(app: AppFixture) -> None:
    mine, bobs, _ = await create_boxes(app)
    message = await app.create_message(bobs, caller="2001")
    await app.container.delivery.forward(message, mine, sender=bobs)
    phone = await reply(app, HangUp(during=MENU))
    assert phone.texts[5:7] == [TO_1001, MENU]


async def test_full_mailbox_gets_no_reply(app: AppFixture) -> None:
    mine, bobs, _ = await create_boxes(app)
    await app.create_message(mine, caller="1001")
    await app.create_message(await app.container.boxes.patch(bobs, {"max_message_count": 1}))
    phone = await reply(app, HangUp(during="To save"))
    assert phone.texts[5] == "That mailbox is full."


async def test_sender_without_a_mailbox_gets_no_reply(app: AppFixture) -> None:
    mine, *_ = await create_boxes(app, keys={"reply": "9", "callback": ""})
    await app.create_message(mine, caller="2001")
    phone = await reply(app, HangUp())
    assert "To reply" not in phone.texts[4]
    assert phone.texts[5] == "The sender has no mailbox here."


@pytest.mark.parametrize("key", ["1", "2", "0"])
async def test_owner_chooses_between_call_back_and_reply(app: AppFixture, key: str) -> None:
    mine, *_ = await create_boxes(app, callback_context="ivr-callback")
    await app.create_message(mine, caller="1001")
    how = "To call back, press one. To reply, press two. To go back to your messages, press zero."
    phone = await reply(app, Press(key, during=how), HangUp(during="To "), extensions=[("ivr-callback", "1001")])
    assert "To call back or to reply, press nine." in phone.texts[4]
    assert phone.texts[5] == how
    assert (phone.continue_target == ("ivr-callback", "1001")) == (key == "1")
    assert (TO_1001 in phone.texts) == (key == "2")
    assert (phone.texts[-1] == phone.texts[4]) == (key == "0")


# -- forwarding to several ---------------------------------------------------------------------------------------------


async def forward(app: AppFixture, *script: ScriptStep) -> ScriptedCall:
    keys = [Press("1"), Press("3", during="(message"), *script]
    return await app.run_call(keys, endpoint="alice", number="1000")


@pytest.mark.parametrize("forward_type", ["only_forward", "prepend_forward"])
async def test_message_is_forwarded_to_several_mailboxes(app: AppFixture, forward_type: str) -> None:
    mine, bobs, other = await create_boxes(app, vm_message_forward_type=forward_type)
    message = await app.create_message(mine, s=5, caller="2001")
    add = Press("3", during="To add another")
    send = [Press("2", during="To add another")] if forward_type == "prepend_forward" else []
    phone = await forward(
        app, Press("1001#"), add, Press("77#", during=NEXT), Press("1002#", during=NEXT),
        *send, HangUp(during="Saved."),
    )  # fmt: skip
    assert phone.texts.count(CONFIRM) == (1 if forward_type == "only_forward" else 0), "the options are said once"
    heard = [text for text in phone.texts if not text.startswith("To ")]
    assert heard[-7:] == [TO_1001, NEXT, INVALID, NEXT, TO_1002, "Message forwarded.", "Saved."]
    for box in (bobs, other):
        [copy] = await app.messages(box)
        assert (copy.length_ms, copy.caller.number, copy.history) == (5000, "2001", (mine.id,))
    assert await app.folder_of(message) == "saved"


async def test_intro_goes_to_each_mailbox_once_though_the_owner_hangs_up(app: AppFixture) -> None:
    mine, bobs, other = await create_boxes(app, vm_message_forward_type="prepend_forward")
    await app.create_message(mine, s=5)
    script: list[ScriptStep] = [
        Press("3", during="To add another"),
        Press("1002#", during=NEXT),
        Press("1", during="To record an"),
    ]
    await forward(app, Press("1001#"), *script, Speak(2000, then="hang-up"))
    for box in (bobs, other):
        assert [(copy.intro_ms, copy.length_ms) for copy in await app.messages(box)] == [(2000, 7000)]


@pytest.mark.parametrize("step", [Press("*", during=CONFIRM), HangUp(during=CONFIRM)])
async def test_forwarding_can_be_cancelled_while_the_mailbox_is_said(app: AppFixture, step: ScriptStep) -> None:
    mine, bobs, _ = await create_boxes(app)
    message = await app.create_message(mine)
    await forward(app, Press("1001#"), step, HangUp(during="To save"))
    assert await lengths(app, bobs) == [[]]
    assert await app.folder_of(message) == "new"


async def test_key_of_the_message_menu_sends_and_then_acts(app: AppFixture) -> None:
    mine, bobs, _ = await create_boxes(app, after_forward_action="prompt")
    message = await app.create_message(mine)
    await forward(app, Press("1001#"), Press("7", during=CONFIRM), HangUp(during="You have"))
    assert len(await app.messages(bobs)) == 1
    assert await app.folder_of(message) == "deleted"


@pytest.mark.parametrize(("action", "folder"), [("prompt", "new"), ("save", "saved"), ("delete", "deleted")])
async def test_original_goes_where_after_forward_action_says(app: AppFixture, action: str, folder: str) -> None:
    mine, *_ = await create_boxes(app, after_forward_action=action)
    message = await app.create_message(mine)
    phone = await forward(app, Press("1001#"), HangUp(during="To save" if action == "prompt" else "You have"))
    assert await app.folder_of(message) == folder
    assert ("Deleted." in phone.texts) == (action == "delete")


async def test_mailbox_that_fills_up_is_named_and_the_original_stays(
    app: AppFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, bobs, other = await create_boxes(app, after_forward_action="delete")
    message = await app.create_message(mine)
    add = app.container.messages.add

    async def refuse_bob(stored: Message, *args: Any, **kwargs: Any) -> list[Message]:
        if stored.box_id == bobs.id:
            raise BoxFull("the mailbox is full")
        return await add(stored, *args, **kwargs)

    async def fill() -> None:
        monkeypatch.setattr(app.container.messages, "add", refuse_bob)

    script: list[ScriptStep] = [Press("3", during=CONFIRM), Press("1002#", during=NEXT), Meanwhile(TO_1002, fill)]
    phone = await forward(app, Press("1001#"), *script, HangUp(during="To save"))
    assert "Message forwarded. It cannot go to mailbox one zero zero one" in phone.texts
    assert [len(await app.messages(box)) for box in (bobs, other)] == [0, 1]
    assert await app.folder_of(message) == "new"
