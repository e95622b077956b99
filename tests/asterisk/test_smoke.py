"""One call through everything: SIP phone, Asterisk, service, and back."""

from __future__ import annotations

from tests.asterisk.conftest import PhoneUser


async def test_an_owner_dials_in_hears_and_deletes(alice: PhoneUser) -> None:
    alice.create_user_and_box()
    message = alice.create_message()
    call = await alice.dial("*97")
    await call.expect("count/you-have", "number/1", "count/new-message", "message/message", "number/1", message)
    await call.press("7")
    await call.expect("done/deleted", "count/no-messages")
    await call.hang_up()
    assert alice.folder_of(message) == "deleted"
