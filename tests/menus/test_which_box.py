"""Which box a call is about."""

from __future__ import annotations

from typing import Any

from ivr.call.scripted import Press
from tests.support.house import House

ENTER_BOX = "Please enter your mailbox number, then press pound."
ENTER_PIN = "Please enter your pin, then press pound."
NO_MESSAGES = "You have no messages."
ONE = "You have one new message"


async def test_a_box_by_its_id(house: House) -> None:
    box = await house.box()
    assert (await house.call(id=box.id)).texts[0] == ENTER_PIN


async def test_a_box_by_a_channel_variable_that_holds_its_id(house: House) -> None:
    box = await house.box(owner=house.alice)
    phone = await house.call(endpoint="alice", var="BOX", variables={"BOX": box.id})
    assert phone.texts[0] == NO_MESSAGES


async def test_an_empty_channel_variable_leaves_the_id(house: House) -> None:
    box = await house.box(owner=house.alice)
    assert (await house.call(endpoint="alice", var="BOX", id=box.id)).texts[0] == NO_MESSAGES


async def test_a_box_by_the_number_that_was_captured(house: House) -> None:
    await house.box("1000", owner=house.alice)
    assert (await house.call(endpoint="alice", number="1000")).texts[0] == NO_MESSAGES


async def test_a_box_by_an_alias(house: House) -> None:
    await house.box("1000", owner=house.alice, aliases=["2000"])
    assert (await house.call(endpoint="alice", number="2000")).texts[0] == NO_MESSAGES


async def test_the_users_default_box_comes_before_the_only_one(house: House) -> None:
    await house.box("1000", owner=house.alice)
    support = await house.box("1500", shared_vmbox=True, members=[house.alice.id])
    await house.message(support)
    await house.app.directory.update_user(house.alice.model_copy(update={"voicemail_id": support.id}))
    assert (await house.call(endpoint="alice", single_mailbox_login="true")).texts[0] == ONE


async def test_the_only_box_where_the_dialplan_allows_it(house: House) -> None:
    await house.box(owner=house.alice)
    assert (await house.call(endpoint="alice", single_mailbox_login="true")).texts[0] == NO_MESSAGES
    assert (await house.call(endpoint="alice")).texts[0] == ENTER_BOX


async def test_not_the_only_box_when_there_are_two(house: House) -> None:
    await house.box("1000", owner=house.alice)
    await house.box("1001", owner=house.alice)
    assert (await house.call(endpoint="alice", single_mailbox_login="true")).texts[0] == ENTER_BOX


async def test_the_owners_box_that_has_the_caller_id_number(house: House) -> None:
    await house.box("1000", owner=house.alice)
    second = await house.box("1001", owner=house.alice)
    await house.message(second)
    phone = await house.call(endpoint="alice", caller="1001", callerid_match_login="true")
    assert phone.texts[0] == ONE
    assert (await house.call(endpoint="alice", caller="1002", callerid_match_login="true")).texts[0] == ENTER_BOX


async def test_a_strangers_caller_id_chooses_no_box(house: House) -> None:
    await house.box("1000", owner=house.alice)
    assert (await house.call(caller="1000", callerid_match_login="true")).texts[0] == ENTER_BOX


async def test_otherwise_it_is_asked_for(house: House) -> None:
    await house.box("1000")
    phone = await house.call([Press("1000#"), Press("1379#")])
    assert phone.texts[:3] == [ENTER_BOX, ENTER_PIN, NO_MESSAGES]


async def test_a_number_without_a_box_takes_no_message(house: House) -> None:
    phone = await house.call(path="leave", number="4711")
    assert phone.texts == ["I am sorry, the person you are calling is not available, and does not have voicemail."]
    assert phone.status == "NOBOX"


async def test_the_account_is_that_of_the_phone_where_the_dialplan_names_none(house: House) -> None:
    await house.box("1000", owner=house.alice)
    assert (await house.call(endpoint="alice", number="1000", account="")).texts[0] == NO_MESSAGES


async def test_a_call_of_no_account_is_told_so(house: House) -> None:
    for account in ("", "nobody"):
        phone = await house.call(number="1000", account=account)
        assert phone.texts == ["I am sorry, this phone is not set up for voicemail."]
        assert phone.status == "NOACCOUNT"


async def test_a_call_that_asks_for_nothing_of_ours_passes_by_unanswered(house: House) -> None:
    hows: list[dict[str, Any]] = [{"skip_module": "true"}, {"action": "fax"}]
    for how in hows:
        phone = await house.call(**how)
        assert not phone.answered
        assert phone.status == "SKIPPED"


async def test_an_owner_who_dials_their_own_number_is_signed_in(house: House) -> None:
    await house.box("1000", owner=house.alice)
    assert (await house.call(endpoint="alice", path="leave", number="1000")).texts[0] == NO_MESSAGES


async def test_unless_the_box_says_otherwise(house: House) -> None:
    await house.box("1000", owner=house.alice, check_if_owner=False)
    assert "not available" in (await house.call(endpoint="alice", path="leave", number="1000")).texts[0]


async def test_where_the_box_does_not_say_it_depends_on_how_the_call_came(house: House) -> None:
    await house.box("1000", owner=house.alice, check_if_owner=None)
    dialled = await house.call(endpoint="alice", path="leave", number="1000")
    assert dialled.texts[0] == NO_MESSAGES
    from_a_group = await house.call(endpoint="alice", path="leave", number="1000", reason="ringgroup")
    assert "not available" in from_a_group.texts[0]
