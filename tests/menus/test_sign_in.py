"""Signing in: who is asked for a PIN, what a wrong one sounds like, and what opens nothing."""

from __future__ import annotations

from typing import Any

import pytest

from ivr.call.scripted import Meanwhile, Press, ScriptedCall, Silence
from tests.support.house import House

ENTER_PIN = "Please enter your pin, then press pound."
ENTER_BOX = "Please enter your mailbox number, then press pound."
WRONG = "That is not correct."
TOO_MANY = "I am sorry, there were too many failed tries. Goodbye."
NO_ACCESS = "I am sorry, this mailbox cannot be opened from this phone."
INVALID = "That entry is not valid."
IN = "You have no messages."


def pin(digits: str) -> Press:
    """Typed when it is asked for."""
    return Press(digits, during=ENTER_PIN)


def is_in(phone: ScriptedCall) -> bool:
    return any(text.startswith("You have") for text in phone.texts)


@pytest.mark.parametrize(
    "how",
    [
        {"endpoint": "alice", "number": "1000"},
        {"number": "1000"},
        {"path": "leave", "number": "1000"},
        {"account": "nobody"},
    ],
    ids=["an owner", "a stranger", "a caller", "no such account"],
)
async def test_the_call_is_answered_before_anything_is_said(house: House, how: dict[str, Any]) -> None:
    await house.box(owner=house.alice)
    answered: list[bool] = []

    async def look() -> None:
        answered.append(phone.answered)

    phone = house.phone([Meanwhile("", look)], **how)
    await house.receive(phone)
    assert answered == [True]


async def test_an_owner_on_their_own_phone_needs_no_pin(house: House) -> None:
    await house.box(owner=house.alice)
    phone = await house.call(endpoint="alice", number="1000")
    assert phone.texts[0] == IN
    assert ENTER_PIN not in phone.texts


async def test_an_owner_is_asked_where_the_box_wants_it(house: House) -> None:
    await house.box(owner=house.alice, require_pin=True)
    phone = await house.call([Press("1379#")], endpoint="alice", number="1000")
    assert phone.texts[0] == ENTER_PIN
    assert is_in(phone)


async def test_the_system_can_want_a_pin_from_everybody(tmp_path: object) -> None:
    from pathlib import Path

    house = await House(Path(str(tmp_path)) / "strict", voicemail={"force_require_pin": True}).open()
    await house.box(owner=house.alice)
    phone = await house.call(endpoint="alice", number="1000")
    assert phone.texts[0] == ENTER_PIN
    house.close()


async def test_another_person_is_asked(house: House) -> None:
    await house.box(owner=house.alice)
    phone = await house.call([Press("1379#")], endpoint="bob", number="1000")
    assert phone.texts[0] == ENTER_PIN
    assert is_in(phone)


async def test_a_phone_that_is_not_proven_is_asked_whatever_it_claims(house: House) -> None:
    """A local process, say: the channel name tells of alice, and nothing proves it."""
    await house.box(owner=house.alice)
    phone = house.phone(number="1000")
    object.__setattr__(phone.arrival, "channel", "PJSIP/alice-00000001")
    await house.receive(phone)
    assert phone.texts[0] == ENTER_PIN
    assert not is_in(phone)


async def test_a_forwarded_call_is_never_the_owners(house: House) -> None:
    await house.box(owner=house.alice)
    phone = await house.call(endpoint="alice", forwarded=True, number="1000")
    assert phone.texts[0] == ENTER_PIN


async def test_a_forwarded_call_still_belongs_to_the_account_of_its_device(house: House) -> None:
    await house.box("1000", owner=house.alice)
    phone = await house.call(endpoint="alice", forwarded=True, path="leave", number="1000", account="")
    assert phone.texts[0].startswith("The person at extension")


async def test_a_member_of_a_shared_box_has_the_owners_rights(house: House) -> None:
    await house.box(owner=house.alice, shared_vmbox=True, members=[house.bob.id])
    assert is_in(await house.call(endpoint="bob", number="1000"))


async def test_a_member_of_a_box_that_is_not_shared_has_none(house: House) -> None:
    await house.box(owner=house.alice, members=[house.bob.id])
    assert (await house.call(endpoint="bob", number="1000")).texts[0] == ENTER_PIN


async def test_a_box_without_a_pin_opens_for_its_owner_only(house: House) -> None:
    await house.box(owner=house.alice, pin=None)
    assert is_in(await house.call(endpoint="alice", number="1000"))
    stranger = await house.call(number="1000")
    assert stranger.texts == [NO_ACCESS]
    assert stranger.status == "NOACCESS"


async def test_an_owner_who_needs_a_pin_and_has_none_has_no_access(house: House) -> None:
    await house.box(owner=house.alice, pin=None, require_pin=True)
    assert (await house.call(endpoint="alice", number="1000")).texts == [NO_ACCESS]


async def test_three_wrong_pins_end_the_call(house: House) -> None:
    await house.box()
    phone = await house.call([pin("9999#"), pin("8888#"), pin("7777#"), pin("1379#")], number="1000")
    assert phone.texts == [ENTER_PIN, WRONG] * 3 + [TOO_MANY]
    assert phone.status == "NOACCESS"


async def test_silence_is_a_wrong_pin(house: House) -> None:
    await house.box()
    phone = await house.call([Silence(), pin("1379#")], number="1000")
    assert phone.texts[:3] == [ENTER_PIN, WRONG, ENTER_PIN]
    assert is_in(phone)


async def test_a_pin_ends_with_pound_or_its_length_or_two_seconds(house: House) -> None:
    await house.box("1000", pin="1379")
    await house.box("1001", pin="137928")
    assert is_in(await house.call([Press("1379#")], number="1000"))
    assert is_in(await house.call([Press("137928")], number="1001"))
    assert is_in(await house.call([Press("1379282")], number="1001")), "the 2 behind it is for the main menu"
    assert is_in(await house.call([Press("1379"), Silence()], number="1000"))
    assert is_in(await house.call([Press("1379"), Press("5", after_ms=2500)], number="1000")), "2 s had passed"


async def test_a_pound_behind_a_pin_of_full_length_does_not_leave_the_main_menu(house: House) -> None:
    await house.box(pin="137928")
    phone = await house.call([Press("137928#")], number="1000")
    assert phone.texts.count(IN) > 1


async def test_a_refusal_forgets_what_was_typed_ahead(house: House) -> None:
    """Otherwise 1 7 behind a mistyped PIN would be the next PIN."""
    await house.box()
    phone = await house.call([pin("9999#17"), pin("1379#")], number="1000")
    assert phone.texts[:3] == [ENTER_PIN, WRONG, ENTER_PIN]
    assert is_in(phone)
    assert {"what": "keys forgotten", "count": 2} in [{"what": s.what, **s.details} for s in phone.journal.steps]


async def test_numbers_and_pins_share_three_tries(house: House) -> None:
    await house.box()
    phone = await house.call([Silence(), Press("1000#", during=ENTER_BOX), pin("9999#"), pin("8888#")])
    assert phone.texts == [ENTER_BOX, INVALID, ENTER_BOX, ENTER_PIN, WRONG, ENTER_PIN, WRONG, TOO_MANY]


async def test_an_unknown_box_sounds_like_a_wrong_pin(house: House) -> None:
    await house.box("1000")
    unknown = await house.call([Press("4711#"), pin("1379#"), pin("1379#"), pin("1379#")])
    known = await house.call([Press("1000#"), pin("0000#"), pin("0000#"), pin("0000#")])
    assert unknown.texts == known.texts == [ENTER_BOX] + [ENTER_PIN, WRONG] * 3 + [TOO_MANY]


async def test_a_box_of_another_account_does_not_exist(house: House) -> None:
    from ivr.directory.people import Account

    other = await house.app.directory.create_account(Account(name="other"))
    box = await house.app.boxes.create(other, {"name": "theirs", "mailbox": "1000", "pin": "1379", "is_setup": True})
    phone = await house.call([Press("1379#")] * 3, id=box.id)
    assert phone.texts[-1] == TOO_MANY


@pytest.mark.parametrize("typed", ["01000#", "1000a"])
async def test_the_number_that_is_asked_for_is_the_whole_number(house: House, typed: str) -> None:
    await house.box("1000")
    phone = await house.call([Press(typed.replace("a", "")), Silence(), Press("1379#")])
    assert is_in(phone) == (typed == "1000a")


async def test_no_pin_digit_is_ever_noted(house: House) -> None:
    await house.box()
    phone = await house.call([Press("9876#"), Press("1379#")], number="1000")
    noted = [step.details["key"] for step in phone.journal.steps if step.what == "key"]
    assert noted == ["•"] * 10


async def test_a_login_light_is_set_anew_when_the_call_ends(house: House) -> None:
    box = await house.box(owner=house.alice)
    await house.call(endpoint="alice", number="1000")
    rows = await house.app.database.read(lambda c: c.execute("SELECT kind, box_id FROM outbox").fetchall())
    assert [tuple(row) for row in rows] == [("light", box.id)]


async def test_a_secret_that_is_missing_gives_no_access_and_a_clear_line(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    box = await house.box(pin=None, pin_secret_ref="kv:vm:7:pin")
    phone = await house.call(number="1000")
    assert phone.texts == [NO_ACCESS]
    [line] = [line for line in capsys.readouterr().out.splitlines() if "pin.secret_missing" in line]
    assert box.id in line
    assert "kv:vm:7:pin" in line
