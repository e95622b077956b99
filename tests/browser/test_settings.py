"""The settings of a mailbox as owners use them: in Chromium, with a fake microphone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.browser.conftest import DESK, LOOKS, PHONE, PageSite, require_no_barriers
from tests.support.chromium import new_context


@pytest.fixture
async def page(chromium: Any, site: PageSite) -> AsyncIterator[Any]:
    """The settings on a phone, with alice signed in by her PIN. Errors of scripts and policies fail the test."""
    context = await new_context(chromium, viewport=PHONE, base_url=site.url)
    page = await context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    await page.goto("/")
    await page.get_by_label("Mailbox number", exact=True).fill("1000")
    await page.get_by_label("PIN", exact=True).fill("1379")
    await page.keyboard.press("Enter")
    await page.get_by_role("link", name="Settings").press("Enter")
    await page.get_by_role("heading", name="Settings").wait_for()
    yield page
    assert [problem for problem in problems if "status of 400" not in problem] == []
    await context.close()


def card_of(page: Any, heading: str) -> Any:
    """The card of a greeting or name."""
    return page.locator(".greeting", has=page.get_by_role("heading", name=heading, exact=True))


async def record(page: Any, card: Any) -> None:
    """Record in the browser; the fake microphone beeps once a second."""
    await card.get_by_role("button", name="Record").press("Enter")
    await card.get_by_role("button", name="Stop recording").wait_for()
    await page.wait_for_timeout(1200)
    await card.get_by_role("button", name="Stop recording").press("Enter")
    await card.get_by_text("Listen before you use it").wait_for()


async def test_browser_that_cannot_record_says_so_and_frees_the_microphone(page: Any) -> None:
    await page.evaluate(
        """() => {
            delete window.MediaRecorder;
            const media = navigator.mediaDevices, original = media.getUserMedia.bind(media);
            media.getUserMedia = async (wanted) => (window.stream = await original(wanted));
        }"""
    )
    await card_of(page, "Greeting").get_by_role("button", name="Record").press("Enter")
    await page.get_by_text("The microphone cannot be used: allow it, or choose a file.").wait_for()
    assert await page.evaluate("window.stream.getTracks().map(track => track.readyState)") == ["ended"]


async def test_greetings_are_recorded_heard_put_to_use_and_removed_by_keyboard(site: PageSite, page: Any) -> None:
    greetings = site.app.container.voicemail_services.greetings
    await record(page, card_of(page, "Greeting"))
    assert await greetings.find_greeting(site.box) is None, "nothing is in use before its owner has decided"
    preview = "document.querySelector('.preview audio')"
    await page.evaluate(f"{preview}.play()")
    await page.wait_for_function(f"() => {preview}.currentTime > 0.2")
    await page.get_by_role("button", name="Use this recording").press("Enter")
    await page.get_by_text("The recording is in use.").wait_for()
    greeting = await greetings.find_greeting(await site.app.container.boxes.get(site.box.id))
    assert greeting
    assert greeting.length_ms > 800
    caller = await site.app.run_call(path="leave", number="1000")
    assert greeting.text in caller.texts

    temporary = card_of(page, "Temporary greeting")
    await temporary.get_by_label("Last day").fill("2016-05-20")
    await record(page, temporary)
    await temporary.get_by_role("button", name="Use this recording").press("Enter")
    await page.get_by_text("Last day: May 20, 2016.").wait_for()
    await card_of(page, "Temporary greeting").get_by_role("button", name="Remove").press("Enter")
    await page.get_by_text("The recording is removed.").wait_for()
    media = (await site.app.container.boxes.get(site.box.id)).settings.media
    assert (media.temporary_unavailable, media.temporary_until) == (None, None)
    assert media.unavailable


async def test_file_without_sound_says_so_where_it_was_chosen(site: PageSite, page: Any) -> None:
    card = card_of(page, "Recorded name")
    await card.get_by_label("or choose a sound file").set_input_files(
        {"name": "name.wav", "mimeType": "audio/wav", "buffer": b"RIFF nothing"}
    )
    async with page.expect_response(lambda response: "/greeting/name" in response.url) as refused:
        await card.get_by_role("button", name="Use this recording").click()
    assert (await refused.value).status == 400
    await card.get_by_text("Nothing was changed:").wait_for()


async def test_axe_finds_nothing_in_the_settings(site: PageSite, page: Any) -> None:
    await record(page, card_of(page, "Temporary greeting"))
    for size, looks in ((DESK, LOOKS[:1]), (PHONE, LOOKS)):
        await page.set_viewport_size(size)
        await require_no_barriers(page, looks)
        assert await page.evaluate("document.documentElement.scrollWidth") <= size["width"]
