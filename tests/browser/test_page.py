"""The page as owners use it: in Chromium, by mouse and keyboard, with a real player and a fake microphone."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.browser.conftest import DESK, LOOKS, PHONE, TRANSCRIPT, PageSite, require_no_barriers
from tests.support.chromium import expect, new_context


@pytest.fixture
async def page(chromium: Any, site: PageSite) -> AsyncIterator[Any]:
    """A browser window of a phone, with alice signed in by her PIN. Errors of scripts and policies fail the test."""
    context = await new_context(chromium, viewport=PHONE, base_url=site.url)
    page = await context.new_page()
    problems: list[str] = []
    requested: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.on("request", lambda request: requested.append(request.url))
    await page.goto("/")
    await page.get_by_label("Mailbox number", exact=True).fill("1000")
    await page.get_by_label("PIN", exact=True).fill("1379")
    await page.keyboard.press("Enter")
    await page.get_by_role("heading", name="Mailbox 1000").wait_for()
    yield page
    assert problems == []
    assert {re.sub(r"^(blob:)?(\w+://[^/]+).*", r"\2", url) for url in requested} == {site.url}, "no other host"
    await context.close()


async def test_message_is_played_to_its_end_and_then_saved(site: PageSite, page: Any) -> None:
    message = await site.leave_message("Maria", s=9, transcript=TRANSCRIPT)
    await page.reload()
    await page.get_by_role("link", name="Maria").click()
    await page.locator("#wave[data-ready]").wait_for()
    assert await page.title() == "Voicemail"
    await expect(page.get_by_text("bicycle shop")).to_be_visible()
    position = "document.getElementById('audio').currentTime"
    await page.get_by_role("button", name="Forward 5 seconds").click()
    await page.wait_for_function(f"() => {position} >= 5")
    await page.get_by_role("button", name="Back 5 seconds").click()
    await page.wait_for_function(f"() => {position} < 1")
    # Seek by click before the middle of the waveform, and by keys on the slider.
    area = await page.locator(".wave").bounding_box()
    await page.mouse.click(area["x"] + area["width"] * 0.4, area["y"] + 10)
    await page.wait_for_function(f"() => {position} > 3.4 && {position} < 4")
    await page.get_by_label("Position").press("ArrowRight")
    await page.wait_for_function(f"() => {position} >= 5 && {position} < 6")
    await page.get_by_label("Position").press("End")
    await page.wait_for_function(f"() => {position} >= 8.9")
    await page.get_by_label("Position").press("Home")
    await page.wait_for_function(f"() => {position} < 1")
    assert await site.app.folder_of(message) == "new", "looking and seeking is not hearing"
    await page.get_by_label("Speed").select_option("2")
    await page.get_by_role("button", name="Play").press("Enter")
    await page.get_by_role("button", name="Pause").wait_for()
    rate = "document.getElementById('audio')"
    assert await page.evaluate(f"[{rate}.playbackRate, {rate}.preservesPitch]") == [2, True]
    heard: list[str] = []
    page.on("request", lambda request: heard.append(request.url) if request.url.endswith("/heard") else None)
    await page.get_by_label("Position").press("End")
    await page.wait_for_function("() => document.getElementById('audio').ended")
    await page.get_by_role("button", name="Play").wait_for()
    assert heard == [], "moving to the end is not hearing"
    await page.get_by_label("Position").press("Home")
    await page.get_by_role("button", name="Play").press("Enter")
    await page.locator("#player[data-heard]").wait_for()
    assert len(heard) == 1
    assert await site.app.folder_of(message) == "saved"


async def test_owner_deletes_undoes_and_restores_by_keyboard_alone(site: PageSite, page: Any) -> None:
    messages = [await site.leave_message(number=f"200{n}") for n in range(3)]
    await page.reload()
    await page.get_by_label("Select all on this page").press("Space")
    await page.get_by_role("button", name="Delete").press("Enter")
    await page.get_by_text("Deleted: 3.").wait_for()
    assert {await site.app.folder_of(message) for message in messages} == {"deleted"}
    undo = page.get_by_role("button", name="Undo")
    await expect(undo, "the list is empty, and its buttons are gone").to_be_focused()
    await page.keyboard.press("Enter")
    notice = page.locator("#status .notice")
    await expect(notice).to_have_text("Undone.")
    await expect(notice, "the keyboard stays, and screen readers read it").to_be_focused()
    assert {await site.app.folder_of(message) for message in messages} == {"new"}
    # On the page of a message another page follows, which begins where it tells what was done.
    await page.get_by_role("link", name="2002").press("Enter")
    await page.get_by_role("button", name="Delete").press("Enter")
    await page.get_by_text("Deleted: 1.").wait_for()
    await expect(undo).to_be_focused()
    await page.get_by_role("button", name="Sign out", exact=True).press("Enter")
    await expect(page.get_by_text("You are signed out.")).to_be_focused()


async def test_note_recorded_in_the_browser_is_heard_before_the_forwarded_message(site: PageSite, page: Any) -> None:
    message = await site.leave_message("Maria")
    await page.goto(f"/page/box/{site.box.id}/message/{message.id}")
    await page.get_by_text("Forward", exact=True).click()
    await page.get_by_label("Mailbox numbers").fill("1001")
    await page.get_by_role("button", name="Record a note").click()
    await page.get_by_role("button", name="Stop recording").wait_for()
    await page.wait_for_timeout(1200)  # The fake microphone beeps once a second.
    await page.get_by_role("button", name="Stop recording").click()
    await page.get_by_text("Note recorded").wait_for()
    await page.get_by_role("button", name="Send").click()
    await page.get_by_text("Forwarded to mailboxes: 1.").wait_for()
    [copy] = await site.app.messages(site.bobs)
    assert copy.intro_ms > 800
    assert copy.length_ms == 2000 + copy.intro_ms


async def test_note_that_is_still_recorded_is_sent_and_a_file_chosen_later_takes_its_place(
    site: PageSite, page: Any
) -> None:
    message = await site.leave_message("Maria", s=3)
    sound = site.app.container.delivery.audio_paths(message)[-1].read_bytes()
    await page.goto(f"/page/box/{site.box.id}/message/{message.id}")
    await page.get_by_text("Forward", exact=True).click()
    for is_replaced in (False, True):
        await page.get_by_label("Mailbox numbers").fill("1001")
        await page.get_by_role("button", name="Record a note").click()
        await page.get_by_role("button", name="Stop recording").wait_for()
        await page.wait_for_timeout(1200)  # The fake microphone beeps once a second.
        if is_replaced:
            file = {"name": "note.wav", "mimeType": "audio/wav", "buffer": sound}
            await page.get_by_label("or a sound file").set_input_files(file)
            await page.get_by_role("button", name="Record a note").wait_for()
        async with page.expect_response("**/forward*") as forwarded:
            await page.get_by_role("button", name="Send").click()
        assert (await forwarded.value).ok
        await page.get_by_role("button", name="Record a note").wait_for()
    intros = sorted(copy.intro_ms for copy in await site.app.messages(site.bobs))
    assert len(intros) == 2
    assert 800 < intros[0] < intros[1] == 3000


async def test_phone_and_page_see_the_same_mailbox(site: PageSite, page: Any) -> None:
    """A message that was deleted on the page is not played at the phone."""
    first = await site.leave_message(number="2001", age_s=120)
    await site.leave_message(number="2002", age_s=60)
    await page.reload()
    await expect(page.locator(".row")).to_have_count(2)
    await page.get_by_label(re.compile("message of 2001")).check()
    await page.get_by_role("button", name="Delete").click()
    await page.get_by_text("Deleted: 1.").wait_for()
    phone = await site.app.run_call(endpoint="alice", number="1000")
    assert "you have one new message" in " ".join(phone.texts).lower()
    assert await site.app.folder_of(first) == "deleted"


async def test_list_follows_callers_and_phone_without_reloading(site: PageSite, page: Any) -> None:
    await site.leave_message(number="2001", age_s=90)
    await page.get_by_label(re.compile("message of 2001")).check()
    await expect(page.get_by_text("There are new messages.")).to_be_visible()
    await site.leave_message(number="2002", age_s=60)
    await page.get_by_role("link", name="2002").wait_for()
    await expect(page.locator(".row b")).to_have_text(["2002", "2001"])
    chosen = page.get_by_label(re.compile("message of 2001"))
    await expect(chosen).to_be_checked()
    assert await chosen.evaluate("box => box === document.activeElement"), "the keyboard stays where it was"
    await site.app.run_call(endpoint="alice", number="1000")  # Hears the newest message to its end.
    await page.get_by_role("link", name="2002").wait_for(state="detached")
    await expect(page.get_by_role("link", name="Saved 1")).to_be_visible()
    await expect(chosen).to_be_checked()
    await page.get_by_role("link", name="2001").click()
    await page.get_by_role("button", name="Save", exact=True).wait_for()
    await site.app.run_call(endpoint="alice", number="1000")
    await page.get_by_role("button", name="Mark as new").wait_for()


RECORD_NOTICES = """
window.notices = [];
window.Notification = class extends EventTarget {
  static permission = "default";
  static async requestPermission() { return (Notification.permission = window.answer); }
  constructor(title, options) {
    super();
    if (Notification.permission === "granted") window.notices.push(`${title}: ${options.body}`);
  }
};
window.isSeen = true;
Object.defineProperty(document, "hidden", { get: () => !window.isSeen });
document.hasFocus = () => window.isSeen;
"""


async def test_browser_tells_of_new_messages_once_it_is_asked_to(site: PageSite, page: Any) -> None:
    """The browser's notices are recorded, since a headless one shows none."""
    await page.add_init_script(RECORD_NOTICES)
    await page.reload()
    button = page.locator("#notices")
    await page.evaluate("window.answer = 'denied'")
    await button.click()
    await page.get_by_text("This browser does not allow it").wait_for()
    await page.evaluate("window.answer = 'granted'")
    await button.click()
    await page.get_by_role("button", name="Do not notify me in this browser any more").wait_for()
    await site.leave_message("Maria")
    await page.get_by_role("link", name="Maria").wait_for()
    assert await page.evaluate("window.notices") == [], "who looks at the page needs none"
    await page.evaluate("window.isSeen = false; document.dispatchEvent(new Event('visibilitychange'))")
    await site.leave_message("Peter")
    await page.wait_for_function("() => window.notices.length > 0")
    assert await page.evaluate("window.notices") == ["Voicemail: There are new messages."], "nothing private"
    await page.evaluate("window.isSeen = true; document.dispatchEvent(new Event('visibilitychange'))")
    await button.click()
    await page.evaluate("document.hasFocus = () => false")
    await site.leave_message("Frank")
    await page.get_by_role("link", name="Frank").wait_for()
    assert len(await page.evaluate("window.notices")) == 1


async def test_link_from_a_mail_is_played_to_its_end_without_a_sign_in(site: PageSite, chromium: Any) -> None:
    message = await site.leave_message("Maria", s=1, transcript=TRANSCRIPT)
    context = await new_context(chromium, viewport=PHONE, base_url=site.url)
    page = await context.new_page()
    await page.goto(site.link_to(message))
    await expect(page.get_by_text("bicycle shop")).to_be_visible()
    await page.locator("#wave[data-ready]").wait_for()
    await page.get_by_role("button", name="Play").click()
    await page.locator("#player[data-heard]").wait_for()
    assert await site.app.folder_of(message) == "saved"
    await context.close()


async def test_word_that_is_clicked_plays_from_there_and_words_light_up(site: PageSite, page: Any) -> None:
    words = [
        {"word": word, "start_ms": 1000 * n, "end_ms": 1000 * n + 900} for n, word in enumerate(TRANSCRIPT.split())
    ]
    message = await site.leave_message("Maria", s=len(words))
    await site.transcribe(message, TRANSCRIPT, words=words)
    await page.goto(f"/page/box/{site.box.id}/message/{message.id}")
    await page.locator("#wave[data-ready]").wait_for()
    await page.get_by_text("wheel", exact=True).click()
    place = TRANSCRIPT.split().index("wheel")
    await page.locator(".said", has_text="wheel").wait_for()
    position = "document.getElementById('audio').currentTime"
    assert place <= await page.evaluate(position) < place + 1
    await page.locator(".said", has_text="ready").wait_for()
    await expect(page.locator(".said")).to_have_count(1)
    await page.get_by_role("button", name="Pause").click()
    await page.emulate_media(forced_colors="active")
    word = page.locator(".transcript span:nth-child(3)")
    plain = await word.screenshot()
    await word.evaluate("word => word.classList.add('said')")
    assert await word.screenshot() != plain, "also where the system chooses the colors"
    assert await site.app.folder_of(message) == "new"


async def test_playing_goes_on_at_its_place_after_the_service_was_away(site: PageSite, chromium: Any) -> None:
    """In a window of its own: browsers log that they cannot connect."""
    message = await site.leave_message("Maria", s=6)
    context = await new_context(chromium, viewport=PHONE, base_url=site.url)
    page = await context.new_page()
    await page.goto(site.link_to(message))
    await page.locator("#wave[data-ready]").wait_for()

    async def play_from_fourth_second() -> None:
        await page.get_by_label("Position").fill("4")
        await page.get_by_role("button", name="Play").click()
        await page.wait_for_function("() => document.getElementById('audio').error")

    await site.restart(meanwhile=play_from_fourth_second())
    await page.wait_for_function("() => document.getElementById('audio').currentTime > 4")
    assert not await page.get_by_role("alert").is_visible()
    await page.locator("#player[data-heard]").wait_for()
    assert await site.app.folder_of(message) == "saved"
    await context.close()


async def test_search_follows_new_messages_and_the_message_leads_back_to_it(site: PageSite, page: Any) -> None:
    await site.leave_message("Maria", transcript=TRANSCRIPT, age_s=90)
    await site.leave_message("Peter", age_s=60)
    await page.get_by_role("searchbox").fill("bicycl")
    await page.keyboard.press("Enter")
    await page.get_by_role("link", name="Maria").wait_for()
    await expect(page.locator(".row b")).to_have_text(["Maria"])
    await site.leave_message("Bicycle shop")
    await page.get_by_role("link", name="Bicycle shop").wait_for()
    await page.get_by_role("link", name="Maria").click()
    await page.get_by_role("link", name="Back to what was found").click()
    await expect(page.locator(".row b")).to_have_text(["Bicycle shop", "Maria"])
    assert await page.title() == "Voicemail"


async def test_long_list_grows_at_its_end(site: PageSite, page: Any) -> None:
    for n in range(60):
        await site.app.create_message(site.box, s=0.6, age_s=60 * n, caller=f"{3000 + n}")
    await page.reload()
    await page.locator(".row").nth(49).scroll_into_view_if_needed()
    await page.locator(".row").nth(59).wait_for()
    await expect(page.locator(".row b")).to_have_text([str(3000 + n) for n in range(60)])


async def test_axe_finds_nothing_and_a_small_phone_needs_no_sideways_scrolling(site: PageSite, chromium: Any) -> None:
    """In all looks; 320 pixels are a desk at 400 %, too. Callers choose how long their names are."""
    message = await site.leave_usual_messages()
    long = await site.leave_message("W" * 100, "+" + "9" * 40, transcript="x" * 300)
    await site.app.container.messages.set_marks(site.box.id, long.id, labels=["L" * 60])
    context = await new_context(chromium, viewport=DESK, base_url=site.url)
    page = await context.new_page()
    await site.app.create_box("1005", site.app.alice, name="S" * 100)

    async def check(path: str) -> None:
        await page.goto(path)
        for size, looks in ((DESK, LOOKS[:1]), ({"width": 320, "height": 720}, LOOKS)):
            await page.set_viewport_size(size)
            await require_no_barriers(page, looks)
            assert await page.evaluate("document.documentElement.scrollWidth") <= size["width"], path

    await check("/")
    await page.get_by_label("User name", exact=True).fill("alice")
    await page.get_by_label("Password", exact=True).fill("correct horse")
    await page.keyboard.press("Enter")
    await page.get_by_role("heading", name="Mailboxes").wait_for()
    for path in ("/", f"/page/box/{site.box.id}", f"/page/box/{site.box.id}?folder=deleted",
                 f"/page/box/{site.box.id}/search?q=bicycle", f"/page/box/{site.box.id}/search?q=nothing",
                 f"/page/box/{site.box.id}/message/{message.id}", f"/page/box/{site.box.id}/message/{long.id}",
                 site.link_to(message), "/page/none"):  # fmt: skip
        await check(path)
    await page.goto(f"/page/box/{site.box.id}")
    await page.locator("#select-whole").evaluate("box => { box.parentElement.hidden = false; }")
    await page.locator("#waiting").evaluate("waiting => { waiting.textContent = 'One moment…'; }")
    await require_no_barriers(page)
    await site.add_administrator()
    admin = f"/page/admin/{site.app.account.id}"
    for path in (admin, f"{admin}/box/{site.box.id}", f"{admin}/users", f"{admin}/calls", f"{admin}/outbox",
                 "/page/admin/findings", "/page/admin/findings?run=1"):  # fmt: skip
        await check(path)
    await page.goto("/page/admin/findings")
    await page.get_by_role("cell", name="enough space").wait_for()  # The checks follow by themselves.
    await page.goto(f"{admin}/calls")
    await page.get_by_role("table").get_by_role("link").first.click()
    await check(page.url)
    await context.close()
