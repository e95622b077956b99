"""Who gets in on a real Asterisk, and who is asked."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from ivr.terminal.asterisk import Asterisk, Line
from tests.asterisk.conftest import Desk, Person
from tests.asterisk.rig.lab import Notes
from tests.support.handset import HANG_UP, ScriptedHandset, When


async def test_a_stranger_gives_number_and_pin(alice: Person, stranger: Person) -> None:
    alice.moves_in(pin="1379")
    alice.has_message()
    call = await stranger.dials("*98")
    await call.hears("login/no-account")
    await call.ends()

    stranger.moves_in()
    call = await stranger.dials("*98")
    await call.hears("login/enter-box")
    await call.press(f"{alice.number}#")
    await call.hears("login/enter-pin")
    await call.press("1379#")
    await call.hears("count/you-have", "number/1", "count/new-message", "to/hear-new", "press/1")
    await call.hang_up()


async def test_another_persons_box_by_its_number_wants_its_pin(alice: Person, bob: Person) -> None:
    alice.moves_in(pin="1379")
    bob.moves_in()
    call = await bob.dials(f"*98{alice.number}")
    await call.hears("login/enter-pin")
    await call.press("0000#")
    await call.hears("login/wrong-pin", "login/enter-pin")
    await call.press("1379#")
    await call.hears("count/no-messages")
    await call.press("#")
    await call.hears("done/goodbye")
    await call.ends()


async def test_a_line_break_in_an_argument_makes_nobodys_phone(alice: Person, bob: Person) -> None:
    alice.moves_in(pin="1379")
    bob.moves_in()
    call = await bob.dials(f"*62{alice.number}")
    await call.hears("login/enter-pin")
    await call.press("1379#")
    await call.hears("count/no-messages")
    await call.hang_up()


async def test_three_wrong_pins(alice: Person, bob: Person) -> None:
    alice.moves_in(pin="1379")
    bob.moves_in()
    call = await bob.dials(f"*98{alice.number}")
    for pin in ("1111#", "2222#", "3333#"):
        await call.hears("login/enter-pin")
        await call.press(pin)
        await call.hears("login/wrong-pin")
    await call.hears("login/too-many-tries")
    await call.ends()


async def test_an_owner_is_asked_where_the_box_wants_it(alice: Person) -> None:
    alice.moves_in(pin="1379", require_pin=True)
    call = await alice.dials("*97")
    await call.hears("login/enter-pin")
    await call.press("1379#")
    await call.hears("count/no-messages")
    await call.hang_up()


async def test_a_forwarded_call_is_never_the_owners(alice: Person) -> None:
    """Alice's own phone, but the call says that it was sent on: it leaves a message like any other."""
    alice.moves_in()
    call = await alice.dials(f"*72{alice.number}")
    await call.hears("greeting/person-at", "greeting/is-not-available")
    await call.hang_up()


async def test_a_diversion_that_the_phone_itself_tells_of_is_one_too(alice: Person) -> None:
    alice.moves_in()
    call = await alice.dials(alice.number, diversion="<sip:2001@lab.example>;reason=unconditional")
    await call.hears("greeting/person-at", "greeting/is-not-available")
    await call.hang_up()


async def test_an_owner_who_dials_their_own_number_is_signed_in(alice: Person) -> None:
    alice.moves_in()
    call = await alice.dials(alice.number)
    await call.hears("count/no-messages")
    await call.hang_up()


async def test_a_local_process_that_claims_to_be_alices_phone_is_asked(alice: Person, notes: Notes) -> None:
    """Any process of this machine can speak to the service's port; none but our Asterisk knows the secret."""
    alice.moves_in()
    functions = {
        f"PJSIP_ENDPOINT({alice.name},auth)": "yes",
        "REDIRECTING(count)": "0",
        "GLOBAL(IVR_SECRET)": "guessed",
    }
    line = Line("check", ("account=lab", f"number={alice.number}"), f"PJSIP/{alice.name}-00000001", "1", functions)
    handset = ScriptedHandset([When("pin", HANG_UP)])
    await asyncio.wait_for(Asterisk(line, handset).call("127.0.0.1", notes.agi_port), 20)
    assert handset.heard == ["Please enter your pin, then press pound."]


async def test_no_pin_digit_is_in_the_services_log(alice: Person, bob: Person, desk: Desk, notes: Notes) -> None:
    alice.moves_in(pin="7391")
    bob.moves_in()
    call = await bob.dials(f"*98{alice.number}")
    await call.hears("login/enter-pin")
    await call.press("8264#")
    await call.hears("login/wrong-pin", "login/enter-pin")
    await call.press("7391#")
    await call.hears("count/no-messages")
    await call.press("#")
    await call.ends()
    log = (Path(notes.folder) / ("agi.log" if notes.transport == "agi" else "service.log")).read_text()
    assert bob.name in log
    # As a word of its own: times and ids have any digits in them.
    assert not re.search(r"(?<![0-9a-f])(7391|8264)(?![0-9a-f])", log)
    while not (records := desk.ask("calls", channel=f"PJSIP/{bob.name}")):
        await asyncio.sleep(0.05)
    assert [step["key"] for step in records[-1]["steps"] if step["what"] == "key"] == ["•"] * 10 + ["#"]
