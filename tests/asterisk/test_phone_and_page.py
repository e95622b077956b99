"""One mailbox at the phone and on the page: what happens at one is there at the other."""

from __future__ import annotations

import re

import pytest

from tests.asterisk.conftest import PhoneUser, wait_until
from tests.asterisk.test_leave_message import SPEECH_MS, dial_to_beep, speech_of
from tests.lab.lab import LabInfo
from tests.support.chromium import new_context, start_chromium, why_no_browser


@pytest.mark.skipif(bool(why_no_browser()), reason=why_no_browser())
async def test_message_left_by_phone_is_on_the_page_and_phone_skips_what_the_page_deletes(
    alice: PhoneUser, bob: PhoneUser, lab: LabInfo
) -> None:
    alice.create_user_and_box()
    bob.create_user_and_box()
    older = alice.create_message(age_s=3600)
    async with start_chromium() as browser:
        page = await (await new_context(browser, base_url=lab.rest_url)).new_page()
        await page.goto("/")
        await page.get_by_label("Mailbox number", exact=True).fill(alice.number)
        await page.get_by_label("PIN", exact=True).fill("1379")
        await page.keyboard.press("Enter")
        await page.get_by_role("heading", name=f"Mailbox {alice.number}").wait_for()
        assert await page.locator(".row").count() == 1

        call = await dial_to_beep(bob, alice)
        await call.say(speech_of(bob).samples)
        await call.hang_up()
        await wait_until(lambda: len(alice.messages()) == 2)
        await page.get_by_text("There are new messages.").wait_for()
        assert await page.locator(".row").count() == 2
        await page.locator(".row a").first.click()
        await page.locator("#wave[data-ready]").wait_for()
        length_ms = int(await page.locator("#player").get_attribute("data-length-ms"))
        assert abs(length_ms - SPEECH_MS) < 500
        await page.get_by_role("button", name="Delete").click()
        await page.get_by_text(re.compile("Deleted: 1")).wait_for()
        assert await page.locator(".row").count() == 1
        assert sorted(message["folder"] for message in alice.messages()) == ["deleted", "new"]

        owner = await alice.dial("*97")
        await owner.expect("number/1", "count/new-message", "message/message", older)
        await owner.press("7")
        await page.get_by_text("No messages here.").wait_for()
        await page.get_by_role("link", name="Deleted 2").wait_for()
        await owner.hang_up()
