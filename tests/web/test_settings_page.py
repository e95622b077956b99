"""The settings of a mailbox on the page: what an owner may change, by the rules of phone and REST."""

from __future__ import annotations

import asyncio
import re
from html import unescape
from typing import Any

import pytest

from ivr.audio import wav
from ivr.mailbox.mailbox import Mailbox
from ivr.storage.records import AuditAction, AuditQuery, MediaKind
from ivr.web.settings_form import form_values
from tests.support.app_fixture import NOON, AppFixture
from tests.support.upload_kinds import problems_of, some_upload_kinds
from tests.web.conftest import Browser

DAY_S = 86_400


@pytest.fixture
async def box(app: AppFixture, browser: Browser) -> Mailbox:
    """A mailbox whose settings the browser shows."""
    box = await app.create_box("1000", app.alice)
    await browser.sign_in_by_pin()
    await browser.open(settings_path(box))
    return box


def settings_path(box: Mailbox) -> str:
    return f"/page/box/{box.id}/settings"


def form_of(html: str) -> dict[str, str]:
    """Return what the form of the settings would send."""
    form = html[html.index('aria-labelledby="settings-title"') :].partition("</form>")[0]
    fields = dict(re.findall(r'<input name="(\w+)" value="([^"]*)"', form))
    hidden = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', form)
    fields |= {name: unescape(value) for name, value in hidden if name != "csrf"}
    fields |= dict(re.findall(r'<textarea name="(\w+)"[^>]*>([^<]*)<', form))
    fields |= dict.fromkeys(re.findall(r'name="(\w+)" value="on" checked', form), "on")
    for name, options in re.findall(r'<select name="(\w+)">(.*?)</select>', form, re.S):
        fields[name] = re.findall(r'value="(\w*)" selected', options)[0]
    return fields


async def save(browser: Browser, box: Mailbox, **changes: str) -> str:
    """Send the form as it is shown, with changes; "-" leaves a checkbox out."""
    fields = {**form_of(await browser.open(settings_path(box))), **changes}
    sent = {name: value for name, value in fields.items() if value != "-"}
    return await browser.send(settings_path(box), **sent)


async def put_greeting(browser: Browser, box: Mailbox, kind: str, content: bytes, csrf: str = "", **params: str) -> int:
    headers = {"X-CSRF-Token": csrf or browser.csrf, "Content-Type": "audio/wav", "Origin": browser.url}
    path = f"/page/box/{box.id}/greeting/{kind}"
    browser.page = await browser.http.post(path, params=params, content=content, headers=headers)
    return browser.page.status_code


def speech(s: float = 2) -> bytes:
    return wav.header(int(s * 8000) * 2) + b"\x01\x10" * int(s * 8000)


async def test_language_is_that_of_the_person_else_of_the_mailbox(
    app: AppFixture, browser: Browser, box: Mailbox
) -> None:
    directory = app.container.directory
    await save(browser, box, language="es")
    assert "Los ajustes se han guardado." in browser.text, "the page speaks the new language at once"
    assert (await directory.user(app.alice.id)).language == "es"
    assert (await app.container.boxes.get(box.id)).settings.language is None
    for hostile in ("xx", "../es", "<b>"):
        await save(browser, box, language=hostile)
        assert "No había nada diferente." in browser.text
    await save(browser, box, language="", clock="24h")
    assert (await directory.user(app.alice.id)).language is None
    assert (await app.container.boxes.get(box.id)).settings.clock == "24h"
    entries = await app.container.audit_store.find(AuditQuery(action=AuditAction.SETTINGS_CHANGED), 10)
    assert [entry.subject for entry in entries] == ["clock, language", "language"]
    nobodys = await app.create_box("1002")
    browser.http.cookies.clear()
    await browser.sign_in_by_pin("1002")
    await save(browser, nobodys, language="de")
    assert (await app.container.boxes.get(nobodys.id)).settings.language == "de"


async def test_settings_are_changed_as_the_form_says_and_no_others(
    app: AppFixture, browser: Browser, box: Mailbox
) -> None:
    before = box.settings.model_dump()
    await save(
        browser,
        box,
        addresses="alice@example.com; bob@example.com",
        timezone="Asia/Tokyo",
        clock="24h",
        oldest_message_first="true",
        play_envelope_action="skip",
        after_mail="save",
        announcement_only="on",
        new_messages_at_once="-",
        lists="801: 1001, 1002, 1001\r\n\r\n 802 1003\r\n801: 1004",
    )
    assert "The settings are saved." in browser.text
    after = (await app.container.boxes.get(box.id)).settings.model_dump()
    assert {name: value for name, value in after.items() if value != before[name]} == {
        "notify_email_addresses": ["alice@example.com", "bob@example.com"],
        "timezone": "Asia/Tokyo",
        "clock": "24h",
        "oldest_message_first": True,
        "play_envelope_action": "skip",
        "save_after_notify": True,
        "announcement_only": True,
        "new_messages_at_once": False,
        "distribution_lists": {"801": ["1001", "1002", "1004"], "802": ["1003"]},
    }
    await save(browser, box)
    assert "Nothing was different." in browser.text
    await save(
        browser, box, addresses="", timezone="", clock="", oldest_message_first="", after_mail="keep", lists="802: 1004"
    )
    settings = (await app.container.boxes.get(box.id)).settings
    assert (settings.notify_email_addresses, settings.timezone, settings.clock) == ([], None, None)
    assert (settings.oldest_message_first, settings.save_after_notify) == (None, False)
    assert settings.distribution_lists == {"802": ["1004"]}
    await app.container.audit_log.flush()
    entries = await app.container.audit_store.find(AuditQuery(action=AuditAction.SETTINGS_CHANGED), 10)
    assert len(entries) == 2
    assert "timezone" in entries[0].subject


async def test_two_browsers_change_one_mailbox_and_nothing_is_lost_unsaid(
    app: AppFixture, browser: Browser, other_browser: Browser, box: Mailbox
) -> None:
    """A form that was shown before another one was saved put all that it showed back, and said nothing."""
    await other_browser.sign_in_by_pin()
    form = form_of(await browser.open(settings_path(box)))
    others = form_of(await other_browser.open(settings_path(box)))
    changes = {"timezone": "Asia/Tokyo", "clock": "24h", "language": "fr", "new_messages_at_once": "on"}
    await other_browser.send(settings_path(box), **{**others, **changes})
    await browser.send(settings_path(box), **{**form, "addresses": "a@x.example"})
    settings = (await app.container.boxes.get(box.id)).settings
    assert (settings.timezone, settings.clock, settings.new_messages_at_once) == ("Asia/Tokyo", "24h", True)
    assert settings.notify_email_addresses == ["a@x.example"]
    assert (await app.container.directory.user(app.alice.id)).language == "fr"
    await browser.send(settings_path(box), **{**form, "language": ""})
    await browser.send(settings_path(box), **{**form, "clock": "12h", "language": "en", "timezone": "Mars/Olympus"})
    notice = "a été modifié ailleurs : Fuseau horaire, Les heures sont dites, Langue"
    assert browser.page.status_code == 400
    assert notice in browser.text
    again = form_of(browser.page.text)
    assert (again["clock"], again["language"], again["timezone"]) == ("12h", "en", "Mars/Olympus"), (
        "what was typed stays"
    )
    assert again["addresses"] == "a@x.example", "and the rest is what is stored"
    assert (await app.container.boxes.get(box.id)).settings.clock == "24h"
    await browser.send(settings_path(box), **again)
    assert browser.page.status_code == 400
    assert notice not in browser.text
    await browser.send(settings_path(box), **{**form_of(browser.page.text), "timezone": ""})
    changed = (await app.container.boxes.get(box.id)).settings
    assert (changed.clock, changed.timezone, changed.new_messages_at_once) == ("12h", None, True)


async def test_changes_of_one_mailbox_at_the_same_moment_are_all_stored(
    app: AppFixture, browser: Browser, other_browser: Browser, box: Mailbox
) -> None:
    await other_browser.sign_in_by_pin()
    browsers = (browser, other_browser) * 3
    form = form_of(await browser.open(settings_path(box)))
    await other_browser.open(settings_path(box))
    changes = {"timezone": "Asia/Tokyo", "clock": "24h", "new_messages_at_once": "on", "announcement_only": "on",
               "addresses": "a@x.example", "after_mail": "save"}  # fmt: skip
    await asyncio.gather(
        *(
            one.send(settings_path(box), **{**form, name: value})
            for one, (name, value) in zip(browsers, changes.items(), strict=True)
        )
    )
    stored = form_values(await app.container.boxes.get(box.id))
    assert {name: stored[name] for name in changes} == changes


async def test_members_of_a_list_that_do_not_exist_yet_are_named_until_they_do(
    app: AppFixture, browser: Browser, box: Mailbox
) -> None:
    await save(browser, box, lists="801: 1000, 4711")
    assert "The settings are saved." in browser.text
    assert "There is no mailbox 4711." in browser.text
    assert "There is no mailbox 1000." not in browser.text
    await app.create_box("4711")
    await save(browser, box)
    assert "There is no mailbox" not in browser.text


REFUSED = [
    ({"timezone": "Mars/Olympus"}, "Time zone: 'Mars/Olympus' is not a time zone"),
    ({"addresses": "no address"}, "Mail address: 'no' is not a mail address"),
    ({"addresses": ",".join(f"a{n}@example.com" for n in range(60))}, "addresses; an administrator may set more"),
    ({"clock": "13h"}, "clock"),
    ({"lists": "801: 1001\n802"}, "My lists"),
    ({"lists": "801: bob"}, "'bob'"),
    ({"lists": "80 1: 1001"}, "'80 1' cannot be entered at a phone"),
    ({"lists": "801: 1001\n: 1002"}, "My lists"),
    ({"oldest_message_first": "sideways"}, "oldest_message_first"),
]


async def test_value_that_rest_refuses_is_refused_and_stays_in_the_form(
    app: AppFixture, browser: Browser, box: Mailbox
) -> None:
    for changes, reason in REFUSED:
        html = await save(browser, box, **changes, after_mail="delete")
        assert browser.page.status_code == 400
        assert reason in browser.text
        assert re.search(r'value="delete" selected', html)
    assert (await app.container.boxes.get(box.id)).settings == box.settings


async def test_calls_about_messages_are_switched_where_a_number_is_set(
    app: AppFixture, browser: Browser, box: Mailbox
) -> None:
    assert "calls" not in form_of(browser.page.text)
    callback = {"number": "5550100", "schedule": [60]}
    await app.container.boxes.patch(box, {"notify": {"callback": callback}})
    assert form_of(await browser.open(settings_path(box)))["calls"] == "on"
    await save(browser, box, calls="-")
    notify = (await app.container.boxes.get(box.id)).settings.notify
    assert notify
    assert notify.callback
    assert (notify.callback.disabled, notify.callback.number) == (True, "5550100")


REFUSED_PINS = [
    ("123", "123", "too short or too long"),
    ("7777", "7777", "one digit repeated"),
    ("2345", "2345", "in a row"),
    ("1000", "1000", "the number of the mailbox"),
    ("2580", "2580", "many people choose it"),
    ("9517", "9518", "two different ones"),
    ("95a7", "95a7", "something else than digits"),
]


async def test_pin_is_refused_by_the_rule_of_the_phone(app: AppFixture, browser: Browser, box: Mailbox) -> None:
    assert "A PIN has 4 to 6 digits." in browser.text
    for pin, again, reason in REFUSED_PINS:
        await browser.send(f"{settings_path(box)}/pin", pin=pin, again=again)
        assert reason in browser.text
    assert await app.container.pins.is_set_to(box, "1379")


async def test_new_pin_keeps_this_session_and_ends_the_others(
    app: AppFixture, browser: Browser, other_browser: Browser, box: Mailbox
) -> None:
    await other_browser.sign_in_by_pin()
    await browser.send(f"{settings_path(box)}/pin", pin="9517", again="9517")
    assert "The new PIN is set." in browser.text
    assert await app.container.pins.is_set_to(box, "9517")
    assert "9517" not in browser.page.text
    assert "1000" in await browser.open(settings_path(box))
    assert browser.is_signed_in
    await other_browser.open(settings_path(box))
    assert not other_browser.is_signed_in


async def test_pin_that_must_change_is_replaced_by_another(app: AppFixture, browser: Browser) -> None:
    box = await app.create_box("1000", app.alice, pin_must_change=True)
    await browser.sign_in_by_password()
    await browser.open(settings_path(box))
    await browser.send(f"{settings_path(box)}/pin", pin="1379", again="1379")
    assert "choose another one than before" in browser.text
    await browser.send(f"{settings_path(box)}/pin", pin="9517", again="9517")
    assert not (await app.container.boxes.get(box.id)).settings.pin_must_change


async def test_greeting_is_recorded_heard_and_removed(app: AppFixture, browser: Browser, box: Mailbox) -> None:
    assert await put_greeting(browser, box, "unavailable", speech()) == 200
    assert "The recording is in use." in browser.text
    assert "Recorded: 0:02." in browser.text
    greeting = await app.container.voicemail_services.greetings.find_greeting(await app.container.boxes.get(box.id))
    assert greeting
    assert greeting.length_ms == 2000
    heard = await browser.http.get(f"/page/box/{box.id}/greeting/unavailable")
    assert len(heard.content) == len(speech())
    await browser.send(f"/page/box/{box.id}/greeting/unavailable/remove")
    assert "The recording is removed." in browser.text
    assert (await app.container.boxes.get(box.id)).settings.media.unavailable is None
    assert (await browser.http.get(f"/page/box/{box.id}/greeting/unavailable")).status_code == 404


async def test_kinds_of_uploads_are_two_seconds_of_its_sound(app: AppFixture, browser: Browser, box: Mailbox) -> None:
    recordings = {}
    for name, content in some_upload_kinds(2).items():
        status = await put_greeting(browser, box, "unavailable", content)
        heard = await app.container.voicemail_services.greetings.find_greeting(await app.container.boxes.get(box.id))
        recordings[name] = heard.path.read_bytes() if heard and status == 200 else browser.page.content
        await browser.open(settings_path(box))
    assert problems_of(recordings) == {}


async def test_temporary_greeting_ends_after_its_last_day(app: AppFixture, browser: Browser, box: Mailbox) -> None:
    greetings = app.container.voicemail_services.greetings
    for until, status in (("2016-05-09", 400), ("2017-12-01", 400), ("tomorrow", 400), ("2016-05-11", 200)):
        await browser.open(settings_path(box))
        assert await put_greeting(browser, box, "temporary_unavailable", speech(), until=until) == status
    assert "Last day: May 11, 2016." in browser.text
    current = await app.container.boxes.get(box.id)
    assert current.settings.media.temporary_until == NOON // DAY_S * DAY_S + 2 * DAY_S
    assert await greetings.find_temporary_greeting(current)
    app.clock.advance(s=2 * DAY_S)
    assert await greetings.find_temporary_greeting(current) is None
    await browser.sign_in_by_pin()
    await browser.open(settings_path(box))
    assert "It ended on May 11, 2016" in browser.text


async def test_sound_that_is_none_is_refused_and_the_greeting_stays(
    app: AppFixture, browser: Browser, box: Mailbox
) -> None:
    await put_greeting(browser, box, "unavailable", speech())
    before = (await app.container.boxes.get(box.id)).settings.media
    await browser.open(settings_path(box))
    for content in (b"", b"RIFF", b"\xff" * 500):
        assert await put_greeting(browser, box, "unavailable", content) == 400
        assert "Nothing was changed:" in browser.text
        await browser.open(settings_path(box))
    assert (await app.container.boxes.get(box.id)).settings.media == before


@pytest.mark.parametrize("settings", [{"not_configurable": True}, {"pin_changeable": False}], ids=str)
async def test_what_an_administrator_keeps_is_not_shown_and_refused(
    app: AppFixture, browser: Browser, settings: dict[str, Any]
) -> None:
    box = await app.create_box("1000", app.alice)
    await browser.sign_in_by_pin()
    csrf = browser.csrf
    await app.container.boxes.patch(box, settings)
    await browser.open(f"/page/box/{box.id}")
    assert ("/settings" in browser.page.text) == ("pin_changeable" in settings)
    await browser.open(settings_path(box))
    assert "New PIN" not in browser.text
    await browser.send(f"{settings_path(box)}/pin", csrf=csrf, pin="9517", again="9517")
    assert browser.page.status_code == 403
    assert await app.container.pins.is_set_to(box, "1379")
    if "not_configurable" in settings:
        for path in (settings_path(box), f"/page/box/{box.id}/greeting/name/remove"):
            await browser.send(path, csrf=csrf, clock="24h")
            assert browser.page.status_code == 403


async def test_settings_of_others_and_forms_of_other_sites_are_refused(
    app: AppFixture, browser: Browser, box: Mailbox
) -> None:
    other = await app.create_box("1001", app.bob)
    for path in ("settings", "settings/pin", "greeting/name/remove"):
        await browser.open(settings_path(box))
        await browser.send(f"/page/box/{other.id}/{path}", pin="9517", again="9517")
        assert browser.page.status_code == 404
        await browser.open(settings_path(box))
        await browser.send(f"/page/box/{box.id}/{path}", csrf="0" * 32, pin="9517", again="9517")
        assert browser.page.status_code == 403
    assert (await browser.http.get(f"/page/box/{other.id}/greeting/name")).status_code == 404
    assert await put_greeting(browser, box, "name", speech(), csrf="0" * 32) == 403
    assert (await browser.http.get(f"/page/box/{box.id}/greeting/../x")).status_code == 404
    assert await app.container.pins.is_set_to(box, "1379")


async def use_earlier(browser: Browser, box: Mailbox, kind: str, media_id: str, **fields: str) -> str:
    await browser.open(settings_path(box))
    return await browser.send(f"/page/box/{box.id}/greeting/{kind}/earlier", earlier=media_id, **fields)


async def test_earlier_greeting_is_heard_and_used_again(app: AppFixture, browser: Browser, box: Mailbox) -> None:
    [first, second] = [await app.create_recording(box, MediaKind.UNAVAILABLE, s=s) for s in (2, 3)]
    box = await app.container.boxes.patch(box, {"media": {"unavailable": second}})
    html = await browser.open(settings_path(box))
    assert re.findall(r'name="earlier" value="(\w+)"', html) == [first]
    audio = await browser.http.get(f"/page/box/{box.id}/greeting/unavailable?earlier={first}")
    assert len(audio.content) == wav.HEADER_BYTES + 2 * 16_000
    await use_earlier(browser, box, "unavailable", first)
    assert "The recording is in use." in browser.text
    assert (await app.container.boxes.get(box.id)).settings.media.unavailable == first
    await use_earlier(browser, box, "unavailable", second)
    assert (await app.container.boxes.get(box.id)).settings.media.unavailable == second, "the replaced one is back"
    used = await app.container.box_usage.usage_by_account(box.account_id)
    await use_earlier(browser, box, "unavailable", second)
    assert "Nothing was changed" in browser.text, "it is in use"
    assert (await app.container.box_usage.usage_by_account(box.account_id)) == used


async def test_earlier_temporary_greeting_ends_after_its_day_and_others_recordings_are_refused(
    app: AppFixture, browser: Browser, box: Mailbox
) -> None:
    other = await app.create_box("1001", app.bob)
    theirs = await app.create_recording(other, MediaKind.TEMPORARY)
    mine = await app.create_recording(box, MediaKind.TEMPORARY)
    for hostile in (theirs, "", "../" + theirs, "<b>"):
        await use_earlier(browser, box, "temporary_unavailable", hostile)
        assert browser.page.status_code == 400
        await browser.open(f"/page/box/{box.id}/greeting/temporary_unavailable?earlier={hostile or '-'}")
        assert browser.page.status_code == 404
    await use_earlier(browser, box, "temporary_unavailable", mine, until="2016-05-09")
    assert "today or later" in browser.text
    await use_earlier(browser, box, "temporary_unavailable", mine, until="2016-05-12")
    media = (await app.container.boxes.get(box.id)).settings.media
    assert (media.temporary_unavailable, media.temporary_until) == (mine, NOON + 12 * 3600 + 2 * DAY_S)
    await browser.send(f"/page/box/{box.id}/greeting/temporary_unavailable/earlier", csrf="0" * 32, earlier=mine)
    assert browser.page.status_code == 403
