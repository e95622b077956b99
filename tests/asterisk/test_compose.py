"""Messages of owners on a real Asterisk: to several mailboxes, answered, forwarded to several; earlier greetings."""

from __future__ import annotations

from tests.asterisk.conftest import PhoneUser, RecognisedCall, wait_until
from tests.lab.sip_phone import Clip
from tests.lab.sip_phone.speech import speech

SPEECH_MS = 2500


def words_of(person: PhoneUser, n: int = 0) -> Clip:
    return Clip(f"words {n}", speech(int(person.number) + 55_000 + n, SPEECH_MS))


async def record(call: RecognisedCall, words: Clip) -> None:
    await call.press("1")
    await call.expect("compose/record")
    await call.press("1")
    await call.expect("tone/beep", whole=True)
    await call.say(words.samples)


async def test_message_is_sent_to_two_mailboxes_and_answered(
    alice: PhoneUser, bob: PhoneUser, stranger: PhoneUser
) -> None:
    alice.create_user_and_box()
    bob.create_user_and_box()
    stranger.create_user_and_box()
    words, answer = words_of(alice), words_of(bob, 1)
    call = await alice.dial("*97")
    await call.expect("to/compose", "press/4")
    await call.press("4")
    await call.expect("compose/enter-box")
    await call.press(f"{bob.number}#")
    await call.expect("recipients/mailbox", "to/record-message", "to/add-recipient", "press/3")
    await call.press("3")
    await call.expect("recipients/enter-next")
    await call.press("9#")
    await call.expect("entry/invalid", "recipients/enter-next")
    await call.press(f"{stranger.number}#")
    await call.expect("recipients/mailbox", "to/record-message", "press/1")
    await record(call, words)
    await call.press("#")
    await call.expect("to/send", "press/1", "to/listen", "press/2")
    await call.press("2")
    await call.expect(words, "to/send")
    await call.press("1")
    await call.expect("compose/sent", "to/compose")
    await call.hang_up()

    [message] = bob.messages()
    assert message["caller"]["number"] == alice.number
    assert len(stranger.messages()) == 1
    call = await bob.dial("*97")
    await call.expect("count/new-message", words, "to/callback-or-reply", within_s=25)
    await call.press("9")
    await call.expect("to/callback", "press/1", "to/reply", "press/2")
    await call.press("2")
    await call.expect("recipients/mailbox", "to/record-message")
    await record(call, answer)
    await call.hang_up()
    await wait_until(alice.messages)
    call = await alice.dial("*97")
    await call.expect("count/new-message", answer)
    await call.hang_up()
    assert len(alice.messages()) == 1


async def test_message_is_forwarded_to_two_mailboxes_at_once(
    alice: PhoneUser, bob: PhoneUser, stranger: PhoneUser
) -> None:
    alice.create_user_and_box(after_forward_action="delete")
    bob.create_user_and_box()
    stranger.create_user_and_box()
    message = alice.create_message()
    call = await alice.dial("*97")
    await call.expect(message)
    await call.press("3")
    await call.expect("forward/enter-box")
    await call.press(f"{bob.number}#")
    await call.expect("recipients/mailbox", "to/add-recipient", "press/3")
    await call.press("3")
    await call.expect("recipients/enter-next")
    await call.press(f"{stranger.number}#")
    await call.expect("recipients/mailbox")  # The options were said before the first one.
    await call.press("2")
    await call.expect("done/forwarded", "done/deleted")
    await call.hang_up()
    assert alice.folder_of(message) == "deleted"
    assert [len(person.messages()) for person in (bob, stranger)] == [1, 1]
    call = await bob.dial("*97")
    await call.expect("count/new-message", message)
    await call.hang_up()


async def test_earlier_greeting_is_chosen_and_heard_by_callers(alice: PhoneUser, bob: PhoneUser) -> None:
    alice.create_user_and_box()
    bob.create_user_and_box()
    first = alice.create_recording("unavailable")
    alice.create_recording("unavailable", s=3)
    call = await alice.dial("*97")
    await call.expect("to/configure", "press/5")
    await call.press("5")
    await call.expect("to/record-unavailable")
    await call.press("#")
    await call.expect("settings/earlier-greeting", first, "to/use-recording", "press/1")
    await call.press("1")
    await call.expect("settings/in-use-again", "to/record-unavailable")
    await call.hang_up()
    call = await bob.dial(alice.number)
    await call.expect(first, "tone/beep")
    await call.hang_up()
