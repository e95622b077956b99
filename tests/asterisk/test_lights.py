"""Message lights on a real Asterisk: what a phone that subscribed to its mailbox is told, and when."""

from __future__ import annotations

from collections.abc import Callable

from tests.asterisk.conftest import Desk, Person, Recorded
from tests.asterisk.test_both_doors import Program, as_wav, program
from tests.asterisk.test_leaving import said_by, to_the_beep
from tests.sipphone.mwi import MessageSummary
from tests.sipphone.speech import speech

__all__ = ["program"]


async def shows(person: Person, new: int, old: int) -> MessageSummary:
    """Wait until the last thing that the phone was told is this."""

    def is_it(told: MessageSummary) -> bool:
        return told is person.phone.notifies[-1] and (told.new, told.old, told.waiting) == (new, old, new > 0)

    return await person.phone.notified(is_it)


async def test_the_light_goes_on_when_a_message_was_left_and_off_when_it_was_saved(alice: Person, bob: Person) -> None:
    alice.moves_in()
    bob.moves_in()
    await alice.phone.subscribe_mwi()
    await shows(alice, 0, 0)
    call = await to_the_beep(bob, alice)
    await call.says(said_by(bob).samples)
    await call.hang_up()
    await shows(alice, 1, 0)

    call = await alice.dials("*97")
    await call.hears("message/message", said_by(bob))
    await call.press("1")
    await call.hears("done/saved")
    await shows(alice, 0, 1)
    await call.hang_up()


async def test_deleting_and_undoing_show(alice: Person) -> None:
    alice.moves_in()
    await alice.phone.subscribe_mwi()
    message = alice.has_message()
    await shows(alice, 1, 0)
    call = await alice.dials("*97")
    await call.hears(message)
    await call.press("7")
    await shows(alice, 0, 0)
    await call.hang_up()
    alice.moves(message, "new")
    await shows(alice, 1, 0)


async def test_a_forwarded_message_lights_the_other_box(alice: Person, bob: Person) -> None:
    alice.moves_in()
    bob.moves_in()
    await bob.phone.subscribe_mwi()
    message = alice.has_message()
    call = await alice.dials("*97")
    await call.hears(message)
    await call.press("3")
    await call.hears("forward/enter-box")
    await call.press(f"{bob.number}#")
    await call.hears("done/forwarded")
    await shows(bob, 1, 0)
    await call.hang_up()


async def test_what_an_administrator_changes_shows(alice: Person, desk: Desk) -> None:
    alice.moves_in()
    await alice.phone.subscribe_mwi()
    first, second = alice.has_message(), alice.has_message()
    await shows(alice, 2, 0)
    alice.moves(first, "saved")
    await shows(alice, 1, 1)
    desk.ask("remove", number=alice.number, message=second.id)
    await shows(alice, 0, 1)


async def test_a_further_number_of_a_box_shows_the_same(alice: Person, bob: Person) -> None:
    alice.moves_in(numbers=[bob.number])
    await bob.phone.subscribe_mwi()
    message: Recorded = alice.has_message()
    await shows(bob, 1, 0)
    alice.moves(message, "saved")
    await shows(bob, 0, 1)


async def test_a_phone_can_show_the_sum_of_all_boxes_of_its_user(alice: Person, bob: Person) -> None:
    alice.moves_in()
    alice.has_one_more_box(bob.number)
    await alice.phone.subscribe_mwi(of=f"{alice.name}-all")
    alice.has_message()
    await shows(alice, 1, 0)
    alice.has_message(at=bob.number)
    await shows(alice, 2, 0)


async def test_a_phone_that_is_given_to_an_owner_shows_it_at_once(alice: Person, bob: Person, desk: Desk) -> None:
    alice.moves_in()
    alice.has_message()
    await bob.phone.subscribe_mwi(of=f"{bob.name}-all")
    await shows(bob, 0, 0)
    desk.ask("endpoint", name=bob.name, user=alice.name)
    await shows(bob, 1, 0)
    desk.ask("no_endpoint", name=bob.name)
    await shows(bob, 0, 0)


async def test_what_a_program_changes_over_rest_shows(alice: Person, program: Callable[[Person], Program]) -> None:
    alice.moves_in()
    await alice.phone.subscribe_mwi()
    rest = program(alice)
    messages = str(rest.http.base_url).rstrip("/")
    made = await rest.ok("PUT", messages, json={"data": {"caller_id_number": "6001"}})
    audio = as_wav(speech(int(alice.number) * 100, 2000))
    await rest.ok("PUT", f"/{made['media_id']}/raw", content=audio, headers={"Content-Type": "audio/wav"})
    await shows(alice, 1, 0)
    await rest.ok("POST", f"/{made['media_id']}", json={"data": {"folder": "saved"}})
    await shows(alice, 0, 1)
    await rest.ok("DELETE", f"/{made['media_id']}")
    await shows(alice, 0, 0)
