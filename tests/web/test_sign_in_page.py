"""Signing in to the page, what a session reaches, and how it ends."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from ivr.api.asgi import build_asgi_app
from ivr.api.server import ApiServer, ListenAddress
from ivr.page_services import build_page
from ivr.storage.records import AuditAction, AuditQuery, Token, TokenKind
from tests.support.app_fixture import AppFixture
from tests.web.conftest import PASSWORD, Browser


async def test_pin_opens_one_mailbox_of_its_owner(app: AppFixture, browser: Browser) -> None:
    box = await app.create_box("1000", app.alice)
    other = await app.create_box("1001", app.alice)
    await app.create_message(box, caller="2001")
    assert "2001" in await browser.sign_in_by_pin()
    assert browser.is_signed_in
    for path in (f"/page/box/{other.id}", f"/page/box/{other.id}/message/x"):
        await browser.open(path)
        assert browser.page.status_code == 404


async def test_password_opens_own_and_shared_mailboxes(app: AppFixture, browser: Browser) -> None:
    own = await app.create_box("1000", app.alice)
    shared = await app.create_box("1001", app.bob, shared_vmbox=True, members=[app.alice.id])
    foreign = await app.create_box("1002", app.bob)
    await browser.sign_in_by_password()
    assert all(number in browser.text for number in ("1000", "1001"))
    assert "1002" not in browser.text
    for box, status in ((own, 200), (shared, 200), (foreign, 404)):
        await browser.open(f"/page/box/{box.id}")
        assert browser.page.status_code == status


async def test_disabled_mailbox_is_none_on_the_page_as_at_the_phone(app: AppFixture, browser: Browser) -> None:
    own, other = await app.create_box("1000", app.alice), await app.create_box("1001", app.alice)
    await browser.sign_in_by_pin("1000")
    await app.container.boxes.patch(own, {"enabled": False})
    await browser.open(f"/page/box/{own.id}")
    assert browser.page.url.path == "/", "a session that the PIN had opened ends"
    await browser.sign_in_by_pin("1000")
    assert browser.page.status_code == 401
    assert "Mailbox number or PIN is wrong" in browser.text
    third = await app.create_box("1002", app.alice)
    await browser.sign_in_by_password()
    assert "Mailbox 1000 is disabled: ask your administrator." in browser.text
    assert [f"/page/box/{box.id}" in browser.page.text for box in (own, other, third)] == [False, True, True]
    for box, status in ((own, 404), (other, 200), (third, 200)):
        await browser.open(f"/page/box/{box.id}")
        assert browser.page.status_code == status


@pytest.mark.parametrize(("number", "pin"), [("1000", "9999"), ("4711", "1379"), ("", "1379"), ("1000", "")])
async def test_wrong_pin_and_unknown_mailbox_look_the_same(
    app: AppFixture, browser: Browser, number: str, pin: str
) -> None:
    await app.create_box("1000", app.alice)
    await browser.sign_in_by_pin(number, pin)
    assert browser.page.status_code == 401
    assert "Mailbox number or PIN is wrong" in browser.text
    assert not browser.is_signed_in
    assert "set-cookie" not in browser.page.headers


async def test_five_wrong_pins_lock_the_mailbox_for_page_and_foreign_phone(app: AppFixture, browser: Browser) -> None:
    box = await app.create_box("1000", app.alice)
    for _ in range(5):
        await browser.sign_in_by_pin(pin="9999")
    await browser.sign_in_by_pin()
    assert browser.page.status_code == 401, "the right PIN is refused, with the same words"
    assert "Mailbox number or PIN is wrong" in browser.text
    assert await app.container.pin_lockout.locked_until(app.account.id, box.id) == app.clock.now() + 60
    app.clock.advance(s=61)
    await browser.sign_in_by_pin()
    assert browser.is_signed_in


async def test_guesses_from_one_network_end_after_twenty(app: AppFixture, browser: Browser) -> None:
    await app.create_box("1000", app.alice)
    for n in range(20):
        await browser.sign_in_by_password(password=f"guess number {n}")
    assert browser.page.status_code == 401
    await browser.sign_in_by_password(password=PASSWORD)
    assert browser.page.status_code == 429
    assert "wait an hour" in browser.text
    assert 'value="alice"' in browser.page.text, "what was typed stays"


@pytest.mark.parametrize(("settings", "words"), [
    ({"is_setup": False}, "by phone first"), ({"pin_must_change": True}, "needs a new PIN first"),
])  # fmt: skip
async def test_mailbox_that_needs_a_pin_of_its_owner_is_not_opened_by_the_old_one(
    app: AppFixture, browser: Browser, settings: dict[str, Any], words: str
) -> None:
    await app.create_box("1000", app.alice, **settings)
    await browser.sign_in_by_pin()
    assert browser.page.status_code == 403
    assert words in browser.text
    assert not browser.is_signed_in


async def test_signing_out_ends_the_session_also_for_a_copy_of_its_cookie(
    app: AppFixture, browser: Browser, other_browser: Browser
) -> None:
    await app.create_box("1000", app.alice)
    await browser.sign_in_by_pin()
    other_browser.http.cookies.set("ivr_session", browser.http.cookies["ivr_session"])
    await other_browser.open("/")
    assert other_browser.is_signed_in
    await browser.send("/page/sign-out")
    assert "You are signed out" in browser.text
    assert not browser.http.cookies
    await other_browser.open("/")
    assert not other_browser.is_signed_in


async def test_signing_out_everywhere_ends_all_sessions_of_the_owner(
    app: AppFixture, browser: Browser, other_browser: Browser
) -> None:
    await app.create_box("1000", app.alice)
    await app.create_box("1001", app.bob)
    by_pin, bobs = Browser(browser.url), Browser(browser.url)
    await by_pin.sign_in_by_pin()
    await bobs.sign_in_by_pin("1001")
    await other_browser.sign_in_by_password()
    await browser.sign_in_by_password()
    await browser.send("/page/sign-out", everywhere="1")
    for ended in (browser, other_browser, by_pin):
        await ended.open("/")
        assert not ended.is_signed_in
    await bobs.open("/")
    assert bobs.is_signed_in, "other owners stay signed in"
    await by_pin.http.aclose()
    await bobs.http.aclose()


async def test_session_ends_with_a_new_pin_a_new_password_and_its_lifetime(app: AppFixture, browser: Browser) -> None:
    box = await app.create_box("1000", app.alice)
    await browser.sign_in_by_pin()
    await app.container.pins.set_by_owner(box, "8341")
    await browser.open("/")
    assert not browser.is_signed_in, "new PIN"
    await browser.sign_in_by_password()
    assert browser.is_signed_in
    await app.container.tokens.revoke_logins(app.account.id, app.alice.id)  # As 'ivr user password' does.
    await browser.open("/")
    assert not browser.is_signed_in, "new password"
    await browser.sign_in_by_pin(pin="8341")
    app.clock.advance(s=12 * 3600 - 1)
    await browser.open("/")
    assert browser.is_signed_in
    app.clock.advance(s=1)
    await browser.open(f"/page/box/{box.id}")
    assert "Your session has ended" in browser.text


async def test_session_by_pin_ends_with_its_mailbox(app: AppFixture, browser: Browser) -> None:
    box = await app.create_box("1000", app.alice)
    await browser.sign_in_by_pin()
    assert len(await app.container.tokens.list_valid(app.account.id, with_sessions=True)) == 1
    await app.container.boxes.delete(box)
    assert await app.container.tokens.list_valid(app.account.id, with_sessions=True) == []
    await browser.open("/")
    assert not browser.is_signed_in


async def test_session_by_pin_ends_with_the_owner_of_its_mailbox(app: AppFixture, browser: Browser) -> None:
    box = await app.create_box("1000", app.alice)
    await browser.sign_in_by_pin()
    assert browser.is_signed_in
    await app.container.boxes.patch(box, {"owner_id": app.bob.id})
    await browser.open("/")
    assert not browser.is_signed_in, "another owner"
    await browser.sign_in_by_pin()
    assert browser.is_signed_in
    await app.container.directory.delete_user(app.bob.id)
    await browser.open("/")
    assert not browser.is_signed_in, "no owner"


async def test_cookie_is_for_no_script_and_no_other_site(app: AppFixture, browser: Browser) -> None:
    await app.create_box("1000", app.alice)
    browser.http.follow_redirects = False
    await browser.sign_in_by_pin()
    [cookie] = browser.page.headers.get_list("set-cookie")
    assert {"HttpOnly", "SameSite=lax", "Path=/"} <= set(cookie.split("; "))
    assert "Secure" not in cookie
    assert cookie.startswith("ivr_session=")


PUBLIC = "voicemail.example.com"
PROXIES: list[tuple[str, str, dict[str, str], str, str]] = [
    ("a browser at the port itself", "", {}, "http://{address}", "ivr_session"),
    ("the host is passed on", f"https://{PUBLIC}", {"Host": PUBLIC}, f"https://{PUBLIC}", "__Host-ivr_session"),
    ("another port", f"https://{PUBLIC}:8443", {"Host": f"{PUBLIC}:8443"}, f"https://{PUBLIC}:8443",
     "__Host-ivr_session"),
    ("capitals and the usual port", "https://Voicemail.Example.com:443/", {"Host": PUBLIC}, f"https://{PUBLIC}",
     "__Host-ivr_session"),
    ("the usual port is passed on", f"https://{PUBLIC}", {"Host": f"{PUBLIC}:443"}, f"https://{PUBLIC}",
     "__Host-ivr_session"),
    ("a trusted proxy tells of TLS", "", {"Host": PUBLIC, "X-Forwarded-Proto": "https"}, f"https://{PUBLIC}",
     "__Host-ivr_session"),
    ("a trusted proxy that passes no host on", f"https://{PUBLIC}", {"X-Forwarded-Proto": "https"},
     f"https://{PUBLIC}", "__Host-ivr_session"),
    ("plain HTTP behind a proxy", f"http://{PUBLIC}", {}, f"http://{PUBLIC}", "ivr_session"),
    ("inside of the site, beside a proxy", f"https://{PUBLIC}", {}, "http://{address}", "ivr_session"),
    ("a proxy that passes no host on, without public_url", "", {}, f"https://{PUBLIC}", ""),
    ("another port of the host", f"https://{PUBLIC}", {"Host": PUBLIC}, f"https://{PUBLIC}:8443", ""),
    ("another site", f"https://{PUBLIC}", {"Host": PUBLIC}, "https://evil.example", ""),
    ("a host that begins like it", f"https://{PUBLIC}", {"Host": PUBLIC}, f"https://{PUBLIC}.evil.example", ""),
]  # fmt: skip
"""Public URL, headers of a trusted proxy, origin of the form, and the cookie that the browser gets; "": refused."""


@pytest.mark.parametrize(("public_url", "headers", "origin", "cookie"), [row[1:] for row in PROXIES],
                         ids=[row[0] for row in PROXIES])  # fmt: skip
async def test_forms_and_cookies_behind_a_proxy(
    tmp_path: Path, public_url: str, headers: dict[str, str], origin: str, cookie: str
) -> None:
    app = await AppFixture(tmp_path / "data", api={"public_url": public_url or None}).open()
    await app.create_box("1000", app.alice)
    page = build_page(app.container)
    server = ApiServer(
        build_asgi_app(app.container.api_services, page),
        ListenAddress("127.0.0.1", 0, trusted_proxies="127.0.0.1"),
        on_stop=page.close,
    )
    url = await server.start()
    headers = {**headers, "Origin": origin.format(address=url.partition("//")[2])}
    form = {"with": "pin", "number": "1000", "pin": "1379"}
    async with httpx.AsyncClient(base_url=url, headers=headers) as client:
        response = await client.post("/page/sign-in", data=form)
        name, _, text = response.headers.get("set-cookie", "").partition("=")
        assert name == cookie
        assert ("Secure" in text) == (cookie == "__Host-ivr_session")
        assert response.status_code == (303 if cookie else 403)
        if cookie:
            signed_in = await client.get(response.headers["location"], headers={"Cookie": f"{name}={text}"})
            assert signed_in.headers["location"].startswith("/page/box/")
    await server.stop()
    await app.container.stop_workers()
    app.close()


async def test_forged_and_foreign_cookies_open_nothing(app: AppFixture, browser: Browser) -> None:
    box = await app.create_box("1000", app.alice)
    api_key, _ = await app.container.tokens.create(app.account.id)
    login, _ = await app.container.tokens.create(app.account.id, app.alice.id, kind=TokenKind.LOGIN)
    for forged in ("", "x", "A" * 43, box.id, api_key, login, "ü" * 20, "%00"):
        browser.http.cookies.clear()
        browser.page = await browser.http.get(
            f"/page/box/{box.id}", headers={b"Cookie": f"ivr_session={forged}".encode()}
        )
        assert not browser.is_signed_in


async def test_session_of_the_page_opens_no_request_of_rest(app: AppFixture, browser: Browser) -> None:
    await app.create_box("1000", app.alice)
    await browser.sign_in_by_pin()
    cookie = browser.http.cookies["ivr_session"]
    for path in (f"/v2/accounts/{app.account.id}/vmboxes", "/v2/user_auth"):
        response = await browser.http.get(path, headers={"X-Auth-Token": cookie})
        assert response.status_code == 401
        assert (await browser.http.get(path)).status_code == 401, "nor does the cookie itself"


async def test_forms_from_other_sites_do_nothing(app: AppFixture, browser: Browser) -> None:
    box = await app.create_box("1000", app.alice)
    message = await app.create_message(box)
    await browser.sign_in_by_pin()
    path, form = f"/page/box/{box.id}/messages", {"action": "delete", "id": message.id}
    await browser.send(path, origin="https://evil.example", **form)
    assert browser.page.status_code == 403
    await browser.open("/")
    for csrf in ("", "0" * 32):
        await browser.send(path, csrf=csrf, **form)
        assert browser.page.status_code == 403
        await browser.open("/")
    assert await app.folder_of(message) == "new"
    await browser.send("/page/sign-in", origin="https://evil.example", with_="pin", number="1000", pin="1379")
    assert browser.page.status_code == 403, "no owner is signed in to the mailbox of an attacker"
    response = await browser.http.post("/page/sign-out", headers={"Sec-Fetch-Site": "cross-site"})
    assert response.status_code == 403
    await browser.open("/")
    assert browser.is_signed_in


async def test_every_page_forbids_frames_inline_scripts_and_caches(app: AppFixture, browser: Browser) -> None:
    box = await app.create_box("1000", app.alice)
    message = await app.create_message(box)
    await browser.open("/")
    shown = [browser.page]
    await browser.sign_in_by_pin()
    for path in ("/", f"/page/box/{box.id}/message/{message.id}", "/page/none"):
        await browser.open(path)
        shown.append(browser.page)
    for page in shown:
        policy = page.headers["content-security-policy"]
        assert "unsafe" not in policy
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert page.headers["x-frame-options"] == "DENY"
        assert page.headers["cache-control"] == "no-store"
        assert not re.search(r"<script(?![^>]* src=)|<style| on\w+=| style=|javascript:", page.text)
        assert not re.search(r"(src|href|action)=\"(?!/|#)", page.text), "no other host"
        assert re.findall(r"<title>(.*?)</title>", page.text) == ["Voicemail"]


@pytest.mark.parametrize("body", [b"a=" + b"%41" * 20_001, b"&".join(b"a=1" for _ in range(1001))])
async def test_form_that_takes_long_to_parse_is_refused(browser: Browser, body: bytes) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    response = await browser.http.post("/page/sign-in", content=body, headers=headers)
    assert response.status_code == 400


async def test_sign_in_and_out_are_in_the_audit_log(app: AppFixture, browser: Browser) -> None:
    await app.create_box("1000", app.alice)
    await browser.sign_in_by_pin()
    await browser.send("/page/sign-out")
    entries = await app.container.audit_store.find(AuditQuery(account_id=app.account.id), 10)
    found = [(entry.action, entry.actor.door, entry.actor.proof) for entry in entries]
    assert found == [(AuditAction.SIGNED_OUT, "page", "PIN"), (AuditAction.SIGNED_IN, "page", "PIN")]


async def test_sessions_of_the_page_are_stored_with_their_mailbox(app: AppFixture, browser: Browser) -> None:
    box = await app.create_box("1000", app.alice)
    await browser.sign_in_by_pin()
    tokens: list[Token] = await app.container.tokens.list_valid(app.account.id)
    assert [(token.kind, token.box_id, token.user_id) for token in tokens] == [(TokenKind.PAGE, box.id, None)]
