"""Links to audio in mails: where a setting wants them, and where the audio is too large to be attached."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from ivr.api.asgi import build_asgi_app
from ivr.api.server import ApiServer, ListenAddress
from ivr.page_services import build_page
from tests.api.conftest import serve_api
from tests.notifications.conftest import OWNER_EMAIL, NotificationAppFixture
from tests.notifications.test_mail import attachments, mail_text
from tests.support.fake_smtp_server import FakeSmtpServer

PUBLIC_URL = "https://voicemail.example.org/phone/"


async def open_app(folder: Path, smtp_server: FakeSmtpServer, **settings: Any) -> NotificationAppFixture:
    settings = {"api": {"public_url": PUBLIC_URL}, **settings}
    app = NotificationAppFixture(folder, mail={"host": "127.0.0.1", "port": smtp_server.port}, **settings)
    await app.open()
    return app


@pytest.fixture
async def link_app(tmp_path: Path, smtp_server: FakeSmtpServer) -> AsyncIterator[NotificationAppFixture]:
    app = await open_app(tmp_path / "data", smtp_server)
    yield app
    await app.shut_down()


def links_in(smtp_server: FakeSmtpServer) -> list[str]:
    """Return the links in the last mail, the same in text and HTML."""
    mail = smtp_server.mails[-1]
    links: list[str] = re.findall(r"https?://\S+", mail_text(mail))
    in_html = re.findall(r'href="([^"]+)"', mail_text(mail, "html"))
    assert [link.replace("&amp;", "&") for link in in_html] == links
    return links


def link_in(smtp_server: FakeSmtpServer) -> str:
    """Return the path of the only link in the last mail."""
    [link] = links_in(smtp_server)
    assert link.startswith(f"{PUBLIC_URL}v2/")
    return link.removeprefix(PUBLIC_URL.rstrip("/"))


async def fetch(app: NotificationAppFixture, path: str) -> httpx.Response:
    async with serve_api(app) as url, httpx.AsyncClient() as browser:
        return await browser.get(url + path, headers={"Accept": "text/html,*/*;q=0.8"})


async def test_link_in_mail_plays_message_for_a_week_also_after_pepper_was_rotated(
    link_app: NotificationAppFixture, smtp_server: FakeSmtpServer
) -> None:
    box = await link_app.create_box(notify_email=OWNER_EMAIL, mail_audio="link", delete_after_notify=True)
    message = await link_app.leave_message(box)
    await link_app.run_until_idle()
    assert attachments(smtp_server.mails[0]) == []
    assert "until Tuesday, May 17, 2016 at 12:00 (Coordinated Universal Time)" in mail_text(smtp_server.mails[0])
    assert await link_app.folder_of(message) == "new", "a link is not the audio"
    path = link_in(smtp_server)
    link_app.container.peppers.rotate(b"another" * 8)
    link_app.clock.advance(s=7 * 86_400 - 1)
    response = await fetch(link_app, path)
    assert (response.status_code, response.headers["content-type"].split("/")[0]) == (200, "audio")
    link_app.clock.advance(s=2)
    assert (await fetch(link_app, path)).status_code == 401
    assert (await fetch(link_app, path.replace("until=1", "until=2"))).status_code == 401


@pytest.mark.parametrize(
    ("box_mode", "account_mode", "is_link"),
    [(None, "link", True), ("attachment", "link", False), (None, None, False), ("link", "attachment", True)],
)
async def test_setting_of_box_overrides_that_of_account(
    link_app: NotificationAppFixture,
    smtp_server: FakeSmtpServer,
    box_mode: str | None,
    account_mode: str | None,
    is_link: bool,
) -> None:
    if account_mode:
        changed = link_app.account.model_copy(update={"settings": {"mail_audio": account_mode}})
        link_app.account = await link_app.container.directory.update_account(changed)
    await link_app.leave_message(await link_app.create_box(notify_email=OWNER_EMAIL, mail_audio=box_mode))
    await link_app.run_until_idle()
    mail = smtp_server.mails[0]
    assert (attachments(mail) == [], "https://" in mail_text(mail)) == (is_link, is_link)


async def test_mail_refused_for_size_has_link_instead(
    link_app: NotificationAppFixture, smtp_server: FakeSmtpServer
) -> None:
    smtp_server.max_bytes = 20_000
    box = await link_app.create_box(notify_email=OWNER_EMAIL, media_extension="wav", save_after_notify=True)
    message = await link_app.leave_message(box)
    await link_app.run_until_idle()
    assert "too long to be attached" in mail_text(smtp_server.mails[0])
    assert (await fetch(link_app, link_in(smtp_server))).status_code == 200
    assert await link_app.folder_of(message) == "new"


async def test_mail_has_no_link_where_audio_is_switched_off_or_api_has_no_address(
    tmp_path: Path, link_app: NotificationAppFixture, smtp_server: FakeSmtpServer
) -> None:
    box: dict[str, Any] = {"notify_email": OWNER_EMAIL, "mail_audio": "link"}
    await link_app.leave_message(await link_app.create_box(include_message_on_notify=False, **box))
    await link_app.run_until_idle()
    without_address = await open_app(tmp_path / "other", smtp_server, api={})
    await without_address.leave_message(await without_address.create_box(**box))
    await without_address.run_until_idle()
    await without_address.shut_down()
    for mail in smtp_server.mails:
        assert attachments(mail) == []
        assert "https://" not in mail_text(mail)
        assert "Dial your mailbox to hear it." in mail_text(mail)


@pytest.mark.parametrize(("public_url", "settings", "start"), [
    ("https://voicemail.example.org", {}, "/page/link/"), ("https://x.example/phone/", {}, "/v2/accounts/"),
    ("https://voicemail.example.org/", {"page": {"enabled": False}}, "/v2/accounts/"),
])  # fmt: skip
async def test_mail_links_to_the_page_which_needs_the_root_of_its_host(
    tmp_path: Path, smtp_server: FakeSmtpServer, public_url: str, settings: dict[str, Any], start: str
) -> None:
    app = await open_app(tmp_path / "data", smtp_server, api={"public_url": public_url}, **settings)
    message = await app.leave_message(await app.create_box(notify_email=OWNER_EMAIL, mail_audio="link"))
    await app.run_until_idle()
    [link] = links_in(smtp_server)
    path = link.removeprefix(public_url.rstrip("/"))
    assert path.startswith(start)
    app.container.api_services.audio.renditions.clear()
    page = build_page(app.container) if app.settings.page.enabled else None
    server = ApiServer(build_asgi_app(app.container.api_services, page), ListenAddress("127.0.0.1", 0))
    async with httpx.AsyncClient(base_url=await server.start()) as browser:
        response = await browser.get(path)
        assert response.status_code == 200
        if start == "/page/link/":
            assert f"{start}{message.box_id}/{message.id}/audio?until=" in response.text
    await server.stop()
    await app.shut_down()
