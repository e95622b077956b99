"""Signing in: when a PIN is asked for, wrong PINs, and unknown mailboxes."""

from __future__ import annotations

from typing import Any

import bcrypt
import pytest

from tests.support.app_fixture import AppFixture
from tests.support.scripted_call import HangUp, Meanwhile, Press, ScriptedCall, ScriptStep, Silence

ENTER_PIN = "Please enter your pin, then press pound."
ENTER_BOX = "Please enter your mailbox number, then press pound."
WRONG = "That is not correct."
TOO_MANY = "I am sorry, there were too many failed tries. Goodbye."
NO_ACCESS = "I am sorry, this mailbox cannot be opened from this phone."
INVALID = "That entry is not valid."
ENTER_PIN_OR_STAR = f"{ENTER_PIN} For another mailbox, press star."
LOGGED_IN = "You have no messages."


def enter_pin(digits: str) -> Press:
    """Enter `digits` at the PIN prompt."""
    return Press(digits, during=ENTER_PIN)


def is_logged_in(phone: ScriptedCall) -> bool:
    return any(text.startswith("You have") for text in phone.texts)


@pytest.mark.parametrize(
    "options",
    [
        {"endpoint": "alice", "number": "1000"},
        {"number": "1000"},
        {"path": "leave", "number": "1000"},
        {"account": "unknown"},
    ],
    ids=["owner", "unknown phone", "caller", "unknown account"],
)
async def test_call_is_answered_before_first_prompt(app: AppFixture, options: dict[str, Any]) -> None:
    await app.create_box(owner=app.alice)
    answered: list[bool] = []

    async def record_answered() -> None:
        answered.append(phone.answered)

    phone = app.new_call([Meanwhile("", record_answered)], **options)
    await app.handle_call(phone)
    assert answered == [True]


async def test_owner_on_own_phone_needs_no_pin(app: AppFixture) -> None:
    await app.create_box(owner=app.alice)
    phone = await app.run_call(endpoint="alice", number="1000")
    assert phone.texts[0] == LOGGED_IN
    assert ENTER_PIN not in phone.texts


async def test_owner_is_asked_for_pin_when_box_requires_it(app: AppFixture) -> None:
    await app.create_box(owner=app.alice, require_pin=True)
    phone = await app.run_call([Press("1379#")], endpoint="alice", number="1000")
    assert phone.texts[0] == ENTER_PIN
    assert is_logged_in(phone)


async def test_system_can_require_pin_from_everybody(tmp_path: object) -> None:
    from pathlib import Path

    app = await AppFixture(Path(str(tmp_path)) / "strict", voicemail={"force_require_pin": True}).open()
    await app.create_box(owner=app.alice)
    phone = await app.run_call(endpoint="alice", number="1000")
    assert phone.texts[0] == ENTER_PIN
    app.close()


@pytest.mark.both_engines
async def test_other_user_is_asked_for_pin(app: AppFixture) -> None:
    await app.create_box(owner=app.alice)
    phone = await app.run_call([Press("1379#")], endpoint="bob", number="1000")
    assert phone.texts[0] == ENTER_PIN
    assert is_logged_in(phone)


async def test_unverified_phone_is_asked_for_pin(app: AppFixture) -> None:
    """The channel name contains "alice", as that of a local channel may, but nothing proves the endpoint."""
    await app.create_box(owner=app.alice)
    phone = app.new_call(number="1000")
    object.__setattr__(phone.incoming, "channel", "PJSIP/alice-00000001")
    await app.handle_call(phone)
    assert phone.texts[0] == ENTER_PIN
    assert not is_logged_in(phone)


async def test_diverted_call_is_never_treated_as_owner(app: AppFixture) -> None:
    await app.create_box(owner=app.alice)
    phone = await app.run_call(endpoint="alice", is_diverted=True, number="1000")
    assert phone.texts[0] == ENTER_PIN


async def test_diverted_call_belongs_to_account_of_its_endpoint(app: AppFixture) -> None:
    await app.create_box("1000", owner=app.alice)
    phone = await app.run_call(endpoint="alice", is_diverted=True, path="leave", number="1000", account="")
    assert phone.texts[0].startswith("The person at extension")


async def test_member_of_shared_box_has_owner_rights(app: AppFixture) -> None:
    await app.create_box(owner=app.alice, shared_vmbox=True, members=[app.bob.id])
    assert is_logged_in(await app.run_call(endpoint="bob", number="1000"))


async def test_member_of_unshared_box_has_no_owner_rights(app: AppFixture) -> None:
    await app.create_box(owner=app.alice, members=[app.bob.id])
    assert (await app.run_call(endpoint="bob", number="1000")).texts[0] == ENTER_PIN


async def test_box_without_pin_opens_for_owner_only(app: AppFixture) -> None:
    await app.create_box(owner=app.alice, pin=None)
    assert is_logged_in(await app.run_call(endpoint="alice", number="1000"))
    stranger = await app.run_call([enter_pin("1379#")] * 3, number="1000")
    assert not is_logged_in(stranger)
    assert stranger.status == "NOACCESS"


@pytest.mark.parametrize("typed", [True, False], ids=["typed number", "number of the dialplan"])
async def test_caller_cannot_tell_why_a_pin_does_not_open_a_mailbox(
    app: AppFixture, typed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wrong PIN, no such mailbox, no PIN, a lost PIN, locked, not set up: same prompts, tries and work."""
    await app.create_box("1000")
    await app.create_box("1002", pin=None)
    await app.create_box("1003", pin=None, pin_secret_ref="kv:vm:7:pin")
    await app.create_box("1004")
    await app.create_box("1005", is_setup=False)
    for _ in range(2):  # The fifth wrong PIN locks it.
        await app.run_call([enter_pin("1111#"), enter_pin("2222#"), enter_pin("3333#")], number="1004")
    comparisons: list[bytes] = []
    compare = bcrypt.checkpw

    def counted(pin: bytes, stored: bytes) -> bool:
        comparisons.append(pin)
        return compare(pin, stored)

    monkeypatch.setattr(bcrypt, "checkpw", counted)
    calls = {}
    right, wrong = "1379", "0000"
    for number, pin in {
        "1004": right,
        "1000": wrong,
        "4711": right,
        "1002": right,
        "1003": right,
        "1005": wrong,
    }.items():
        tries: list[ScriptStep] = [enter_pin(f"{pin}#"), Silence(), enter_pin("12#"), enter_pin(f"{pin}#")]
        comparisons.clear()
        if typed:
            numbers = [Press(f"{number}#", during=ENTER_BOX)] * 2
            phone = await app.run_call([numbers[0], tries[0], numbers[1], *tries[1:]])
        else:
            phone = await app.run_call(tries, number=number)
        calls[number] = (phone.texts, phone.status, len(comparisons))
    texts, status, count = calls.pop("1000")
    assert texts[-1] == TOO_MANY
    assert (status, count) == ("NOACCESS", 1)
    assert list(calls.values()) == [(texts, status, count)] * 5


async def test_owner_without_required_pin_has_no_access(app: AppFixture) -> None:
    await app.create_box(owner=app.alice, pin=None, require_pin=True)
    assert (await app.run_call(endpoint="alice", number="1000")).texts == [NO_ACCESS]


@pytest.mark.both_engines
async def test_three_wrong_pins_end_call(app: AppFixture) -> None:
    await app.create_box()
    phone = await app.run_call(
        [enter_pin("9999#"), enter_pin("8888#"), enter_pin("7777#"), enter_pin("1379#")], number="1000"
    )
    assert phone.texts == [ENTER_PIN, WRONG] * 3 + [TOO_MANY]
    assert phone.status == "NOACCESS"


async def test_silence_at_pin_prompt_is_an_invalid_entry(app: AppFixture) -> None:
    await app.create_box()
    phone = await app.run_call([Silence(), enter_pin("1379#")], number="1000")
    assert phone.texts[:3] == [ENTER_PIN, INVALID, ENTER_PIN]
    assert is_logged_in(phone)


async def test_pin_entry_ends_with_pound_or_two_seconds(app: AppFixture) -> None:
    await app.create_box("1000", pin="1379")
    await app.create_box("1001", pin="137928")
    assert is_logged_in(await app.run_call([Press("1379#")], number="1000"))
    assert is_logged_in(await app.run_call([Press("137928")], number="1001"))
    assert is_logged_in(await app.run_call([Press("1379"), Silence()], number="1000"))
    assert is_logged_in(await app.run_call([Press("1379"), Press("5", after_ms=2500)], number="1000")), "2 s had passed"


async def test_pound_ends_pin_of_full_length(app: AppFixture) -> None:
    await app.create_box(pin="137928")
    phone = await app.run_call([Press("137928#")], number="1000")
    assert phone.texts.count(LOGGED_IN) > 1


async def test_rejected_pin_flushes_typeahead(app: AppFixture) -> None:
    """Otherwise the 1 7 after a mistyped PIN would become the next PIN."""
    await app.create_box()
    phone = await app.run_call([enter_pin("9999#17"), enter_pin("1379#")], number="1000")
    assert phone.texts[:3] == [ENTER_PIN, WRONG, ENTER_PIN]
    assert is_logged_in(phone)
    assert {"what": "keys forgotten", "count": 2} in [{"what": s.event, **s.details} for s in phone.journal.entries]


async def test_numbers_and_pins_share_three_tries(app: AppFixture) -> None:
    await app.create_box()
    enter_box = Press("1000#", during=ENTER_BOX)
    phone = await app.run_call([Silence(), enter_box, enter_pin("9999#"), enter_box, enter_pin("8888#")])
    assert phone.texts == [ENTER_BOX, INVALID, *[ENTER_BOX, ENTER_PIN_OR_STAR, WRONG] * 2, TOO_MANY]


async def test_unknown_box_sounds_like_wrong_pin(app: AppFixture) -> None:
    await app.create_box("1000")
    unknown = await app.run_call([Press("4711#", during=ENTER_BOX), enter_pin("1379#")] * 3)
    known = await app.run_call([Press("1000#", during=ENTER_BOX), enter_pin("0000#")] * 3)
    assert unknown.texts == known.texts == [ENTER_BOX, ENTER_PIN_OR_STAR, WRONG] * 3 + [TOO_MANY]


async def test_box_of_other_account_is_unknown(app: AppFixture) -> None:
    from ivr.directory.models import Account

    other = await app.container.directory.create_account(Account(name="other"))
    box = await app.container.boxes.create(
        other, {"name": "theirs", "mailbox": "1000", "pin": "1379", "is_setup": True}
    )
    phone = await app.run_call([Press("1379#")] * 3, id=box.id)
    assert phone.texts[-1] == TOO_MANY


@pytest.mark.parametrize("typed", ["01000#", "1000a"])
async def test_entered_box_number_must_match_whole_number(app: AppFixture, typed: str) -> None:
    await app.create_box("1000")
    phone = await app.run_call([Press(typed.replace("a", "")), Silence(), Press("1379#")])
    assert is_logged_in(phone) == (typed == "1000a")


async def test_pin_digits_are_never_journaled(app: AppFixture) -> None:
    await app.create_box()
    phone = await app.run_call([Press("9876#"), Press("1379#")], number="1000")
    noted = [step.details["key"] for step in phone.journal.entries if step.event == "key"]
    assert noted == ["•"] * 10


async def test_mwi_is_refreshed_when_owner_call_ends(app: AppFixture) -> None:
    box = await app.create_box(owner=app.alice)
    await app.run_call(endpoint="alice", number="1000")
    rows = await app.container.database.read(lambda c: c.execute("SELECT kind, box_id FROM outbox").fetchall())
    assert [tuple(row) for row in rows] == [("mwi", box.id)]


async def test_missing_secret_denies_access_and_is_logged(app: AppFixture, capsys: pytest.CaptureFixture[str]) -> None:
    box = await app.create_box(pin=None, pin_secret_ref="kv:vm:7:pin")
    phone = await app.run_call([enter_pin("1379#")], number="1000")
    assert not is_logged_in(phone)
    [line] = [line for line in capsys.readouterr().out.splitlines() if "pin.secret_missing" in line]
    assert box.id in line
    assert "kv:vm:7:pin" in line


async def test_numbers_and_pins_stay_valid_when_limits_are_lowered(app: AppFixture) -> None:
    """The store has only hashes of PINs, so no owner can be told that theirs has become too long."""
    before = {"max_pin_length": 12}
    app.account = await app.container.directory.update_account(app.account.model_copy(update={"settings": before}))
    box = await app.create_box("100042", pin="839105472618", min_pin_length=10)
    other = await app.create_box("1000", owner=app.alice)
    lowered = {"max_pin_length": 4, "max_box_number_length": 4}
    app.account = await app.container.directory.update_account(app.account.model_copy(update={"settings": lowered}))
    await app.container.boxes.patch(await app.container.boxes.get(box.id), {"name": "Front desk"})
    assert is_logged_in(await app.run_call([Press("100042#"), Press("839105472618#")]))
    for wrong in ("83910547261", "8391054726180"):
        phone = await app.run_call([Press(f"{wrong}#"), HangUp(during="not correct")], number="100042")
        assert not is_logged_in(phone)
    await app.create_message(other)
    keys: list[ScriptStep] = [Press("3", during="(message"), Press("100042#"), Press("2", during="introduction")]
    await app.run_call([*keys, HangUp(during="To")], endpoint="alice", number="1000")
    assert len(await app.messages(box)) == 1


async def test_account_has_its_own_pin_length_and_tries(app: AppFixture) -> None:
    settings = {"max_pin_length": 8, "max_login_attempts": 1}
    app.account = await app.container.directory.update_account(app.account.model_copy(update={"settings": settings}))
    await app.create_box(pin="14725837")
    assert is_logged_in(await app.run_call([Press("14725837#")], number="1000"))
    wrong = await app.run_call([Press("1111#")], number="1000")
    assert wrong.texts.count(ENTER_PIN) == 1
    assert "too many failed tries" in wrong.texts[-1]
