"""A link from a mail opens one message on the page, without a sign-in, until it expires."""

from __future__ import annotations

import pytest

from ivr.api.audio_links import AudioLinks, message_page_path
from ivr.audio import wav
from ivr.mailbox.mailbox import Mailbox
from ivr.storage.records import AuditQuery, Message
from ivr.web.texts import Translator
from tests.support.app_fixture import AppFixture
from tests.web.conftest import Browser
from tests.web.test_page_languages import set_language

DAY_S = 86_400


@pytest.fixture
async def box(app: AppFixture) -> Mailbox:
    return await app.create_box("1000", app.alice)


def link_to(app: AppFixture, message: Message, *, lifetime_s: int = 7 * DAY_S) -> str:
    links = AudioLinks(app.container.peppers, app.container.clock, lifetime_s=lifetime_s)
    return links.create(message_page_path(message.box_id, message.id))[0]


async def test_link_opens_one_message_until_it_expires(app: AppFixture, browser: Browser, box: Mailbox) -> None:
    message, other = await app.create_message(box, caller="2001", s=2), await app.create_message(box, caller="2002")
    link = link_to(app, message)
    path, query = link.split("?")
    await browser.open(link)
    assert browser.page.status_code == 200
    assert "2001" in browser.text
    assert "2002" not in browser.text
    assert not browser.is_signed_in
    audio = await browser.http.get(f"{path}/audio?{query}")
    assert len(audio.content) == wav.HEADER_BYTES + 2 * 16_000
    assert (await browser.http.get(f"{path}/waveform?{query}")).json()["peaks"]
    assert (await browser.http.get(f"{path}/download?{query}")).headers["content-disposition"].startswith("attachment")
    assert await app.folder_of(message) == "new", "mail programs open links, too"
    for foreign in (f"{message_page_path(box.id, other.id)}?{query}", f"{path}?{query.replace('until=1', 'until=2')}",
                    path, f"{path}/audio", f"/page/box/{box.id}", f"/page/box/{box.id}/message/{message.id}?{query}",
                    f"/v2/accounts/{app.account.id}/vmboxes/{box.id}/messages/{message.id}/raw?{query}"):  # fmt: skip
        response = await browser.http.get(foreign, follow_redirects=False)
        assert response.status_code in (303, 401, 403), foreign
    app.clock.advance(s=7 * DAY_S + 1)
    await browser.open(link)
    assert browser.page.status_code == 403
    assert "not any more" in browser.text


async def test_message_is_heard_saved_deleted_and_restored_through_its_link(
    app: AppFixture, browser: Browser, box: Mailbox
) -> None:
    message = await app.create_message(box)
    link = link_to(app, message)
    path, query = link.split("?")
    heard = await browser.http.post(f"{path}/heard?{query}", headers={"Origin": browser.url})
    assert heard.status_code == 204
    assert await app.folder_of(message) == "saved"
    for action, folder, words in (("delete", "deleted", "Deleted: 1."), ("restore", "saved", "Restored: 1."),
                                  ("new", "new", "Marked as new: 1.")):  # fmt: skip
        await browser.open(link)
        assert f'value="{action}"' in browser.page.text
        await browser.send(link, action=action)
        assert words in browser.text
        assert await app.folder_of(message) == folder
    await app.container.audit_log.flush()
    entries = await app.container.audit_store.find(AuditQuery(subject=message.id), 10)
    assert [entry.action for entry in entries] == ["moved", "restored", "deleted", "heard", "signed-in"]
    assert {entry.actor.proof for entry in entries} == {"link"}
    await browser.send(link, origin="https://evil.example", action="delete")
    assert browser.page.status_code == 403
    await browser.send(path, action="delete")
    assert browser.page.status_code == 403
    await browser.send(f"{path}/forward?{query}", to="1001")
    assert browser.page.status_code == 404, "who has a mail cannot send in its owner's name"
    assert await app.folder_of(message) == "new"


async def test_link_of_a_disabled_mailbox_opens_nothing(app: AppFixture, browser: Browser, box: Mailbox) -> None:
    message = await app.create_message(box, caller="2001", s=2)
    path, query = link_to(app, message).split("?")
    await app.container.boxes.patch(box, {"enabled": False})
    for address in (path, f"{path}/audio", f"{path}/download", f"{path}/waveform"):
        assert (await browser.http.get(f"{address}?{query}")).status_code == 404, address
    assert (await browser.http.post(f"{path}?{query}", data={"action": "delete"})).status_code == 404
    assert await app.folder_of(message) == "new"


async def test_deleted_message_is_restored_and_not_marked(app: AppFixture, browser: Browser, box: Mailbox) -> None:
    """A page that was opened before the message was deleted still offers the mark."""
    message = await app.create_message(box)
    link = link_to(app, message)
    await browser.send(link, action="delete")
    await browser.send(link, action="urgent")
    assert browser.page.status_code == 404
    assert "Marked" not in browser.text
    assert not (await app.container.messages.get(box.id, message.id, 0)).urgent
    await browser.sign_in_by_pin()
    await browser.send(f"/page/box/{box.id}/messages", folder="new", action="urgent", id=message.id)
    assert "Marked urgent: 0. Not found any more: 1." in browser.text
    assert not (await app.container.messages.get(box.id, message.id, 0)).urgent


async def test_each_state_of_a_link_is_told_in_each_language(app: AppFixture, browser: Browser, box: Mailbox) -> None:
    """What the link opens is told in the language of the mailbox, what it does not open in that of the browser."""
    container, other = app.container, await app.create_box("1001", app.bob)
    names = ("fresh", "heard", "deleted", "purged", "moved")
    messages = {name: await app.create_message(box, s=0.1) for name in names}
    late = await app.create_message(await app.create_box("1002", app.alice), s=0.1)
    gone = await app.create_message(await app.create_box("1003", app.alice), s=0.1)
    links = {
        name: link_to(app, message) for name, message in {**messages, "disabled": late, "no mailbox": gone}.items()
    }
    links["expired"] = links["fresh"].replace("until=1", "until=0")
    path, query = links["heard"].split("?")
    await browser.http.post(f"{path}/heard?{query}", headers={"Origin": browser.url})
    await browser.send(links["deleted"], action="delete")
    await container.messages.soft_delete(box.id, [messages["purged"].id])
    await container.delivery.transfer(messages["moved"], other)
    await container.boxes.patch(await container.boxes.get(late.box_id), {"enabled": False})
    await container.boxes.delete(await container.boxes.get(gone.box_id))
    expected = {
        "fresh": (200, "save"), "heard": (200, "mark_new"), "deleted": (200, "restore"), "purged": (404, "error_404"),
        "moved": (404, "error_404"), "disabled": (404, "error_404"), "no mailbox": (404, "error_404"),
        "expired": (403, "link_expired"),
    }  # fmt: skip
    for language in ("en", "es", "fr", "it", "pt", "de"):
        translate = Translator(language)
        await set_language(app, language)
        browser.http.headers["Accept-Language"] = translate.tag
        for state, (status, text) in expected.items():
            await browser.open(links[state])
            assert browser.page.status_code == status, state
            assert translate(text) in browser.text, (language, state)
            assert f'<html lang="{translate.tag}">' in browser.page.text, (language, state)
            assert translate("start" if status != 200 else "all_messages") in browser.text, "where one goes on"
            assert ("2001" in browser.text) == (status == 200), "what is closed tells no caller"
    # A link stays when its owner goes; the mail may have gone to several.
    await app.container.directory.delete_user(app.alice.id)
    await browser.open(links["fresh"])
    assert browser.page.status_code == 200
