"""Who gets in on a real Asterisk, and who is asked."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from ivr.terminal.fake_asterisk import AgiRequest, FakeAsterisk
from tests.asterisk.conftest import AdminClient, PhoneUser
from tests.lab.lab import LabInfo
from tests.support.handset import HANG_UP, OnSound, ScriptedHandset


async def test_a_stranger_gives_number_and_pin(alice: PhoneUser, stranger: PhoneUser) -> None:
    alice.create_user_and_box(pin="1379")
    alice.create_message()
    call = await stranger.dial("*98")
    await call.expect("login/enter-box")
    await call.press(f"{alice.number}#")
    await call.expect("login/enter-pin")
    await call.press("1379#")
    await call.expect("count/you-have", "number/1", "count/new-message", "to/hear-new", "press/1")
    await call.hang_up()


async def test_sign_in_says_once_that_mail_was_not_delivered(alice: PhoneUser) -> None:
    alice.create_user_and_box()
    alice.add_undelivered_mail()
    for prompts in (["login/mail-not-delivered", "count/no-messages"], ["count/no-messages"]):
        call = await alice.dial(f"*98{alice.number}")
        await call.expect(*prompts)
        await call.hang_up()
        await call.wait_for_hangup()


async def test_foreign_box_requires_its_pin(alice: PhoneUser, bob: PhoneUser) -> None:
    alice.create_user_and_box(pin="1379")
    bob.create_user_and_box()
    call = await bob.dial(f"*98{alice.number}")
    await call.expect("login/enter-pin")
    await call.press("0000#")
    await call.expect("login/wrong-pin", "login/enter-pin")
    await call.press("1379#")
    await call.expect("count/no-messages")
    await call.press("#")
    await call.expect("done/goodbye")
    await call.wait_for_hangup()


async def test_line_break_in_argument_cannot_forge_identity(alice: PhoneUser, bob: PhoneUser) -> None:
    alice.create_user_and_box(pin="1379")
    bob.create_user_and_box()
    call = await bob.dial(f"*62{alice.number}")
    await call.expect("login/enter-pin")
    await call.press("1379#")
    await call.expect("count/no-messages")
    await call.hang_up()


async def test_three_wrong_pins_end_call(alice: PhoneUser, bob: PhoneUser) -> None:
    alice.create_user_and_box(pin="1379")
    bob.create_user_and_box()
    call = await bob.dial(f"*98{alice.number}")
    for pin in ("1111#", "2222#", "3333#"):
        await call.expect("login/enter-pin")
        await call.press(pin)
        await call.expect("login/wrong-pin")
    await call.expect("login/too-many-tries")
    await call.wait_for_hangup()


async def test_owner_is_asked_for_pin_when_box_requires_it(alice: PhoneUser) -> None:
    alice.create_user_and_box(pin="1379", require_pin=True)
    call = await alice.dial("*97")
    await call.expect("login/enter-pin")
    await call.press("1379#")
    await call.expect("count/no-messages")
    await call.hang_up()


async def test_diverted_call_is_never_treated_as_owner(alice: PhoneUser) -> None:
    """Alice's own phone, but the call says that it was sent on: it leaves a message like any other."""
    alice.create_user_and_box()
    call = await alice.dial(f"*72{alice.number}")
    await call.expect("greeting/person-at", "greeting/is-not-available")
    await call.hang_up()


async def test_diversion_header_of_phone_counts_as_diverted(alice: PhoneUser) -> None:
    alice.create_user_and_box()
    call = await alice.dial(alice.number, diversion="<sip:2001@lab.example>;reason=unconditional")
    await call.expect("greeting/person-at", "greeting/is-not-available")
    await call.hang_up()


async def test_an_owner_who_dials_their_own_number_is_signed_in(alice: PhoneUser) -> None:
    alice.create_user_and_box()
    call = await alice.dial(alice.number)
    await call.expect("count/no-messages")
    await call.hang_up()


async def test_local_process_impersonating_phone_is_asked_for_pin(alice: PhoneUser, lab: LabInfo) -> None:
    """Any process of this machine can speak to the service's port; none but our Asterisk knows the secret."""
    alice.create_user_and_box()
    functions = {
        f"PJSIP_ENDPOINT({alice.name},auth)": "yes",
        "REDIRECTING(count)": "0",
        "GLOBAL(IVR_SECRET)": "guessed",
    }
    line = AgiRequest(
        "check", ("account=lab", f"number={alice.number}"), f"PJSIP/{alice.name}-00000001", "1", functions
    )
    handset = ScriptedHandset([OnSound("pin", HANG_UP)])
    await asyncio.wait_for(FakeAsterisk(line, handset).connect_and_run("127.0.0.1", lab.agi_port), 20)
    assert handset.heard == ["Please enter your pin, then press pound."]


async def test_pin_digits_are_not_logged(alice: PhoneUser, bob: PhoneUser, admin: AdminClient, lab: LabInfo) -> None:
    alice.create_user_and_box(pin="739697")
    bob.create_user_and_box()
    call = await bob.dial(f"*98{alice.number}")
    await call.expect("login/enter-pin")
    await call.press("826493#")
    await call.expect("login/wrong-pin", "login/enter-pin")
    await call.press("739697#")
    await call.expect("count/no-messages")
    await call.press("#")
    await call.wait_for_hangup()
    log = (Path(lab.folder) / ("agi.log" if lab.transport == "agi" else "service.log")).read_text()
    assert bob.name in log
    # As a word of its own, and longer than durations, ports and ids of processes: these have any digits in them.
    assert not re.search(r"(?<![0-9a-f])(739697|826493)(?![0-9a-f])", log)
    while not (records := admin.request("list_calls", channel=f"PJSIP/{bob.name}")):
        await asyncio.sleep(0.05)
    assert [step["key"] for step in records[-1]["steps"] if step["what"] == "key"] == ["•"] * 14 + ["#"]


async def test_pin_typed_from_habit_and_secret_are_not_in_records_and_logs(
    alice: PhoneUser, admin: AdminClient, lab: LabInfo
) -> None:
    """The log of Asterisk is the one of asterisk-conf/logger.conf."""
    alice.create_user_and_box(pin="739697")
    call = await alice.dial("*97")
    await call.expect("count/no-messages")
    await call.press("739697#")
    await call.wait_for_hangup()
    while not (records := admin.request("list_calls", channel=f"PJSIP/{alice.name}")):
        await asyncio.sleep(0.05)
    assert not {str(step.get("key")) for step in records[-1]["steps"]} & set("739697")
    folder = Path(lab.folder)
    for log in (folder / ("agi.log" if lab.transport == "agi" else "service.log"), folder / "log" / "messages.log"):
        text = log.read_text()
        assert text, log
        assert not re.search(r"(?<![0-9a-f])739697(?![0-9a-f])", text), log
        assert not secrets_of(folder) & set(re.findall(r"\w+", text)), log


def secrets_of(folder: Path) -> set[str]:
    return set(re.findall(r"IVR_SECRET => (\w+)", (folder / "etc" / "ivr" / "secret.conf").read_text()))
