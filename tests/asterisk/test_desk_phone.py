"""A desk phone lists the messages on its screen, and dials one of them."""

from __future__ import annotations

from tests.asterisk.conftest import PhoneUser
from tests.lab.lab import LabInfo
from tests.web.desk_phone import DeskPhone


async def test_message_dialled_from_the_screen_is_heard_first(alice: PhoneUser, bob: PhoneUser, lab: LabInfo) -> None:
    """The owner's phone needs no PIN; another phone that dials the same digits is asked for it."""
    alice.create_user_and_box(pin="1379")
    bob.create_user_and_box()
    newer, older = alice.create_message(age_s=60), alice.create_message(age_s=3600)
    screen_of_alice = DeskPhone("yealink", lab.rest_url, (alice.number, "1379"))
    screen = await screen_of_alice.open()
    [dialled] = (await screen_of_alice.open(screen.entries[1][1])).dials
    await screen_of_alice.http.aclose()

    own = await alice.dial(dialled)
    await own.expect("message/message", "number/1", older)
    await own.press("6")
    await own.expect("message/message", "number/2", newer)
    await own.hang_up()

    other = await bob.dial(dialled)
    await other.expect("login/enter-pin")
    await other.press("1379#")
    await other.expect("message/message", "number/1", older)
    await other.hang_up()
