"""An owner makes their box their own, on a real Asterisk and with a phone that talks."""

from __future__ import annotations

import re
import stat
from pathlib import Path

import pytest

from ivr.audio import wav
from tests.asterisk.conftest import AdminClient, PhoneUser, RecognisedCall, wait_until
from tests.lab.lab import LabInfo
from tests.lab.sip_phone import Clip
from tests.lab.sip_phone.speech import speech

SPEECH_MS = 3000


def speech_of(person: PhoneUser, n: int = 0) -> Clip:
    return Clip(f"what was said {n}", speech(int(person.number) + 99_000 + n, SPEECH_MS))


async def dial_to_settings(owner: PhoneUser) -> RecognisedCall:
    call = await owner.dial("*97")
    await call.expect("to/configure", "press/5")
    await call.press("5")
    await call.expect("to/record-unavailable", "press/1")
    return call


async def navigate_to_beep(call: RecognisedCall, key: str, asks: str) -> None:
    await call.press(key)
    await call.expect(asks)
    await call.press("1")
    await call.expect("tone/beep", whole=True)


async def record_and_accept(call: RecognisedCall, words: Clip) -> None:
    await call.say(words.samples)
    await call.press("#")
    await call.expect("to/use-recording", "press/1", "to/listen", "press/2")
    await call.press("2")
    await call.expect(words, "to/use-recording")
    await call.press("1")


@pytest.mark.long
async def test_greeting_exceeding_quota_is_kept_pending(alice: PhoneUser) -> None:
    alice.create_user_and_box(quota_mb=1)
    alice.create_message(s=61, folder="saved")
    words = speech_of(alice)
    call = await dial_to_settings(alice)
    await navigate_to_beep(call, "1", "settings/record-greeting")
    await record_and_accept(call, words)
    await call.expect("settings/no-room", "settings/not-in-use", "to/record-unavailable")
    await call.hang_up()
    call = await alice.dial("*97")
    await call.expect("settings/found-greeting")
    await call.hang_up()


async def test_a_greeting_is_recorded_and_heard_by_callers(
    alice: PhoneUser, bob: PhoneUser, admin: AdminClient
) -> None:
    alice.create_user_and_box()
    bob.create_user_and_box()
    words = speech_of(alice)
    call = await dial_to_settings(alice)
    await navigate_to_beep(call, "1", "settings/record-greeting")
    await record_and_accept(call, words)
    await call.expect("done/saved", "to/record-unavailable")
    await call.press("0")
    await call.expect("count/no-messages")
    await call.hang_up()
    path = Path(admin.request("find_greeting_path", number=alice.number))
    assert path.parent.name == "media"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert abs(wav.length_ms(path) - SPEECH_MS) < 400

    call = await bob.dial(alice.number)
    await call.expect(words, "greeting/leave-a-message", "tone/beep", within_s=20)
    await call.hang_up()


@pytest.mark.long
async def test_wizard_leads_to_main_menu(alice: PhoneUser, bob: PhoneUser, admin: AdminClient) -> None:
    alice.create_user_and_box(pin="0000", is_setup=False)
    bob.create_user_and_box()
    call = await alice.dial("*97")
    await call.expect("setup/welcome", "pin/enter-new")
    await call.press("1234#")
    await call.expect("pin/a-run", "pin/enter-new")
    await call.press("8264#")
    await call.expect("pin/enter-again")
    await call.press("8264#")
    await call.expect("done/pin-set", "setup/record-greeting", "settings/record-greeting", within_s=20)
    await call.press("1")
    await call.expect("tone/beep", whole=True)
    await record_and_accept(call, speech_of(alice))
    await call.expect("done/saved", "setup/complete", "setup/change-later", "count/no-messages", within_s=20)
    await call.hang_up()
    assert admin.request("find_greeting_path", number=alice.number)

    call = await bob.dial(f"*98{alice.number}")
    await call.expect("login/enter-pin")
    await call.press("8264#")
    await call.expect("count/no-messages")
    await call.hang_up()


async def test_pin_that_must_change_is_asked_for_before_the_messages(alice: PhoneUser, bob: PhoneUser) -> None:
    alice.create_user_and_box(pin="1379", pin_must_change=True)
    bob.create_user_and_box()
    call = await bob.dial(f"*98{alice.number}")
    await call.expect("login/enter-pin")
    await call.press("1379#")
    await call.expect("pin/must-change", "pin/enter-new")
    await call.press("1379#")
    await call.expect("pin/in-use", "pin/enter-new")
    await call.press("8264#")
    await call.expect("pin/enter-again")
    await call.press("8264#")
    await call.expect("done/pin-set", "count/no-messages")
    await call.hang_up()

    call = await bob.dial(f"*98{alice.number}")
    await call.expect("login/enter-pin")
    await call.press("8264#")
    await call.expect("count/no-messages")
    await call.hang_up()


async def test_new_pin_opens_box_and_is_never_logged(
    alice: PhoneUser, bob: PhoneUser, admin: AdminClient, lab: LabInfo
) -> None:
    alice.create_user_and_box(pin="1379")
    bob.create_user_and_box()
    call = await dial_to_settings(alice)
    await call.press("3")
    await call.expect("pin/enter-new")
    await call.press("593817#")
    await call.expect("pin/enter-again")
    await call.press("593817#")
    await call.expect("done/pin-set", "to/record-unavailable")
    await call.press("0")
    await call.expect("count/no-messages")
    await call.press("#")
    await call.wait_for_hangup()

    call = await bob.dial(f"*98{alice.number}")
    await call.expect("login/enter-pin")
    await call.press("1379#")
    await call.expect("login/wrong-pin", "login/enter-pin")
    await call.press("593817#")
    await call.expect("count/no-messages")
    await call.press("#")
    await call.wait_for_hangup()
    # As a word of its own, and longer than durations and ids of processes: these have any digits in them.
    assert not re.search(r"(?<![0-9a-f])593817(?![0-9a-f])", (Path(lab.folder) / "service.log").read_text())
    await wait_until(lambda: admin.request("list_calls", channel=f"PJSIP/{alice.name}"))
    [record] = admin.request("list_calls", channel=f"PJSIP/{alice.name}")
    assert "593817" not in str(record)
    assert [step["key"] for step in record["steps"] if step["what"] == "key"] == ["5", "3", *["•"] * 14, "0", "#"]


@pytest.mark.parametrize("moment", ["while speaking", "in the review"])
async def test_greeting_interrupted_by_hangup_is_offered_at_next_login(
    alice: PhoneUser, admin: AdminClient, moment: str
) -> None:
    alice.create_user_and_box()
    words = speech_of(alice)
    call = await dial_to_settings(alice)
    await navigate_to_beep(call, "1", "settings/record-greeting")
    await call.say(words.samples)
    if moment == "in the review":
        await call.press("#")
        await call.expect("to/use-recording")
    await call.hang_up()
    await wait_until(lambda: admin.request("list_calls", channel=f"PJSIP/{alice.name}"))
    assert admin.request("find_greeting_path", number=alice.number) is None

    call = await alice.dial("*97")
    await call.expect("settings/found-greeting", "to/use-recording")
    await call.press("2")
    await call.expect(words, "to/use-recording")
    await call.press("1")
    await call.expect("done/saved", "count/no-messages")
    await call.hang_up()
    assert abs(wav.length_ms(Path(admin.request("find_greeting_path", number=alice.number))) - SPEECH_MS) < 400


@pytest.mark.long
async def test_temporary_greeting_is_announced_and_removed(
    alice: PhoneUser, bob: PhoneUser, admin: AdminClient
) -> None:
    alice.create_user_and_box()
    bob.create_user_and_box()
    words = speech_of(alice)
    call = await dial_to_settings(alice)
    await navigate_to_beep(call, "4", "settings/record-temporary")
    await record_and_accept(call, words)
    await call.expect("settings/how-many-days")
    await call.press("1#")
    await call.expect("done/saved", "settings/temporary-in-use-through", "envelope/today")
    await call.hang_up()
    caller = await bob.dial(alice.number)
    await caller.expect(words, "greeting/leave-a-message")
    await caller.hang_up()

    call = await alice.dial("*97")
    await call.expect("settings/temporary-in-use-through", "envelope/today", "to/configure")
    await call.press("5")
    await call.expect("to/delete-temporary", "press/5")
    await call.press("5")
    await call.expect("settings/temporary-removed", "to/record-name", "press/2")
    await call.hang_up()
    assert admin.request("find_greeting_path", number=alice.number) is None
