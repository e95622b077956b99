"""An owner makes their box their own, on a real Asterisk and with a phone that talks."""

from __future__ import annotations

import re
import stat
from pathlib import Path

import pytest

from ivr.audio import wav
from tests.asterisk.conftest import Conversation, Desk, Person, eventually
from tests.asterisk.rig.lab import Notes
from tests.sipphone import Clip
from tests.sipphone.speech import speech

SAID_MS = 3000


def said_by(person: Person, n: int = 0) -> Clip:
    return Clip(f"what was said {n}", speech(int(person.number) + 99_000 + n, SAID_MS))


async def to_the_settings(owner: Person) -> Conversation:
    call = await owner.dials("*97")
    await call.hears("to/configure", "press/5")
    await call.press("5")
    await call.hears("to/record-unavailable", "press/1")
    return call


async def to_the_beep(call: Conversation, key: str, asks: str) -> None:
    await call.press(key)
    await call.hears(asks)
    await call.press("1")
    await call.hears("tone/beep", whole=True)


async def says_and_uses(call: Conversation, words: Clip) -> None:
    await call.says(words.samples)
    await call.press("#")
    await call.hears("to/use-recording", "press/1", "to/listen", "press/2")
    await call.press("2")
    await call.hears(words, "to/use-recording")
    await call.press("1")


async def test_a_greeting_for_which_there_is_no_room(alice: Person) -> None:
    alice.moves_in(quota_mb=1)
    alice.has_message(s=61, folder="saved")
    words = said_by(alice)
    call = await to_the_settings(alice)
    await to_the_beep(call, "1", "settings/record-greeting")
    await says_and_uses(call, words)
    await call.hears("settings/no-room", "settings/not-in-use", "to/record-unavailable")
    await call.hang_up()
    call = await alice.dials("*97")
    await call.hears("settings/found-greeting")
    await call.hang_up()


async def test_a_greeting_is_recorded_and_heard_by_callers(alice: Person, bob: Person, desk: Desk) -> None:
    alice.moves_in()
    bob.moves_in()
    words = said_by(alice)
    call = await to_the_settings(alice)
    await to_the_beep(call, "1", "settings/record-greeting")
    await says_and_uses(call, words)
    await call.hears("done/saved", "to/record-unavailable")
    await call.press("0")
    await call.hears("count/no-messages")
    await call.hang_up()
    path = Path(desk.ask("greeting", number=alice.number))
    assert path.parent.name == "media"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert abs(wav.length_ms(path) - SAID_MS) < 400

    call = await bob.dials(alice.number)
    await call.hears(words, "greeting/leave-a-message", "tone/beep", within_s=20)
    await call.hang_up()


async def test_from_first_use_to_the_main_menu(alice: Person, bob: Person, desk: Desk) -> None:
    alice.moves_in(pin="0000", is_setup=False)
    bob.moves_in()
    call = await alice.dials("*97")
    await call.hears("setup/welcome", "pin/enter-new")
    await call.press("1234#")
    await call.hears("pin/a-run", "pin/enter-new")
    await call.press("8264#")
    await call.hears("pin/enter-again")
    await call.press("8264#")
    await call.hears("done/pin-set", "setup/record-greeting", "settings/record-greeting", within_s=20)
    await call.press("1")
    await call.hears("tone/beep", whole=True)
    await says_and_uses(call, said_by(alice))
    await call.hears("done/saved", "setup/complete", "setup/change-later", "count/no-messages", within_s=20)
    await call.hang_up()
    assert desk.ask("greeting", number=alice.number)

    call = await bob.dials(f"*98{alice.number}")
    await call.hears("login/enter-pin")
    await call.press("8264#")
    await call.hears("count/no-messages")
    await call.hang_up()


async def test_a_new_pin_opens_the_box_and_is_in_no_log(alice: Person, bob: Person, desk: Desk, notes: Notes) -> None:
    alice.moves_in(pin="1379")
    bob.moves_in()
    call = await to_the_settings(alice)
    await call.press("3")
    await call.hears("pin/enter-new")
    await call.press("59381#")
    await call.hears("pin/enter-again")
    await call.press("59381#")
    await call.hears("done/pin-set", "to/record-unavailable")
    await call.press("0")
    await call.hears("count/no-messages")
    await call.press("#")
    await call.ends()

    call = await bob.dials(f"*98{alice.number}")
    await call.hears("login/enter-pin")
    await call.press("1379#")
    await call.hears("login/wrong-pin", "login/enter-pin")
    await call.press("59381#")
    await call.hears("count/no-messages")
    await call.press("#")
    await call.ends()
    # As a word of its own: times and ids have any digits in them.
    assert not re.search(r"(?<![0-9a-f])59381(?![0-9a-f])", (Path(notes.folder) / "service.log").read_text())
    await eventually(lambda: desk.ask("calls", channel=f"PJSIP/{alice.name}"))
    [record] = desk.ask("calls", channel=f"PJSIP/{alice.name}")
    assert "59381" not in str(record)
    assert [step["key"] for step in record["steps"] if step["what"] == "key"] == ["5", "3", *["•"] * 12, "0", "#"]


@pytest.mark.parametrize("moment", ["while speaking", "in the review"])
async def test_hung_up_while_recording_it_is_offered_the_next_time(alice: Person, desk: Desk, moment: str) -> None:
    alice.moves_in()
    words = said_by(alice)
    call = await to_the_settings(alice)
    await to_the_beep(call, "1", "settings/record-greeting")
    await call.says(words.samples)
    if moment == "in the review":
        await call.press("#")
        await call.hears("to/use-recording")
    await call.hang_up()
    await eventually(lambda: desk.ask("calls", channel=f"PJSIP/{alice.name}"))
    assert desk.ask("greeting", number=alice.number) is None

    call = await alice.dials("*97")
    await call.hears("settings/found-greeting", "to/use-recording")
    await call.press("2")
    await call.hears(words, "to/use-recording")
    await call.press("1")
    await call.hears("done/saved", "count/no-messages")
    await call.hang_up()
    assert abs(wav.length_ms(Path(desk.ask("greeting", number=alice.number))) - SAID_MS) < 400


async def test_a_temporary_greeting_is_told_of_and_removed(alice: Person, bob: Person, desk: Desk) -> None:
    alice.moves_in()
    bob.moves_in()
    words = said_by(alice)
    call = await to_the_settings(alice)
    await to_the_beep(call, "4", "settings/record-temporary")
    await says_and_uses(call, words)
    await call.hears("settings/how-many-days")
    await call.press("1#")
    await call.hears("done/saved", "settings/temporary-in-use-through", "envelope/today")
    await call.hang_up()
    caller = await bob.dials(alice.number)
    await caller.hears(words, "greeting/leave-a-message")
    await caller.hang_up()

    call = await alice.dials("*97")
    await call.hears("settings/temporary-in-use-through", "envelope/today", "to/configure")
    await call.press("5")
    await call.hears("to/delete-temporary", "press/5")
    await call.press("5")
    await call.hears("settings/temporary-removed", "to/record-name", "press/2")
    await call.hang_up()
    assert desk.ask("greeting", number=alice.number) is None
