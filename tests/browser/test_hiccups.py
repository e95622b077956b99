"""The page while the service is away for a moment: nothing is lost, nothing is sent twice, and it is said."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bench.fill_boxes import fill
from ivr.storage.records import Folder
from tests.browser.conftest import PHONE, PageSite
from tests.support.chromium import expect, new_context

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


async def lose_answer(page: Any, address: str) -> None:
    """Let the next request of an address reach the service, and its answer not reach the page."""

    async def lose(route: Any) -> None:
        await route.fetch()
        await route.abort()

    await page.route(address, lose, times=1)


async def test_whole_folder_is_deleted_and_brought_back_although_the_network_fails_on_the_way(
    site: PageSite, page: Any
) -> None:
    first = await site.leave_message("Maria", s=0.5)
    audio = site.app.container.delivery.audio_paths(first)[-1]
    await fill(site.app.container, site.box, 450, audio, audio.stat().st_size, Folder.NEW)
    await page.reload()
    await page.get_by_label("Select all on this page").check()
    await page.get_by_label("Select the older ones that are not shown yet, too").check()
    sent: list[str] = []

    async def fail_second(route: Any) -> None:
        sent.append(route.request.url)
        if len(sent) in (2, 7):
            await route.fetch()  # The service has done it; the page does not know.
            await route.abort()
        else:
            await route.continue_()

    await page.route("**/messages", fail_second)
    delete, away = page.get_by_role("button", name="Delete"), [True]

    async def be_away(route: Any) -> None:
        await (route.abort() if away else route.continue_())

    await page.route(re.compile(r"part=|/page/box/\w+$"), be_away)
    await delete.click()  # The rows that are shown go; which the older ones are is not answered.
    await page.get_by_text("The service cannot be reached just now: try again.").wait_for()
    await expect(page.locator(".row")).to_have_count(0)
    away.clear()
    async with page.expect_response("**/*part=ids"):  # Before the list is there again.
        await delete.click()
    await page.get_by_text("The service cannot be reached just now: try again.").wait_for()
    newest = await site.leave_message("Peter", s=0.5)
    await page.get_by_role("link", name="Peter").wait_for()
    await expect(page.get_by_label("Select the older ones")).to_be_checked()
    await delete.click()
    await page.get_by_text("Deleted: 451.").wait_for()
    assert await site.app.folder_of(newest) == "new", "what came meanwhile was not selected"
    await page.locator("#live").evaluate("told => told.replaceChildren()")
    await page.get_by_role("button", name="Undo").click()
    await page.get_by_text("The service cannot be reached just now: try again.").wait_for()
    assert len(sent) == 7, "the first part is undone, the second one was not answered"
    await page.get_by_role("button", name="Undo").click()
    await page.get_by_text("Undone.").wait_for()
    assert len(sent) == 9, "only the rest is undone"
    await page.locator(".row").nth(49).wait_for()
    counts = await site.app.container.messages.counts(site.box.id)
    assert (counts.new, counts.deleted) == (452, 0)
    assert not await page.get_by_text("There are new messages.").is_visible(), "they have not arrived just now"


async def hold(page: Any, address: str) -> asyncio.Event:
    """Keep the requests of an address back until the event is set."""
    go_on = asyncio.Event()

    async def wait(route: Any) -> None:
        await go_on.wait()
        await route.continue_()

    await page.route(address, wait)
    return go_on


async def test_each_action_shows_that_it_waits_and_is_done_once(site: PageSite, page: Any) -> None:
    message = await site.leave_message("Maria", s=1)
    sound = {**SOUND, "buffer": site.app.container.delivery.audio_paths(message)[-1].read_bytes()}
    view, sent = f"/page/box/{site.box.id}/message/{message.id}", list[str]()
    page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)

    async def press(button: Any, address: str, outcome: str) -> None:
        go_on = await hold(page, address)
        sent.clear()
        await button.dblclick(no_wait_after=True)
        await page.get_by_text("One moment…").wait_for()
        go_on.set()
        await page.get_by_text(outcome).wait_for()
        await page.unroute(address)
        assert len(sent) == 1, sent

    await page.reload()
    await page.get_by_label(re.compile("message of Maria")).check()
    await press(page.get_by_role("button", name="Save", exact=True), "**/messages", "Saved: 1.")
    await press(page.get_by_role("button", name="Undo"), "**/messages", "Undone.")
    await page.goto(view)
    await press(page.get_by_role("button", name="Mark urgent"), "**/messages", "Marked urgent: 1.")
    await page.goto(view)
    await page.get_by_text("Forward", exact=True).click()
    await page.get_by_label("Mailbox numbers").fill("1001")
    await page.get_by_label("or a sound file").set_input_files(sound)
    await press(page.get_by_role("button", name="Send"), "**/forward*", "Forwarded to mailboxes: 1.")
    await page.get_by_role("link", name="Settings").click()
    await press(page.get_by_role("button", name="Save the settings"), "**/settings", "Nothing was different.")
    card = page.locator("#card-unavailable")
    await card.get_by_label("or choose a sound file").set_input_files(sound)
    await press(card.get_by_role("button", name="Use this recording"), "**/greeting/*", "The recording is in use.")
    assert len(await site.app.messages(site.bobs)) == 1


async def test_wrong_pin_that_is_sent_by_a_double_click_counts_once(site: PageSite, chromium: Any) -> None:
    context = await new_context(chromium, viewport=PHONE, base_url=site.url)
    page = await context.new_page()
    await page.goto("/", wait_until="networkidle")
    await page.get_by_label("Mailbox number", exact=True).fill("1000")
    await page.get_by_label("PIN", exact=True).fill("1378")
    go_on, sent = await hold(page, "**/sign-in"), list[str]()
    page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
    button = page.get_by_role("button", name="Sign in").first
    box = await button.bounding_box()
    for _ in range(2):
        await page.mouse.click(box["x"] + 5, box["y"] + 5)
        while not sent:
            await asyncio.sleep(0.01)
    go_on.set()
    await page.get_by_text("Mailbox number or PIN is wrong").wait_for()
    assert len(sent) == 1
    await context.close()


async def test_forwarding_whose_answer_is_lost_is_not_repeated_by_the_next_try(site: PageSite, page: Any) -> None:
    message = await site.leave_message("Maria", s=1)
    await page.goto(f"/page/box/{site.box.id}/message/{message.id}")
    await page.get_by_text("Forward", exact=True).click()
    send = page.get_by_role("button", name="Send")
    for copies in (1, 2):  # Who forwards it once more means it.
        await page.get_by_label("Mailbox numbers").fill("1001")
        if copies == 2:
            await page.get_by_role("button", name="Record a note").click()
            await page.get_by_role("button", name="Stop recording").wait_for()
            await page.wait_for_timeout(1200)  # The fake microphone beeps once a second.
            await page.get_by_role("button", name="Stop recording").click()
            await page.get_by_text(re.compile("^Note recorded")).wait_for()
        await lose_answer(page, "**/forward*")
        await send.click()
        await page.get_by_text("The service cannot be reached just now: try again.").wait_for()
        await send.click()
        await page.get_by_text("Forwarded to mailboxes: 1.").wait_for()
        assert len(await site.app.messages(site.bobs)) == copies
    assert sorted(bool(copy.intro_ms) for copy in await site.app.messages(site.bobs)) == [False, True]


async def test_message_is_changed_by_the_next_try_where_the_network_was_away(site: PageSite, page: Any) -> None:
    message = await site.leave_message("Maria", s=1)
    await page.goto(f"/page/box/{site.box.id}/message/{message.id}")
    await page.context.set_offline(True)
    delete = page.get_by_role("button", name="Delete")
    await delete.click()
    await page.get_by_role("alert").get_by_text("The service cannot be reached just now: try again.").wait_for()
    await page.context.set_offline(False)
    await delete.click()
    await page.get_by_text("Deleted: 1.").wait_for()
    assert await site.app.folder_of(message) == "deleted"


async def test_audio_that_is_back_is_played_by_the_next_try(site: PageSite, page: Any) -> None:
    message = await site.leave_message("Maria", s=1)
    [path] = site.app.container.delivery.audio_paths(message)
    sound = path.read_bytes()
    await page.goto(f"/page/box/{site.box.id}/message/{message.id}")
    path.unlink()
    site.app.container.api_services.audio.renditions.clear()
    play = page.get_by_role("button", name="Play")
    await play.click()
    await page.get_by_text("The audio could not be played: try again.").wait_for()
    path.write_bytes(sound)
    await play.click()
    await page.locator("#player[data-heard]").wait_for()


async def test_stream_that_says_nothing_is_opened_again(site: PageSite, page: Any) -> None:
    """As behind a router that has forgotten the connection."""
    await page.clock.install()
    opened: list[str] = []

    async def say_nothing_more(route: Any) -> None:
        opened.append(route.request.url)
        await route.continue_()

    await page.route("**/live", say_nothing_more)
    await page.reload()
    await page.locator(":root.scripted").wait_for()
    async with asyncio.timeout(60):
        while not opened:
            await asyncio.sleep(0.01)
        await page.clock.run_for(61_000)
        while len(opened) < 2:
            await asyncio.sleep(0.01)


async def test_page_of_a_message_needs_no_more_memory_after_many_changes(site: PageSite, page: Any) -> None:
    message = await site.leave_message("Maria", s=0.5)
    await page.goto(f"/page/box/{site.box.id}/message/{message.id}")
    await page.locator("#wave[data-ready]").wait_for()
    devtools = await page.context.new_cdp_session(page)
    await devtools.send("Performance.enable")
    nodes = []
    for refreshes in (5, 40):
        await page.evaluate(
            """(count) => new Promise((resolve) => {
                 let left = count;
                 document.addEventListener("page-refreshed", () => {
                   left -= 1;
                   if (left > 0) setTimeout(() => document.dispatchEvent(new Event("page-outdated"))); else resolve();
                 });
                 document.dispatchEvent(new Event("page-outdated"));
               })""",
            refreshes,
        )
        await devtools.send("HeapProfiler.collectGarbage")
        metrics = (await devtools.send("Performance.getMetrics"))["metrics"]
        nodes.append(next(metric["value"] for metric in metrics if metric["name"] == "Nodes"))
    assert nodes[1] < nodes[0] + 1000, nodes
