"""The page while the service is away for a moment: nothing is lost, nothing is sent twice, and it is said."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.browser.conftest import PHONE, PageSite
from tests.support.chromium import new_context

SOUND = {"name": "note.wav", "mimeType": "audio/wav"}


@pytest.fixture
async def page(chromium: Any, site: PageSite) -> AsyncIterator[Any]:
    """A window of alice, signed in by her PIN."""
    context = await new_context(chromium, viewport=PHONE, base_url=site.url)
    page = await context.new_page()
    await page.goto("/")
    await page.get_by_label("Mailbox number", exact=True).fill("1000")
    await page.get_by_label("PIN", exact=True).fill("1379")
    await page.keyboard.press("Enter")
    await page.get_by_role("heading", name="Mailbox 1000").wait_for()
    yield page
    await context.close()


async def fail_once(page: Any, address: str, status: int = 0) -> None:
    """Let the next request of an address fail: without a response, or with that of a proxy."""

    async def fail(route: Any) -> None:
        await (route.fulfill(status=status, body="the service is away") if status else route.abort())

    await page.route(address, fail, times=1)


async def test_note_is_sent_once_after_tries_that_failed(site: PageSite, page: Any) -> None:
    message = await site.leave_message("Maria", s=1)
    sound = site.app.container.delivery.audio_paths(message)[-1].read_bytes()
    await page.goto(f"/page/box/{site.box.id}/message/{message.id}")
    await page.get_by_text("Forward", exact=True).click()
    await page.get_by_label("Mailbox numbers").fill("1001")
    await page.get_by_label("or a sound file").set_input_files({**SOUND, "buffer": sound})
    for status in (0, 502):
        await fail_once(page, "**/forward*", status)
        await page.evaluate("document.querySelector('#forward .outcome').textContent = ''")
        await page.get_by_role("button", name="Send").click()
        await page.get_by_text("The service cannot be reached just now: try again.").wait_for()
    assert await site.app.messages(site.bobs) == []
    await page.get_by_role("button", name="Send").dblclick()
    await page.get_by_text("Forwarded to mailboxes: 1.").wait_for()
    [copy] = await site.app.messages(site.bobs)
    assert copy.intro_ms == 1000


async def test_message_heard_to_its_end_is_saved_and_plays_on_after_failed_requests(site: PageSite, page: Any) -> None:
    message = await site.leave_message("Maria", s=1)
    await page.goto(f"/page/box/{site.box.id}/message/{message.id}")
    await page.locator("#wave[data-ready]").wait_for()
    await fail_once(page, "**/audio", 502)
    await fail_once(page, "**/heard")
    await page.get_by_role("button", name="Play").click()
    await page.locator("#player[data-heard]").wait_for()
    assert not await page.locator("#player-problem").is_visible()
    assert await site.app.folder_of(message) == "saved"


async def test_list_follows_and_grows_after_failed_requests(site: PageSite, page: Any) -> None:
    for n in range(55):
        await site.app.create_message(site.box, s=0.2, age_s=60 * n + 90)
    await page.reload()
    await fail_once(page, "**/*part=1*", 502)
    await page.locator(".row").nth(49).scroll_into_view_if_needed()
    await page.locator(".row").nth(54).wait_for()
    await fail_once(page, f"**/page/box/{site.box.id}")
    await page.evaluate("document.documentElement.dataset.same = 'page'")
    await site.leave_message("Peter")
    await page.get_by_role("link", name="Peter").wait_for()
    assert await page.evaluate("document.documentElement.dataset.same") == "page", "without reloading"


async def test_greeting_is_put_to_use_after_a_try_that_failed(site: PageSite, page: Any) -> None:
    message = await site.leave_message("Maria", s=1)
    sound = site.app.container.delivery.audio_paths(message)[-1].read_bytes()
    await page.get_by_role("link", name="Settings").click()
    card = page.locator(".greeting").first
    await card.get_by_label("or choose a sound file").set_input_files({**SOUND, "buffer": sound})
    await fail_once(page, "**/greeting/*", 502)
    await card.get_by_role("button", name="Use this recording").click()
    await card.get_by_text("The service cannot be reached just now: try again.").wait_for()
    await card.get_by_role("button", name="Use this recording").click()
    await page.get_by_text("The recording is in use.").wait_for()


async def test_audio_that_is_missing_is_said(site: PageSite, page: Any) -> None:
    message = await site.leave_message("Maria", s=1)
    await page.goto(f"/page/box/{site.box.id}/message/{message.id}")
    for path in site.app.container.delivery.audio_paths(message):
        path.unlink()
    site.app.container.api_services.audio.renditions.clear()
    await page.get_by_role("button", name="Play").click()
    await page.get_by_text("The audio could not be played: try again.").wait_for()
    assert await site.app.folder_of(message) == "new"


async def test_list_follows_in_a_browser_without_streams(site: PageSite, page: Any) -> None:
    await page.clock.install()
    await page.add_init_script("delete window.EventSource")
    await page.reload()
    await page.locator(":root.scripted").wait_for()
    await site.leave_message("Maria")
    await page.clock.run_for(10_000)
    await page.get_by_text("Maria").wait_for()
