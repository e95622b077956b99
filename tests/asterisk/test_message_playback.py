"""Working through messages on a real Asterisk: what is heard after each key, and where the messages are then."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from tests.asterisk.conftest import PhoneUser, RecognisedCall, SpokenMessage, wait_until
from tests.asterisk.played_ranges import played_ranges
from tests.lab.lab import LabInfo
from tests.lab.sip_phone import RATE, locate

FRAME_MS = 20


async def dial_to_first_message(person: PhoneUser) -> RecognisedCall:
    """On their own phone, with new messages starting at once."""
    return await person.dial("*97")


async def test_owner_saves_deletes_and_undeletes_message(alice: PhoneUser) -> None:
    alice.create_user_and_box()
    first, second, third = (alice.create_message(age_s=age_s) for age_s in (60, 120, 180))
    call = await dial_to_first_message(alice)
    await call.expect(first)
    await call.press("1")
    await call.expect("done/saved", "message/message", "number/2", second)
    await call.press("7")
    await call.expect("done/deleted", "message/message", "number/3", third)
    await call.press("4")
    await call.expect("message/message", "number/2", "message/deleted", second)
    await call.press("7")
    await call.expect("done/restored", "number/3", third)
    await call.hang_up()
    assert [alice.folder_of(message) for message in (first, second, third)] == ["saved", "new", "new"]


async def test_message_playback_order_is_number_audio_envelope_menu_timeout(alice: PhoneUser) -> None:
    alice.create_user_and_box()
    message = alice.create_message(s=2, age_s=3 * 86400)
    call = await dial_to_first_message(alice)
    await call.expect("count/you-have", "number/1", "count/new-message", "message/message", "number/1", message)
    await call.expect("envelope/received", "envelope/at")
    await call.expect("to/keep", "press/1", "to/replay", "press/2", "to/forward", "press/3", "to/delete", "press/7")
    await call.expect("to/return-main-menu", "press/0")
    await call.hang_up()


async def test_a_message_heard_to_its_end_is_saved_when_the_owner_hangs_up(alice: PhoneUser) -> None:
    alice.create_user_and_box()
    heard, unheard = alice.create_message(s=2, age_s=60), alice.create_message(s=8, age_s=120)
    call = await dial_to_first_message(alice)
    await call.expect(heard, "envelope/received")
    await call.hang_up()
    await wait_until(lambda: alice.folder_of(heard) == "saved")
    call = await dial_to_first_message(alice)
    await call.expect(unheard)
    await call.hang_up()
    call = await dial_to_first_message(alice)
    await call.expect("count/new-message")
    await call.hang_up()
    assert alice.folder_of(unheard) == "new"


MAX_SEEK_DELAY_S = 5
"""Audio after a key in which its seek must be heard."""
MAX_ATTEMPTS = 5
"""Attempts to measure a seek within the first 3 s."""
SEEK_MESSAGE_S = 24
"""Long enough that the end is not reached before the first seek back, however busy the machine is."""


async def test_seek_is_accurate_to_the_frame(alice: PhoneUser, lab: LabInfo) -> None:
    """The first sample heard after a seek is the last one heard before it, plus or minus the step, to 20 ms; over ARI,
    which tells times and no samples, to 40."""
    off_ms = 2 * FRAME_MS if lab.transport == "ari" else FRAME_MS
    alice.create_user_and_box(seek_duration_ms=3000)
    message = alice.create_message(s=SEEK_MESSAGE_S)
    length_ms = 1000 * SEEK_MESSAGE_S
    call = await dial_to_first_message(alice)
    await call.expect(message)
    position = await press_and_measure_seek(call, message, "8")
    assert abs(position.after_ms - (position.before_ms + 3000)) <= off_ms
    position = await press_and_measure_seek(call, message, "8")
    assert abs(position.after_ms - (position.before_ms + 3000)) <= off_ms
    position = await press_and_measure_seek(call, message, "5")
    assert abs(position.after_ms - (position.before_ms - 3000)) <= off_ms
    for _ in range(MAX_ATTEMPTS):  # Audio plays on while a seek is measured, the longer the busier the machine is.
        if position.before_ms < 3000:
            break
        for _ in range(length_ms // 3000):
            await call.press("5")
        await wait_until_heard(call, call.call.position_s + 0.7)
        position = await press_and_measure_seek(call, message, "5")
    assert position.before_ms < 3000, "the key was pressed before the first 3 s were over"
    assert position.after_ms <= off_ms, "before the start is the start"
    while position.after_ms < length_ms - 9000:  # So that the end is not reached while the last seek is measured.
        position = await press_and_measure_seek(call, message, "8")
        assert abs(position.after_ms - (position.before_ms + 3000)) <= off_ms
    await wait_until_heard(call, position.start_s + (length_ms - 2800) / 1000)
    await call.press("8")  # Less than 3 s before the end.
    await call.expect("envelope/received")
    await call.press("5")
    pressed = round(call.call.position_s * RATE)
    await wait_until_heard(call, call.call.position_s + 0.5)
    await call.hang_up()  # Before the audio is searched: on a busy machine that takes longer than the message has left.
    places = played_ranges(call.call, message.samples, pressed - RATE // 10)
    assert abs(places[0].began_ms - (length_ms - 3000)) <= off_ms, "from the end, which is where it stands"
    assert alice.folder_of(message) == "new", "past the end is not heard to the end"


@dataclass
class Seek:
    """The positions in a recording before and after a key. `start_s`: that of the range after it."""

    before_ms: float
    after_ms: float
    start_s: float


async def press_and_measure_seek(call: RecognisedCall, message: SpokenMessage, key: str) -> Seek:
    """Wait 300 ms, press a key, and return the positions in the recording before and after it."""
    audio = call.call
    await wait_until_heard(call, audio.position_s + 0.3)
    await audio.press(key)
    pressed = round(audio.position_s * RATE)
    for _ in range(MAX_SEEK_DELAY_S * 2):  # On a busy machine the seek takes longer.
        await wait_until_heard(call, audio.position_s + 0.5)
        if len(played_ranges(audio, message.samples, pressed - RATE // 2)) > 1:
            break
    return ranges_around_seek(call, message, pressed)


async def wait_until_heard(call: RecognisedCall, second: float) -> None:
    """Wait until the call has received `second` seconds of audio."""
    while call.call.position_s < second:
        await asyncio.sleep(0.01)


def ranges_around_seek(call: RecognisedCall, message: SpokenMessage, pressed: int) -> Seek:
    """Return the positions around sample `pressed` of the received audio."""
    places = played_ranges(call.call, message.samples, pressed - RATE // 2)
    assert len(places) == 2, f"one jump was expected, but these stretches were heard: {places}"
    return Seek(places[0].ended_ms, places[1].began_ms, places[1].start_s)


@pytest.mark.parametrize("ms", [1500])
async def test_playback_pauses_and_resumes(alice: PhoneUser, ms: int) -> None:
    alice.create_user_and_box()
    message = alice.create_message(s=8)
    call = await dial_to_first_message(alice)
    await call.expect(message)
    await call.press("*")
    paused_at = call.call.position_s
    await call.call.wait_for_silence(ms / 1000)
    await call.press("*")
    await wait_until_heard(call, call.call.position_s + 0.8)
    heard = call.call.heard
    before = locate(heard[round((paused_at - 0.25) * RATE) :][: RATE // 20], message.samples)
    after = locate(heard[-RATE // 4 :][: RATE // 20], message.samples)
    assert before is not None
    assert after is not None
    assert 0 < (after - before) / RATE < 1.5, "it went on where it was, not from elsewhere"
    await call.hang_up()


async def test_envelope_key_returns_to_playback_position(alice: PhoneUser) -> None:
    alice.create_user_and_box()
    message = alice.create_message(s=10, caller="205")
    call = await dial_to_first_message(alice)
    await call.expect(message)
    await call.press("#")
    await call.expect("envelope/received", "envelope/from", "number/2", "number/0", "number/5", "envelope/length")
    await call.expect("number/10", "envelope/seconds")
    await wait_until_heard(call, call.call.position_s + 1.0)
    place = locate(call.call.heard[-RATE // 4 :][: RATE // 20], message.samples)
    assert place is not None
    assert 0.3 < place / RATE < 3.5
    await call.hang_up()


async def test_keys_replay_previous_next_and_main_menu(alice: PhoneUser) -> None:
    alice.create_user_and_box()
    newer, older = alice.create_message(age_s=60), alice.create_message(age_s=7200)
    call = await dial_to_first_message(alice)
    await call.expect(newer)
    await call.press("2")
    await call.expect("message/message", "number/1", newer)
    await call.press("6")
    await call.expect("number/2", older)
    await call.press("6")
    await call.expect("message/no-more", "short/keep")
    await call.press("4")
    await call.expect("number/1", newer)
    await call.press("4")
    await call.expect("number/1", newer)
    await call.press("0")
    await call.expect("number/2", "count/new-messages", "to/hear-new", "press/1", "to/configure", "press/5")
    await call.press("5")
    await call.expect("to/record-unavailable", "press/1", "to/return-main-menu", "press/0")
    await call.press("0")
    await call.expect("count/you-have")
    await call.press("#")
    await call.expect("done/goodbye")
    await call.wait_for_hangup()


async def test_folders_play_oldest_first_when_configured(alice: PhoneUser) -> None:
    alice.create_user_and_box(oldest_message_first=True, new_messages_at_once=False)
    newer, older = alice.create_message(age_s=60), alice.create_message(age_s=7200)
    saved, deleted = alice.create_message(folder="saved"), alice.create_message(folder="deleted")
    call = await dial_to_first_message(alice)
    await call.press("1")
    await call.expect(older)
    await call.press("6")
    await call.expect(newer)
    await call.press("0")
    await call.expect("to/hear-deleted", "press/3")
    await call.press("2")
    await call.expect(saved)
    await call.press("0")
    await call.expect("to/hear-saved", "press/2")
    await call.press("3")
    await call.expect(deleted)
    await call.press("1")
    await call.expect("done/saved")
    await call.hang_up()
    assert alice.folder_of(deleted) == "saved"


@pytest.mark.long
async def test_four_menu_timeouts_end_call(alice: PhoneUser) -> None:
    alice.create_user_and_box()
    call = await dial_to_first_message(alice)
    for _ in range(4):
        await call.expect("count/no-messages", "to/exit")
    await call.expect("done/goodbye")
    await call.wait_for_hangup()


async def test_dialplan_continues_after_voicemail(alice: PhoneUser) -> None:
    """*99 is a line of the lab's own: it checks a box, then does what the dialplan says next."""
    alice.create_user_and_box()
    call = await alice.dial("*991")
    await call.expect("login/enter-box")
    await call.press(f"{alice.number}#")
    await call.expect("count/no-messages")
    await call.press("#")
    await call.expect("done/goodbye")
    await call.wait_for_hangup()


async def test_keys_typed_ahead_at_pin_prompt_are_used(alice: PhoneUser, bob: PhoneUser) -> None:
    alice.create_user_and_box(pin="1379")
    bob.create_user_and_box()
    message = alice.create_message()
    call = await bob.dial(f"*98{alice.number}")
    await call.expect("login/enter-pin")
    await call.press("1379#17", tone_ms=60, gap_ms=60)
    await call.expect("done/deleted", "count/no-messages")
    await call.hang_up()
    assert alice.folder_of(message) == "deleted"


async def test_classic_key_map_works(alice: PhoneUser) -> None:
    alice.create_user_and_box(key_map="classic")
    message = alice.create_message(s=10)
    call = await dial_to_first_message(alice)
    await call.expect(message)
    await call.press("5")
    await call.call.wait_for_silence(1.0)
    await call.press("5")
    await call.press("8")
    await call.expect("envelope/received", "envelope/length")
    await call.press("7")
    await call.expect("done/deleted")
    await call.hang_up()
    assert alice.folder_of(message) == "deleted"
