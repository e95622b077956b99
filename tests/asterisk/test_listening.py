"""Working through messages on a real Asterisk: what is heard after each key, and where the messages are then."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from tests.asterisk.conftest import Conversation, Person, Recorded, eventually
from tests.asterisk.hearing import stretches
from tests.asterisk.rig.lab import Notes
from tests.sipphone import RATE, locate

FRAME_MS = 20


async def listens(person: Person) -> Conversation:
    """On their own phone, with new messages starting at once."""
    return await person.dials("*97")


async def test_save_delete_and_undo(alice: Person) -> None:
    alice.moves_in()
    first, second, third = (alice.has_message(age_s=age_s) for age_s in (60, 120, 180))
    call = await listens(alice)
    await call.hears(first)
    await call.press("1")
    await call.hears("done/saved", "message/message", "number/2", second)
    await call.press("7")
    await call.hears("done/deleted", "message/message", "number/3", third)
    await call.press("4")
    await call.hears("message/message", "number/2", "message/deleted", second)
    await call.press("7")
    await call.hears("done/restored", "number/3", third)
    await call.hang_up()
    assert [alice.folder_of(message) for message in (first, second, third)] == ["saved", "new", "new"]


async def test_number_audio_envelope_menu_and_silence(alice: Person) -> None:
    alice.moves_in()
    message = alice.has_message(s=2, age_s=3 * 86400)
    call = await listens(alice)
    await call.hears("count/you-have", "number/1", "count/new-message", "message/message", "number/1", message)
    await call.hears("envelope/received", "envelope/at")
    await call.hears("to/keep", "press/1", "to/replay", "press/2", "to/forward", "press/3", "to/delete", "press/7")
    await call.hears("to/return-main-menu", "press/0")
    await call.hang_up()


async def test_a_message_heard_to_its_end_is_saved_when_the_owner_hangs_up(alice: Person) -> None:
    alice.moves_in()
    heard, unheard = alice.has_message(s=2, age_s=60), alice.has_message(s=8, age_s=120)
    call = await listens(alice)
    await call.hears(heard, "envelope/received")
    await call.hang_up()
    await eventually(lambda: alice.folder_of(heard) == "saved")
    call = await listens(alice)
    await call.hears(unheard)
    await call.hang_up()
    call = await listens(alice)
    await call.hears("count/new-message")
    await call.hang_up()
    assert alice.folder_of(unheard) == "new"


async def test_back_on_and_both_ends_to_the_frame(alice: Person, notes: Notes) -> None:
    """The first sample heard after a seek is the last one heard before it, plus or minus the step, to 20 ms; over ARI,
    which tells times and no samples, to 40."""
    off_ms = 2 * FRAME_MS if notes.transport == "ari" else FRAME_MS
    alice.moves_in(seek_duration_ms=3000)
    message = alice.has_message(s=14)
    call = await listens(alice)
    await call.hears(message)
    position = await jump(call, message, "8")
    assert abs(position.after_ms - (position.before_ms + 3000)) <= off_ms
    position = await jump(call, message, "8")
    assert abs(position.after_ms - (position.before_ms + 3000)) <= off_ms
    position = await jump(call, message, "5")
    assert abs(position.after_ms - (position.before_ms - 3000)) <= off_ms
    for _ in range(3):  # However late this machine is, it comes before the start.
        await jump(call, message, "5")
    position = await jump(call, message, "5")
    assert position.after_ms <= off_ms, "before the start is the start"
    for _ in range(3):
        await jump(call, message, "8")
    await call.press("8")
    await call.hears("envelope/received")
    await call.press("5")
    pressed = round(call.call.position_s * RATE)
    await heard_until(call, call.call.position_s + 0.5)
    places = stretches(call.call, message.samples, pressed - RATE // 10)
    assert abs(places[0].began_ms - (14_000 - 3000)) <= off_ms, "from the end, which is where it stands"
    await call.hang_up()
    assert alice.folder_of(message) == "new", "past the end is not heard to the end"


@dataclass
class Jump:
    """Where in a recording a key was pressed, and where it went on."""

    before_ms: float
    after_ms: float


async def jump(call: Conversation, message: Recorded, key: str) -> Jump:
    """Let 300 ms pass, press a key, and find in the recording what was heard around it."""
    audio = call.call
    await heard_until(call, audio.position_s + 0.3)
    await audio.press(key)
    pressed = round(audio.position_s * RATE)
    await heard_until(call, audio.position_s + 0.5)
    return around_the_jump(call, message, pressed)


async def heard_until(call: Conversation, second: float) -> None:
    """Listen until so much has been heard."""
    while call.call.position_s < second:
        await asyncio.sleep(0.01)


def around_the_jump(call: Conversation, message: Recorded, pressed: int) -> Jump:
    """Where one stretch of the recording ended and the next began, around sample `pressed` of what was heard."""
    places = stretches(call.call, message.samples, pressed - RATE // 2)
    assert len(places) == 2, f"one jump was expected, but these stretches were heard: {places}"
    return Jump(places[0].ended_ms, places[1].began_ms)


@pytest.mark.parametrize("ms", [1500])
async def test_pause_and_resume(alice: Person, ms: int) -> None:
    alice.moves_in()
    message = alice.has_message(s=8)
    call = await listens(alice)
    await call.hears(message)
    await call.press("*")
    paused_at = call.call.position_s
    await call.call.hears_silence(ms / 1000)
    await call.press("*")
    await heard_until(call, call.call.position_s + 0.8)
    heard = call.call.heard
    before = locate(heard[round((paused_at - 0.25) * RATE) :][: RATE // 20], message.samples)
    after = locate(heard[-RATE // 4 :][: RATE // 20], message.samples)
    assert before is not None
    assert after is not None
    assert 0 < (after - before) / RATE < 1.5, "it went on where it was, not from elsewhere"
    await call.hang_up()


async def test_the_envelope_on_a_key_and_back_to_where_it_was(alice: Person) -> None:
    alice.moves_in()
    message = alice.has_message(s=10, caller="205")
    call = await listens(alice)
    await call.hears(message)
    await call.press("#")
    await call.hears("envelope/received", "envelope/from", "number/2", "number/0", "number/5", "envelope/length")
    await call.hears("number/10", "envelope/seconds")
    await heard_until(call, call.call.position_s + 1.0)
    place = locate(call.call.heard[-RATE // 4 :][: RATE // 20], message.samples)
    assert place is not None
    assert 0.3 < place / RATE < 3.5
    await call.hang_up()


async def test_replay_previous_next_and_main_menu(alice: Person) -> None:
    alice.moves_in()
    newer, older = alice.has_message(age_s=60), alice.has_message(age_s=7200)
    call = await listens(alice)
    await call.hears(newer)
    await call.press("2")
    await call.hears("message/message", "number/1", newer)
    await call.press("6")
    await call.hears("number/2", older)
    await call.press("6")
    await call.hears("message/no-more", "number/2", older)
    await call.press("4")
    await call.hears("number/1", newer)
    await call.press("4")
    await call.hears("number/1", newer)
    await call.press("0")
    await call.hears("number/2", "count/new-messages", "to/hear-new", "press/1", "to/configure", "press/5")
    await call.press("5")
    await call.hears("to/record-unavailable", "press/1", "to/return-main-menu", "press/0")
    await call.press("0")
    await call.hears("count/you-have")
    await call.press("#")
    await call.hears("done/goodbye")
    await call.ends()


async def test_oldest_first_and_the_other_folders(alice: Person) -> None:
    alice.moves_in(oldest_message_first=True, new_messages_at_once=False)
    newer, older = alice.has_message(age_s=60), alice.has_message(age_s=7200)
    saved, deleted = alice.has_message(folder="saved"), alice.has_message(folder="deleted")
    call = await listens(alice)
    await call.press("1")
    await call.hears(older)
    await call.press("6")
    await call.hears(newer)
    await call.press("0")
    await call.hears("to/hear-deleted", "press/3")
    await call.press("2")
    await call.hears(saved)
    await call.press("0")
    await call.hears("to/hear-saved", "press/2")
    await call.press("3")
    await call.hears(deleted)
    await call.press("1")
    await call.hears("done/saved")
    await call.hang_up()
    assert alice.folder_of(deleted) == "saved"


async def test_four_silent_rounds(alice: Person) -> None:
    alice.moves_in()
    call = await listens(alice)
    for _ in range(4):
        await call.hears("count/no-messages", "to/exit")
    await call.hears("done/goodbye")
    await call.ends()


async def test_the_dialplan_goes_on_behind_the_voicemail(alice: Person) -> None:
    """*99 is a line of the lab's own: it checks a box, then does what the dialplan says next."""
    alice.moves_in()
    call = await alice.dials("*991")
    await call.hears("login/enter-box")
    await call.press(f"{alice.number}#")
    await call.hears("count/no-messages")
    await call.press("#")
    await call.hears("done/goodbye")
    await call.ends()


async def test_all_typed_in_one_go_while_the_pin_is_asked_for(alice: Person, bob: Person) -> None:
    alice.moves_in(pin="1379")
    bob.moves_in()
    message = alice.has_message()
    call = await bob.dials(f"*98{alice.number}")
    await call.hears("login/enter-pin")
    await call.press("1379#17", tone_ms=60, gap_ms=60)
    await call.hears("done/deleted", "count/no-messages")
    await call.hang_up()
    assert alice.folder_of(message) == "deleted"


async def test_keys_of_the_classic_map(alice: Person) -> None:
    alice.moves_in(key_map="classic")
    message = alice.has_message(s=10)
    call = await listens(alice)
    await call.hears(message)
    await call.press("5")
    await call.call.hears_silence(1.0)
    await call.press("5")
    await call.press("8")
    await call.hears("envelope/received", "envelope/length")
    await call.press("7")
    await call.hears("done/deleted")
    await call.hang_up()
    assert alice.folder_of(message) == "deleted"
