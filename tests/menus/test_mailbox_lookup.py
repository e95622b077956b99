"""Which mailbox a call is for."""

from __future__ import annotations

from typing import Any

from ivr.directory.models import Account
from tests.support.app_fixture import AppFixture
from tests.support.scripted_call import Press

ENTER_BOX = "Please enter your mailbox number, then press pound."
ENTER_PIN = "Please enter your pin, then press pound."
NO_MESSAGES = "You have no messages."
ONE = "You have one new message"


async def test_box_is_found_by_id(app: AppFixture) -> None:
    box = await app.create_box()
    assert (await app.run_call(id=box.id)).texts[0] == ENTER_PIN


async def test_box_is_found_by_id_in_channel_variable(app: AppFixture) -> None:
    box = await app.create_box(owner=app.alice)
    phone = await app.run_call(endpoint="alice", var="BOX", variables={"BOX": box.id})
    assert phone.texts[0] == NO_MESSAGES


async def test_empty_channel_variable_falls_back_to_id(app: AppFixture) -> None:
    box = await app.create_box(owner=app.alice)
    assert (await app.run_call(endpoint="alice", var="BOX", id=box.id)).texts[0] == NO_MESSAGES


async def test_box_is_found_by_captured_number(app: AppFixture) -> None:
    await app.create_box("1000", owner=app.alice)
    assert (await app.run_call(endpoint="alice", number="1000")).texts[0] == NO_MESSAGES


async def test_box_is_found_by_alias(app: AppFixture) -> None:
    await app.create_box("1000", owner=app.alice, aliases=["2000"])
    assert (await app.run_call(endpoint="alice", number="2000")).texts[0] == NO_MESSAGES


async def test_default_box_of_user_precedes_single_box(app: AppFixture) -> None:
    await app.create_box("1000", owner=app.alice)
    support = await app.create_box("1500", shared_vmbox=True, members=[app.alice.id])
    await app.create_message(support)
    await app.container.directory.update_user(app.alice.model_copy(update={"voicemail_id": support.id}))
    assert (await app.run_call(endpoint="alice", single_mailbox_login="true")).texts[0] == ONE


async def test_single_box_is_used_when_dialplan_allows(app: AppFixture) -> None:
    await app.create_box(owner=app.alice)
    assert (await app.run_call(endpoint="alice", single_mailbox_login="true")).texts[0] == NO_MESSAGES
    assert (await app.run_call(endpoint="alice")).texts[0] == ENTER_BOX


async def test_single_box_rule_does_not_apply_to_two_boxes(app: AppFixture) -> None:
    await app.create_box("1000", owner=app.alice)
    await app.create_box("1001", owner=app.alice)
    assert (await app.run_call(endpoint="alice", single_mailbox_login="true")).texts[0] == ENTER_BOX


async def test_owner_box_matching_caller_id_is_used(app: AppFixture) -> None:
    await app.create_box("1000", owner=app.alice)
    second = await app.create_box("1001", owner=app.alice)
    await app.create_message(second)
    phone = await app.run_call(endpoint="alice", caller="1001", callerid_match_login="true")
    assert phone.texts[0] == ONE
    assert (await app.run_call(endpoint="alice", caller="1002", callerid_match_login="true")).texts[0] == ENTER_BOX


async def test_unproven_caller_id_selects_no_box(app: AppFixture) -> None:
    await app.create_box("1000", owner=app.alice)
    assert (await app.run_call(caller="1000", callerid_match_login="true")).texts[0] == ENTER_BOX


async def test_box_number_is_asked_when_unknown(app: AppFixture) -> None:
    await app.create_box("1000")
    phone = await app.run_call([Press("1000#"), Press("1379#")])
    assert phone.texts[:3] == [ENTER_BOX, f"{ENTER_PIN} For another mailbox, press star.", NO_MESSAGES]


async def test_number_without_box_takes_no_message(app: AppFixture) -> None:
    phone = await app.run_call(path="leave", number="4711")
    assert phone.texts == ["I am sorry, the person you are calling is not available, and does not have voicemail."]
    assert phone.status == "NOBOX"


async def test_account_of_phone_is_used_when_dialplan_names_none(app: AppFixture) -> None:
    await app.create_box("1000", owner=app.alice)
    assert (await app.run_call(endpoint="alice", number="1000", account="")).texts[0] == NO_MESSAGES


async def test_a_call_from_outside_belongs_to_the_only_account(app: AppFixture) -> None:
    """A trunk and an unlisted phone name no account and have no user."""
    await app.create_box("1000", owner=app.alice)
    assert "not available" in (await app.run_call(path="leave", number="1000", account="")).texts[0]


async def test_a_call_from_outside_is_rejected_where_several_accounts_could_be_meant(app: AppFixture) -> None:
    await app.create_box("1000", owner=app.alice)
    await app.container.directory.create_account(Account(name="second"))
    phone = await app.run_call(path="leave", number="1000", account="")
    assert phone.texts == ["I am sorry, this phone is not set up for voicemail."]
    assert phone.status == "NOACCOUNT"


async def test_a_call_for_an_account_that_does_not_exist_is_rejected(app: AppFixture) -> None:
    phone = await app.run_call(number="1000", account="unknown")
    assert phone.texts == ["I am sorry, this phone is not set up for voicemail."]
    assert phone.status == "NOACCOUNT"


async def test_foreign_action_passes_unanswered(app: AppFixture) -> None:
    calls: list[dict[str, Any]] = [{"skip_module": "true"}, {"action": "fax"}]
    for options in calls:
        phone = await app.run_call(**options)
        assert not phone.answered
        assert phone.status == "SKIPPED"


async def test_owner_dialling_own_number_is_signed_in(app: AppFixture) -> None:
    await app.create_box("1000", owner=app.alice)
    assert (await app.run_call(endpoint="alice", path="leave", number="1000")).texts[0] == NO_MESSAGES


async def test_owner_login_by_own_number_can_be_disabled_by_box(app: AppFixture) -> None:
    await app.create_box("1000", owner=app.alice, check_if_owner=False)
    assert "not available" in (await app.run_call(endpoint="alice", path="leave", number="1000")).texts[0]


async def test_owner_login_default_depends_on_call_path(app: AppFixture) -> None:
    await app.create_box("1000", owner=app.alice, check_if_owner=None)
    dialled = await app.run_call(endpoint="alice", path="leave", number="1000")
    assert dialled.texts[0] == NO_MESSAGES
    from_a_group = await app.run_call(endpoint="alice", path="leave", number="1000", reason="ringgroup")
    assert "not available" in from_a_group.texts[0]
