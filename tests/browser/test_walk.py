"""The page as one owner walks it with name and password, at a desk; and what hostile texts do in a browser."""

from __future__ import annotations

import asyncio
from typing import Any

from ivr.directory.models import Endpoint
from ivr.directory.pin_lockout import PinAttempt
from tests.browser.conftest import DESK, PASSWORD, PHONE, TRANSCRIPT, PageSite
from tests.support.app_fixture import AppFixture
from tests.support.chromium import expect, new_context
from tests.web.conftest import Browser
from tests.web.hostile_texts import EVIL, store_hostile_texts
from tests.web.test_call_back_page import FakePhoneSystem, call_app, phone_browser

assert call_app
assert phone_browser  # Fixtures.


async def sign_in(page: Any) -> None:
    await page.goto("/")
    await page.get_by_label("User name", exact=True).fill("alice")
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.keyboard.press("Enter")
    await page.get_by_role("button", name="Sign out", exact=True).wait_for()


async def test_owner_walks_from_the_sign_in_to_the_sign_out(site: PageSite, chromium: Any) -> None:
    message = await site.leave_usual_messages()
    shared = await site.app.create_box("1002", site.app.bob, shared_vmbox=True, members=[site.app.alice.id])
    context, elsewhere = [await new_context(chromium, viewport=DESK, base_url=site.url) for _ in range(2)]
    page, other_page = await context.new_page(), await elsewhere.new_page()
    await sign_in(page)
    await sign_in(other_page)
    # Own and shared mailboxes, with counts.
    boxes = [" ".join(text.split()) for text in await page.locator(".boxes li").all_inner_texts()]
    assert boxes == ["Alice 1000 New: 3, Saved: 1", f"{shared.settings.name} 1002 New: 0, Saved: 0"]
    await page.get_by_role("link", name="Alice").click()
    # Newest first: who, when, length, urgent, the first line of the transcript.
    rows = [" ".join(text.split()) for text in await page.locator(".row").all_inner_texts()]
    assert rows[0].startswith(f"Maria's bicycles 5550100 11:50 AM 0:09 {TRANSCRIPT[:100]}")
    assert rows[1:] == ["Urgent 2002 10:00 AM 0:02", "Peter Green +441632960001 May 9, 2016 0:07"]
    # Select many, mark, delete, restore from the folder.
    for row in (0, 2):
        await page.locator(".row input").nth(row).check()
    await page.get_by_role("button", name="Mark urgent").click()
    await page.get_by_text("Marked urgent: 2.").wait_for()
    await expect(page.locator(".row .urgent")).to_have_count(3)
    await page.get_by_role("button", name="Undo").click()
    await page.get_by_text("Undone.").wait_for()
    await expect(page.locator(".row .urgent")).to_have_count(1)
    await page.locator(".row input").nth(2).check()
    await page.get_by_role("button", name="Delete").click()
    await page.get_by_role("link", name="Deleted 1").click()
    await page.get_by_label("Select all on this page").check()
    await page.get_by_role("button", name="Restore").click()
    await page.get_by_role("link", name="New 3").wait_for()
    # Search by number and by word.
    for words in ("1632960", "saturday bicy"):
        await page.get_by_role("searchbox").fill(words)
        await page.keyboard.press("Enter")
        await page.wait_for_url(f"**/search?q={words.replace(' ', '+')}")
        await expect(page.locator(".row")).to_have_count(1)
    # Download, then forward to several with a note; the copy shows where its note ends.
    await page.get_by_role("link", name="Maria").click()
    async with page.expect_download() as download:
        await page.get_by_role("link", name="Download").click()
    assert (await download.value).suggested_filename.endswith(".mp3")
    await page.get_by_text("Forward", exact=True).click()
    await page.get_by_label("Mailbox numbers").fill("1001 1002")
    await page.get_by_role("button", name="Record a note").click()
    await page.get_by_role("button", name="Stop recording").wait_for()
    await page.wait_for_timeout(1000)
    await page.get_by_role("button", name="Stop recording").click()
    await page.get_by_text("Note recorded").wait_for()
    await page.get_by_role("button", name="Send").click()
    await page.get_by_text("Forwarded to mailboxes: 2.").wait_for()
    await page.goto(f"/page/box/{shared.id}")
    await page.get_by_role("link", name="Maria").click()
    await page.locator("#wave[data-ready]").wait_for()
    assert (
        await page.get_by_text("The note of the sender").is_visible() or await page.locator("#intro-label").is_visible()
    )
    marked, whole = [(await page.locator(part).bounding_box())["width"] for part in ("#intro", "#wave")]
    [copy] = await site.app.messages(shared)
    assert abs(marked / whole - copy.intro_ms / copy.length_ms) < 0.02
    await expect(page.get_by_text("Alice 1000"), "who forwarded it").to_be_visible()
    # No Call back without a phone of the lab; sign out everywhere ends the other browser, too.
    assert await site.app.folder_of(message) == "new"
    await page.get_by_role("button", name="Sign out everywhere").click()
    await page.get_by_text("You are signed out in all browsers.").wait_for()
    await other_page.get_by_role("link", name="Alice").click()
    await other_page.get_by_text("Your session has ended").wait_for()
    for used in (context, elsewhere):
        await used.close()


async def test_owner_sets_what_is_left_to_owners_and_the_new_pin_ends_other_sessions(
    site: PageSite, chromium: Any
) -> None:
    context, elsewhere = [await new_context(chromium, viewport=DESK, base_url=site.url) for _ in range(2)]
    page, other_page = await context.new_page(), await elsewhere.new_page()
    for one in (page, other_page):
        await one.goto("/")
        await one.get_by_label("Mailbox number", exact=True).fill("1000")
        await one.get_by_label("PIN", exact=True).fill("1379")
        await one.keyboard.press("Enter")
        await one.get_by_role("link", name="Settings").click()
    # The rules of PINs are said before; a weak one is refused with its reason.
    await expect(page.get_by_text("A PIN has 4 to 6 digits.")).to_be_visible()
    for pin, shown in (("1111", ".problem"), ("8341", ".notice")):
        await page.get_by_label("New PIN", exact=True).fill(pin)
        await page.get_by_label("New PIN again").fill(pin)
        await page.get_by_role("button", name="Set the PIN").click()
        await page.locator(f"#set-pin {shown}").wait_for()
    await other_page.reload()
    await other_page.get_by_text("Your session has ended").wait_for()
    # Order, clock, time zone, mails; then the language, in which the page goes on.
    await page.get_by_label("Time zone (empty").fill("Asia/Tokyo")
    await page.get_by_label("Send a mail about new messages to").fill("alice@example.com")
    await page.get_by_label("Times are said").select_option("24h")
    await page.get_by_role("button", name="Save the settings").click()
    await page.locator("#settings .outcome.notice").wait_for()
    await page.get_by_label("Language of prompts").select_option("de")
    await page.get_by_role("button", name="Save the settings").click()
    await page.get_by_role("heading", name="Einstellungen").wait_for()
    settings = (await site.app.container.boxes.get(site.box.id)).settings
    assert (settings.timezone, settings.notify_email_addresses) == ("Asia/Tokyo", ["alice@example.com"])
    for used in (context, elsewhere):
        await used.close()


async def test_administrator_creates_a_user_and_a_mailbox_and_unlocks_it(site: PageSite, chromium: Any) -> None:
    await site.add_administrator()
    context = await new_context(chromium, viewport=DESK, base_url=site.url)
    page = await context.new_page()
    await sign_in(page)
    await page.get_by_role("link", name="Administration").click()
    await page.get_by_role("link", name="Users").click()
    await page.get_by_text("Create a user", exact=True).click()
    await page.get_by_label("Name", exact=True).fill("carol")
    await page.get_by_role("button", name="Create", exact=True).click()
    await page.get_by_text("User carol is created.").wait_for()
    await page.get_by_role("navigation").get_by_role("link", name="Mailboxes", exact=True).click()
    await page.get_by_text("Create a mailbox", exact=True).click()
    await page.get_by_label("Number", exact=True).fill("1009")
    await page.get_by_label("Owner", exact=False).fill("carol")
    await page.get_by_role("button", name="Create", exact=True).click()
    await page.get_by_text("first PIN is").wait_for()
    carols = await site.app.container.boxes.find_by_number(site.app.account.id, "1009")
    assert carols
    for _ in range(5):
        attempt = PinAttempt(account_id=carols.account_id, box_id=carols.id, source="x")
        await site.app.container.pins.verify(carols, "0000", attempt)
    await page.get_by_role("link", name="1009").click()
    await page.get_by_role("button", name="Unlock").click()
    await page.get_by_text("Mailbox 1009 is unlocked").wait_for()
    assert not await site.app.container.pin_lockout.locked_until(carols.account_id, carols.id)
    await page.get_by_role("button", name="Set a new PIN").click()
    await page.get_by_text("PIN of mailbox 1009 is").wait_for()
    await page.get_by_role("link", name="Calls", exact=True).click()
    await page.get_by_role("table").get_by_role("link").first.click()
    await page.get_by_role("heading", name="Steps of the call").wait_for()
    await page.get_by_role("link", name="Findings").click()
    await page.get_by_text("enough space").wait_for()
    await context.close()


async def test_hostile_texts_are_shown_and_run_nothing(site: PageSite, chromium: Any) -> None:
    """In each view, and where scripts put rows and words into a page."""
    message = await site.leave_message("Maria", s=1)
    for n in range(60):
        await site.app.create_message(site.box, s=0.2, age_s=60 * n + 90)
    context = await new_context(chromium, viewport=DESK, base_url=site.url)
    page = await context.new_page()
    await page.add_init_script("window.ran = 0; window.evil = () => { window.ran += 1; };")
    await sign_in(page)
    await site.add_administrator()
    await page.goto(f"/page/box/{site.box.id}")
    await store_hostile_texts(site.app, message)
    sql = "UPDATE messages SET caller_name = ?"
    await site.app.container.database.write(lambda c: c.execute(sql, (EVIL,)).rowcount)
    box, admin = f"/page/box/{site.box.id}", f"/page/admin/{site.app.account.id}"
    injected = "document.querySelectorAll('svg, img, script:not([src]), [onerror], [onload]').length"
    await page.get_by_text("<svg onload=evil()>").first.wait_for()  # The page has fetched it by itself.
    await page.locator(".row").nth(49).scroll_into_view_if_needed()
    await page.locator(".row").nth(59).wait_for()
    assert await page.evaluate(f"[window.ran, {injected}]") == [0, 0]
    for path in ("/", box, f"{box}/message/{message.id}", f"{box}/search?q=evil", site.link_to(message), admin,
                 f"{admin}/box/{site.box.id}", f"{admin}/users", f"{admin}/calls", f"{admin}/call/evil",
                 f"{admin}/outbox"):  # fmt: skip
        await page.goto(path)
        assert await page.get_by_text("evil()").count() > 0, path
        if "/message/" in path:
            await page.locator("#wave[data-ready] canvas, #wave[data-ready]").first.wait_for()
        assert await page.evaluate(f"[window.ran, {injected}]") == [0, 0], path
        assert await page.title() == "Voicemail"
    await context.close()


async def test_owner_calls_back_by_each_of_two_phones(
    call_app: tuple[AppFixture, FakePhoneSystem], phone_browser: Browser, chromium: Any
) -> None:
    app, phones = call_app
    box = await app.create_box("1000", app.alice)
    alices = {"system": app.settings.asterisk.system_name, "account_id": app.account.id, "user_id": app.alice.id}
    await app.container.directory.add_endpoint(Endpoint(name="desk", **alices))
    phones.registered.add("desk")
    message = await app.create_message(box, caller="2001")
    contexts = [await new_context(chromium, viewport=PHONE, base_url=phone_browser.url) for _ in range(2)]
    pages = [await context.new_page() for context in contexts]
    await app.container.credentials.set(app.alice, "alice", PASSWORD)
    for page in pages:
        await sign_in(page)
        await page.goto(f"/page/box/{box.id}/message/{message.id}")
    page, other_page = pages

    async def call_back(page: Any, phone: str, notice: str) -> None:
        await page.get_by_label("Phone that rings first").select_option(phone)
        await page.get_by_role("button", name="Call back").click()
        await page.get_by_text(notice).wait_for()

    await asyncio.gather(
        call_back(page, "desk", "Your phone rings: pick it up, and it calls 2001."),
        call_back(other_page, "alice", "Your phone rings: pick it up, and it calls 2001."),
    )
    assert sorted(call["Channel"] for call in phones.calls) == ["PJSIP/alice", "PJSIP/desk"]
    assert await page.evaluate("document.activeElement !== document.body"), "the keyboard goes on from here"
    await call_back(other_page, "desk", "Your phone is ringing already.")
    phones.extensions.discard(("ivr-callback", "2001"))
    await call_back(page, "desk", "The number 2001 cannot be called from your phone.")
    assert len(phones.calls) == 2
    for context in contexts:
        await context.close()
