"""What is typed or recorded and not sent yet: nothing else that is done on the page loses it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.browser.conftest import PASSWORD, PHONE, PageSite
from tests.browser.test_hiccups import lose_answer
from tests.support.chromium import expect, new_context

SOUND = {"name": "note.wav", "mimeType": "audio/wav"}
ENDED = "Your session has ended: sign in again."


async def sign_in(page: Any) -> None:
    await page.goto("/")
    await page.get_by_label("Mailbox number", exact=True).fill("1000")
    await page.get_by_label("PIN", exact=True).fill("1379")
    await page.keyboard.press("Enter")
    await page.get_by_role("heading", name="Mailbox 1000").wait_for()


@pytest.fixture
async def page(chromium: Any, site: PageSite) -> AsyncIterator[Any]:
    """A window of alice, signed in by her PIN."""
    context = await new_context(chromium, viewport=PHONE, base_url=site.url)
    page = await context.new_page()
    await sign_in(page)
    yield page
    await context.close()


async def end_session(site: PageSite) -> None:
    await site.app.container.api_services.auth.tokens.revoke_pin_sessions(site.app.account.id, [site.box.id])


def card_of(page: Any, kind: str) -> Any:
    return page.locator(f"#card-{kind}")


async def test_settings_that_are_typed_stay_while_greetings_and_pin_are_sent(site: PageSite, page: Any) -> None:
    sound = {**SOUND, "buffer": site.app.container.delivery.audio_paths(await site.leave_message(s=1))[-1].read_bytes()}
    await page.get_by_role("link", name="Settings").click()
    mails = page.get_by_label("Send a mail about new messages to")
    await mails.fill("alice@example.com")
    await card_of(page, "name").get_by_label("or choose a sound file").set_input_files(sound)
    for _ in range(2):  # The second makes the first an earlier one.
        greeting = card_of(page, "unavailable")
        await greeting.get_by_label("or choose a sound file").set_input_files(sound)
        await greeting.get_by_role("button", name="Use this recording").click()
        await greeting.get_by_text("The recording is in use.").wait_for()
        assert await greeting.locator(".outcome").evaluate("text => text === document.activeElement")
        await greeting.locator(".outcome").evaluate("text => text.replaceChildren()")
    await greeting.get_by_text("Earlier recordings").click()
    await greeting.get_by_role("button", name="Use again").first.click()
    await greeting.get_by_text("The recording is in use.").wait_for()
    await greeting.get_by_role("button", name="Remove").click()
    await greeting.get_by_text("The recording is removed.").wait_for()
    for pin, kind in (("1111", "problem"), ("8341", "notice")):  # The new one makes a session of its own.
        await page.get_by_label("New PIN", exact=True).fill(pin)
        await page.get_by_label("New PIN again").fill(pin)
        await page.get_by_role("button", name="Set the PIN").click()
        await page.locator(f"#set-pin .outcome.{kind}").wait_for()
    await expect(mails).to_have_value("alice@example.com")
    await page.get_by_label("Time zone (empty").fill("Nowhere/Land")
    await page.get_by_role("button", name="Save the settings").click()
    await page.locator("#settings .outcome.problem").wait_for()
    await expect(mails).to_have_value("alice@example.com")
    await page.get_by_label("Time zone (empty").fill("")
    await page.get_by_role("button", name="Save the settings").click()
    await page.locator("#settings .outcome.notice").wait_for()
    assert (await site.app.container.boxes.get(site.box.id)).settings.notify_email_addresses == ["alice@example.com"]
    await card_of(page, "name").get_by_role("button", name="Use this recording").click()
    await card_of(page, "name").get_by_text("The recording is in use.").wait_for()


async def test_settings_of_an_ended_session_are_sent_after_a_new_sign_in(site: PageSite, page: Any) -> None:
    await page.get_by_role("link", name="Settings").click()
    mails, boxes = page.get_by_label("Send a mail about new messages to"), site.app.container.boxes
    await mails.fill("alice@example.com")
    await end_session(site)
    await page.get_by_role("button", name="Save the settings").click()
    link = page.get_by_role("link", name=ENDED)
    assert await link.get_attribute("target") == "_blank"
    elsewhere = await page.context.new_page()
    await sign_in(elsewhere)
    await page.get_by_role("button", name="Save the settings").click()
    await page.locator("#settings .outcome.notice").wait_for()
    assert (await boxes.get(site.box.id)).settings.notify_email_addresses == ["alice@example.com"]
    elsewhere_set = {"notify_email_addresses": ["bob@example.com"], "clock": "24h"}
    await boxes.patch(await boxes.get(site.box.id), elsewhere_set)
    await mails.fill("carol@example.com")
    await page.get_by_role("button", name="Save the settings").click()
    await page.locator("#settings .outcome").get_by_text("changed elsewhere: Send a mail about").wait_for()
    await expect(mails).to_have_value("carol@example.com")
    await expect(page.get_by_label("Times are said")).to_have_value("24h")
    await page.keyboard.press("Enter")  # The button still has the keyboard: who was told goes on.
    await page.locator("#settings .outcome.notice").wait_for()
    settings = (await boxes.get(site.box.id)).settings
    assert (settings.notify_email_addresses, settings.clock) == (["carol@example.com"], "24h")


async def test_note_stays_while_a_message_is_marked_and_its_session_ends(site: PageSite, page: Any) -> None:
    message = await site.leave_message("Maria", s=1)
    sound = {**SOUND, "buffer": site.app.container.delivery.audio_paths(message)[-1].read_bytes()}
    await page.goto(f"/page/box/{site.box.id}/message/{message.id}")
    await page.get_by_text("Forward", exact=True).click()
    await page.get_by_label("Mailbox numbers").fill("1001")
    await page.get_by_label("or a sound file").set_input_files(sound)
    await page.get_by_role("button", name="Mark urgent").click()
    await page.get_by_text("Marked urgent: 1.").wait_for()
    await page.get_by_role("button", name="Not urgent").wait_for()
    await end_session(site)
    await site.leave_message("Peter")  # The page wants to show it, and learns of the end.
    await page.locator("#live").get_by_role("link", name=ENDED).wait_for()
    await page.get_by_role("button", name="Send").click()
    await page.locator("#forward").get_by_role("alert").get_by_role("link", name=ENDED).wait_for()
    await sign_in(await page.context.new_page())
    await page.get_by_role("button", name="Send").click()
    await page.get_by_text("Forwarded to mailboxes: 1.").wait_for()
    [copy] = await site.app.messages(site.bobs)
    assert copy.intro_ms == 1000


async def test_who_leaves_with_typed_settings_is_asked_and_a_new_language_waits_for_them(
    site: PageSite, page: Any
) -> None:
    dialogs: list[str] = []

    async def stay(dialog: Any) -> None:
        dialogs.append(dialog.type)
        await dialog.dismiss()

    page.on("dialog", stay)
    await page.get_by_role("link", name="Settings").click()
    await page.get_by_label("New PIN", exact=True).fill("8341")
    await page.get_by_label("Language of prompts").select_option("de")
    await page.get_by_role("button", name="Save the settings").click()
    outcome = page.locator("#settings .outcome.notice")
    await outcome.get_by_text("Der Rest der Seite wechselt die Sprache").wait_for()
    assert await page.locator("#settings").get_attribute("lang") == "de"
    await page.get_by_role("link", name="Back to the messages").click(no_wait_after=True)
    await page.get_by_label("New PIN again").fill("8341")
    assert (dialogs, await page.get_by_label("New PIN", exact=True).input_value()) == (["beforeunload"], "8341")
    await page.get_by_role("button", name="Set the PIN").click()
    await page.get_by_role("heading", name="Einstellungen").wait_for()
    await page.goto(f"/page/box/{site.box.id}")
    assert dialogs == ["beforeunload"]


async def test_selected_messages_stay_so_after_undo_and_search(site: PageSite, page: Any) -> None:
    for name in ("Maria", "Peter", "Paula"):
        await site.leave_message(name)
    await page.reload()
    await page.get_by_label("Maria").check()
    await page.get_by_role("button", name="Delete").click()
    await page.get_by_label("Peter").check()
    await page.get_by_role("button", name="Undo").click()
    await page.get_by_text("Maria").wait_for()
    await expect(page.locator(".row :checked")).to_have_count(1)
    await page.get_by_label("Search").fill("Paula")
    await page.get_by_role("button", name="Search").click()
    await page.get_by_label("Paula").check()
    await page.locator("#folders").get_by_role("link", name="New").click()
    await page.get_by_text("Maria").wait_for()
    await expect(page.get_by_label("Peter")).to_be_checked()
    await expect(page.locator(".row :checked"), "what is selected in a search is selected only there").to_have_count(1)


async def test_administrators_forms_stay_while_the_session_ends(site: PageSite, chromium: Any) -> None:
    await site.add_administrator()
    context = await new_context(chromium, viewport=PHONE, base_url=site.url)

    async def sign_in_by_password() -> Any:
        page = await context.new_page()
        await page.goto("/")
        await page.get_by_role("textbox", name="User name").fill("alice")
        await page.get_by_role("textbox", name="Password").fill(PASSWORD)
        await page.keyboard.press("Enter")
        await page.get_by_role("link", name="Administration").wait_for()
        return page

    page = await sign_in_by_password()
    await page.get_by_role("link", name="Administration").click()
    await page.get_by_text("Create a mailbox", exact=True).click()
    await page.get_by_label("Number", exact=True).fill("1009")
    create = page.get_by_role("button", name="Create", exact=True)
    await lose_answer(page, "**/boxes")
    await create.click()
    await page.get_by_role("alert").get_by_text("The service cannot be reached just now: try again.").wait_for()
    await context.clear_cookies()
    await create.click()
    await page.get_by_role("alert").get_by_role("link", name=ENDED).wait_for()
    await sign_in_by_password()
    await create.dblclick()  # The mailbox is there, and its PIN was not shown yet.
    await page.get_by_text("first PIN is").wait_for()
    await expect(page.get_by_role("alert")).to_have_count(0)
    assert await page.locator("#status").evaluate("text => text === document.activeElement")
    await page.goto(f"/page/admin/{site.app.account.id}/box/{site.box.id}")
    await site.app.container.pins.set_by_administrator(site.box, "805317")
    await page.get_by_role("button", name="Set a new PIN").click()
    await page.get_by_role("alert").get_by_text("has another PIN than when you opened this view").wait_for()
    await page.get_by_role("button", name="Set a new PIN").click()
    await page.get_by_text("The new PIN of mailbox 1000 is").wait_for()
    await context.close()


async def test_forwarding_that_is_refused_is_said_at_once(site: PageSite, page: Any) -> None:
    message = await site.leave_message("Maria")
    await page.goto(f"/page/box/{site.box.id}/message/{message.id}")
    await page.get_by_text("Forward", exact=True).click()
    await page.get_by_label("Mailbox numbers").fill("7777")
    await page.get_by_role("button", name="Send").click()
    await page.get_by_role("alert").get_by_text("7777").wait_for()
    await expect(page.get_by_label("Mailbox numbers")).to_have_value("7777")
