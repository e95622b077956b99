"""A greeting that its owner records in the browser is what callers hear."""

from __future__ import annotations

import numpy as np
import pytest

from tests.asterisk.conftest import PhoneUser
from tests.lab.lab import LabInfo
from tests.lab.sip_phone import RATE, Clip
from tests.support.chromium import new_context, start_chromium, why_no_browser

RECORDED_MS = 2500
WAV_HEADER_BYTES = 44


@pytest.mark.skipif(bool(why_no_browser()), reason=why_no_browser())
async def test_greeting_recorded_in_the_browser_is_what_the_caller_hears(
    alice: PhoneUser, bob: PhoneUser, lab: LabInfo
) -> None:
    """The microphone of Chromium beeps once a second."""
    alice.create_user_and_box()
    bob.create_user_and_box()
    async with start_chromium() as browser:
        context = await new_context(browser, base_url=lab.rest_url)
        page = await context.new_page()
        await page.goto("/")
        await page.get_by_label("Mailbox number", exact=True).fill(alice.number)
        await page.get_by_label("PIN", exact=True).fill("1379")
        await page.keyboard.press("Enter")
        await page.get_by_role("link", name="Settings").click()
        card = page.locator(".greeting").first
        await card.get_by_role("button", name="Record").click()
        await card.get_by_role("button", name="Stop recording").wait_for()
        await page.wait_for_timeout(RECORDED_MS)
        await card.get_by_role("button", name="Stop recording").click()
        await card.get_by_role("button", name="Use this recording").click()
        await page.get_by_text("The recording is in use.").wait_for()
        stored = await page.request.get(await page.locator(".greeting audio").first.get_attribute("src"))
        samples = np.frombuffer((await stored.body())[WAV_HEADER_BYTES:], np.int16)
        await context.close()
    assert len(samples) > RECORDED_MS // 2 * RATE // 1000
    assert np.abs(samples).max() > 1000
    call = await bob.dial(alice.number)
    await call.expect(Clip("greeting of the browser", samples), "greeting/leave-a-message")
    await call.hang_up()
