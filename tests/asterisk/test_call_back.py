"""Calling back on a real Asterisk: the phone that left the message rings."""

from __future__ import annotations

import asyncio
import subprocess

import pytest

from tests.asterisk.conftest import PhoneUser, wait_until
from tests.lab.lab import LabInfo
from tests.web.conftest import Browser


async def test_key_9_calls_back_the_caller(alice: PhoneUser, bob: PhoneUser) -> None:
    alice.create_user_and_box()
    message = alice.create_message(caller=bob.number)
    call = await alice.dial("*97")
    await call.expect(message)
    await call.press("9")
    await call.expect("callback/calling")
    ringing = await bob.phone.next_call()
    answered = await ringing.answer()
    assert answered.is_up
    await call.hang_up()


async def test_a_number_that_is_not_in_the_sites_context_is_not_called(alice: PhoneUser) -> None:
    alice.create_user_and_box()
    message = alice.create_message(caller="9005550100")
    call = await alice.dial("*97")
    await call.expect(message)
    await call.press("9")
    await call.expect("callback/no-such-number", "message/message", "number/1", message)
    await call.hang_up()


async def test_page_rings_the_owners_phone_first_and_then_the_caller(
    alice: PhoneUser, bob: PhoneUser, lab: LabInfo
) -> None:
    alice.create_user_and_box()
    message, unknown = alice.create_message(caller=bob.number), alice.create_message(caller="9005550100")
    browser = Browser(lab.rest_url)
    await browser.sign_in_by_pin(alice.number)
    path = f"{browser.page.url.path}/message"
    await browser.open(f"{path}/{message.id}")
    await browser.send(f"{path}/{message.id}/call-back")
    assert f"Your phone rings: pick it up, and it calls {bob.number}." in browser.text
    ringing = await alice.phone.next_call()
    await browser.send(f"{path}/{message.id}/call-back")
    assert "Your phone is ringing already." in browser.text
    own = await ringing.answer()
    called = await bob.phone.next_call()
    assert called.caller == alice.number
    answered = await called.answer()
    assert answered.is_up
    assert own.is_up
    await own.hang_up()
    await browser.send(f"{path}/{unknown.id}/call-back")
    assert "The number 9005550100 cannot be called from your phone." in browser.text
    await browser.http.aclose()


async def test_phone_that_forwards_its_calls_calls_back_no_number(
    alice: PhoneUser, bob: PhoneUser, lab: LabInfo
) -> None:
    """The mailbox answers the forwarded call by itself: no owner has picked up, so no number is called."""
    alice.create_user_and_box()
    message = alice.create_message(caller=bob.number)
    browser = Browser(lab.rest_url)
    await browser.sign_in_by_pin(alice.number)
    path = f"{browser.page.url.path}/message/{message.id}"
    await browser.open(path)
    await browser.send(f"{path}/call-back")
    await (await alice.phone.next_call()).redirect(alice.number)
    while "Your phone rings" not in await browser.send(f"{path}/call-back"):
        assert "Your phone is ringing already." in browser.text
    show = [*lab.console_command, "-rx", "core show channels concise"]
    forwarded = f"Local/{alice.number}@"
    await wait_until(lambda: forwarded not in subprocess.run(show, capture_output=True, text=True).stdout)
    own = await (await alice.phone.next_call()).answer()
    called = await bob.phone.next_call()
    await called.answer()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(bob.phone.next_call(), 0.1)
    await own.hang_up()
    await browser.http.aclose()
