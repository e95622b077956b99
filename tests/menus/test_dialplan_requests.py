"""What a dialplan asks the service about mailboxes: attributes, PINs, names, messages and greetings."""

from __future__ import annotations

from typing import Any

import pytest

from ivr.call.arguments import DIALPLAN_REQUESTS
from ivr.directory.models import Account
from ivr.menus.dialplan_status import Status
from ivr.storage.records import AuditQuery, CallQuery, Folder, MediaKind
from tests.support.app_fixture import AppFixture
from tests.support.scripted_call import HangUp, Press, ScriptedCall, Silence

ENTER_PIN = "Please enter your pin, then press pound."
ENTER_BOX = "Please enter your mailbox number, then press pound."


async def ask(app: AppFixture, attribute: str, **options: Any) -> ScriptedCall:
    return await app.run_call(path="info", attribute=attribute, **{"number": "1000", **options})


@pytest.mark.parametrize("path", sorted(DIALPLAN_REQUESTS))
async def test_request_without_proof_of_own_asterisk_is_refused(app: AppFixture, path: str) -> None:
    """Every program that reaches the port of the service could ask otherwise."""
    box = await app.create_box(owner=app.alice)
    message = await app.create_message(box)
    phone = await app.run_call(
        path=path, number="1000", attribute="fullname", message=message.id, endpoint="alice", is_proven=False
    )
    assert phone.status == "NOACCESS"
    assert phone.texts == []
    assert phone.variables_set == {}


async def test_info_returns_attributes_and_call_hears_nothing(app: AppFixture) -> None:
    owner = await app.create_user("carol", email="carol@demo.example", language="fr")
    box = await app.create_box(owner=owner, name="Rosa Klein", timezone="Europe/Berlin")
    for urgent in (True, False, False):
        await app.create_message(box, urgent=urgent)
    await app.create_message(box, folder="saved")
    wanted = {"exists": "1", "count": "3", "new": "3", "old": "1", "urgent": "1", "email": "carol@demo.example"}
    wanted |= {"fullname": "Rosa Klein", "tz": "Europe/Berlin", "language": "fr", "greeting": ""}
    for attribute, value in wanted.items():
        phone = await ask(app, attribute)
        assert (phone.variables_set, phone.status) == ({"IVR_INFO": value}, "DONE"), attribute
        assert (phone.answered, phone.texts) == (False, [])
    assert await app.container.call_store.recent_calls(CallQuery(since=0), 10) == [], (
        "a question about a mailbox is no call"
    )


@pytest.mark.parametrize("path", sorted(DIALPLAN_REQUESTS))
async def test_request_with_odd_arguments_ends_with_a_status(app: AppFixture, path: str) -> None:
    """Those that ask the caller for something are heard; the dialplan decides what becomes of the others."""
    await app.create_box(owner=app.alice)
    long, full_width = "1" * 200, "\uff11\uff10\uff10\uff10"
    for number in ("", "@", "&", "9999", "-1", "é", full_width, long, "1000@nowhere", "&1000", "../../etc", "a\u202eb"):
        for word in ("", "é", long, "fullname"):
            phone = await app.run_call([HangUp(during="enter")], path=path, number=number, attribute=word, message=word)
            assert phone.status in set(Status) - {Status.ERROR}, (number, word)
            assert phone.texts or path not in ("authenticate", "directory"), (number, word)


async def test_info_of_unknown_or_disabled_mailbox_is_empty_and_exists_is_0(app: AppFixture) -> None:
    await app.create_box("2000", enabled=False)
    for number in ("1000", "2000"):
        assert (await ask(app, "exists", number=number)).variables_set == {"IVR_INFO": "0"}
        phone = await ask(app, "fullname", number=number)
        assert (phone.variables_set, phone.status) == ({"IVR_INFO": ""}, "NOBOX")
    assert (await ask(app, "exists", account="missing")).status == "NOACCOUNT"


async def test_context_default_is_the_only_account(app: AppFixture) -> None:
    """Most lines of app_voicemail have it, and IVR_ACCOUNT is empty as shipped. An account may have that name."""
    await app.create_box(name="Of demo")
    lines = [{"account": "", "number": "1000@default"}, {"account": "", "number": "1000"}]
    for arguments in lines:
        assert (await ask(app, "fullname", **arguments)).variables_set == {"IVR_INFO": "Of demo"}
    named = await app.container.directory.create_account(Account(name="default", realm="default.example"))
    await app.container.boxes.create(named, {"name": "Of default", "mailbox": "1000"})
    assert (await ask(app, "fullname", **lines[0])).variables_set == {"IVR_INFO": "Of default"}
    assert (await ask(app, "exists", account="", number="1000@missing")).status == "NOACCOUNT"


async def test_info_has_no_attribute_for_the_pin(app: AppFixture) -> None:
    await app.create_box()
    for attribute in ("password", "pin", ""):
        phone = await ask(app, attribute)
        assert (phone.variables_set, phone.status) == ({"IVR_INFO": ""}, "SKIPPED")


async def test_info_names_the_greeting_that_callers_would_hear(app: AppFixture) -> None:
    box = await app.create_box()
    box = await app.activate_recordings(box, MediaKind.UNAVAILABLE)
    assert (await ask(app, "greeting", greeting="busy")).variables_set == {"IVR_INFO": "unavailable"}
    box = await app.activate_recordings(box, MediaKind.BUSY)
    assert (await ask(app, "greeting", greeting="busy")).variables_set == {"IVR_INFO": "busy"}
    assert (await ask(app, "greeting")).variables_set == {"IVR_INFO": "unavailable"}
    await app.activate_recordings(box, MediaKind.TEMPORARY)
    assert (await ask(app, "greeting", greeting="busy")).variables_set == {"IVR_INFO": "temporary"}


async def test_authenticate_asks_owners_phone_too_and_names_the_mailbox(app: AppFixture) -> None:
    """The dialplan wants to know who calls, not from which phone."""
    await app.create_box(owner=app.alice)
    phone = await app.run_call([Press("1379#", during=ENTER_PIN)], path="authenticate", number="1000", endpoint="alice")
    assert phone.status == "DONE"
    assert phone.variables_set == {"AUTH_MAILBOX": "1000", "AUTH_CONTEXT": "demo"}
    assert phone.texts == [ENTER_PIN], "no mailbox is opened"


async def test_authenticate_without_number_asks_for_it_on_every_phone(app: AppFixture) -> None:
    await app.create_box(owner=app.alice)
    script = [Press("1000#", during=ENTER_BOX), Press("1379#", during=ENTER_PIN)]
    phone = await app.run_call(script, path="authenticate", endpoint="alice", single_mailbox_login="true")
    assert phone.variables_set["AUTH_MAILBOX"] == "1000"


async def test_authenticate_with_wrong_pin_sets_nothing_and_is_counted(app: AppFixture) -> None:
    await app.create_box()
    wrong = [Press("9999#", during=ENTER_PIN)] * 3
    for _ in range(2):
        phone = await app.run_call(wrong, path="authenticate", number="1000")
        assert (phone.status, phone.variables_set) == ("NOACCESS", {})
    phone = await app.run_call([Press("1379#", during=ENTER_PIN)] * 3, path="authenticate", number="1000")
    assert phone.status == "NOACCESS", "the lock against guessing holds here as at the sign-in"


@pytest.mark.parametrize("number", ["4000", "2000"])
async def test_authenticate_for_unknown_or_pinless_mailbox_sounds_like_wrong_pin(app: AppFixture, number: str) -> None:
    await app.create_box("2000", owner=app.alice, pin=None)
    script = [Press("1379#", during=ENTER_PIN)] * 3
    phone = await app.run_call(script, path="authenticate", number=number, endpoint="alice")
    assert phone.status == "NOACCESS"
    assert phone.texts[:2] == [ENTER_PIN, "That is not correct."]


async def test_star_leaves_authentication_without_success(app: AppFixture) -> None:
    await app.create_box()
    phone = await app.run_call([Press("*", during=ENTER_PIN)], path="authenticate", number="1000")
    assert (phone.status, phone.variables_set) == ("EXIT", {})


async def test_authenticate_may_leave_out_the_first_prompt(app: AppFixture) -> None:
    await app.create_box()
    script = [Press("9999#"), Press("1379#", during=ENTER_PIN)]
    phone = await app.run_call(script, path="authenticate", number="1000", skip_instructions="true")
    assert phone.texts[0] == "That is not correct."
    assert phone.variables_set["AUTH_MAILBOX"] == "1000"


async def test_say_name_plays_recorded_name_else_the_number(app: AppFixture) -> None:
    box = await app.create_box()
    assert (await app.run_call(path="say-name", number="1000")).texts == ["extension one zero zero zero"]
    await app.activate_recordings(box, MediaKind.NAME)
    phone = await app.run_call(path="say-name", number="1000")
    assert (phone.texts, phone.status) == (["(name of 1000)"], "DONE")
    phone = await app.run_call(path="say-name", number="77")
    assert (phone.texts, phone.status) == (["extension seven seven"], "NOBOX")


@pytest.mark.parametrize(("after_heard", "folder"), [("save", "saved"), ("keep", "new")])
async def test_play_message_plays_it_without_pin_and_saves_it_as_the_mailbox_says(
    app: AppFixture, after_heard: str, folder: str
) -> None:
    box = await app.create_box(after_heard=after_heard)
    message = await app.create_message(box)
    phone = await app.run_call(path="play-message", number="1000", message=message.id)
    assert phone.texts == [f"(message {message.id})"]
    assert phone.variables_set == {"VOICEMAIL_PLAYBACKSTATUS": "SUCCESS"}
    assert await app.folder_of(message) == folder
    entries = await app.container.audit_store.find(AuditQuery(box_id=box.id), 10)
    assert [(entry.action, entry.actor.proof) for entry in entries] == [("heard", "dialplan")]


async def test_play_message_stops_at_a_key_and_seeks(app: AppFixture) -> None:
    box = await app.create_box(seek_duration_ms=2000)
    message = await app.create_message(box, s=10)
    script = [Press("8", during="(message", after_ms=3000), Press("5", during="(message", after_ms=1000)]
    script += [Press("#", during="(message", after_ms=500)]
    phone = await app.run_call(script, path="play-message", number="1000", message=message.id)
    assert [(heard.from_ms, heard.to_ms) for heard in phone.heard_sounds] == [(0, 3000), (5000, 6000), (4000, 4500)]
    assert await app.folder_of(message) == Folder.NEW, "it was not heard to its end"
    assert phone.status == "DONE"


@pytest.mark.parametrize("message", ["202611-00000000000000000000000000000000", "2026110000000000", "x", ""])
async def test_play_message_that_is_not_there_fails_in_silence(app: AppFixture, message: str) -> None:
    await app.create_box()
    phone = await app.run_call(path="play-message", number="1000", message=message)
    assert phone.variables_set == {"VOICEMAIL_PLAYBACKSTATUS": "FAILED"}
    assert (phone.texts, phone.status) == ([], "NOMESSAGE")


async def test_message_of_another_mailbox_is_not_played(app: AppFixture) -> None:
    other = await app.create_message(await app.create_box("2000"))
    await app.create_box()
    phone = await app.run_call(path="play-message", number="1000", message=other.id)
    assert phone.status == "NOMESSAGE"


async def test_hanging_up_during_played_message_leaves_it_new(app: AppFixture) -> None:
    message = await app.create_message(await app.create_box())
    phone = await app.run_call([HangUp(during="(message")], path="play-message", number="1000", message=message.id)
    assert phone.status == "HANGUP"
    assert await app.folder_of(message) == Folder.NEW


async def test_play_greeting_reports_the_key_that_ended_it(app: AppFixture) -> None:
    box = await app.create_box()
    await app.activate_recordings(box, MediaKind.BUSY)
    phone = await app.run_call(
        [Press("5", during="(busy greeting")], path="play-greeting", number="1000", greeting="busy"
    )
    assert (phone.variables_set, phone.status) == ({"IVR_KEY": "5"}, "DONE")
    phone = await app.run_call([Silence()], path="play-greeting", number="1000", greeting="busy")
    assert phone.texts == ["(busy greeting of 1000)"]
    assert phone.variables_set == {"IVR_KEY": ""}
    assert (await app.run_call(path="play-greeting", number="77")).status == "NOBOX"
