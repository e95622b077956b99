"""Every route of the page, from its route table: sessions, forms of other sites, mailboxes of others, frames.

A new route is walked without a line here. What is open without a session, and what needs no token of a form, is named.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import product
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from lxml import etree
from lxml.html import document_fromstring
from starlette.routing import Route

from ivr.api.audio_links import message_page_path
from ivr.audio import wav
from ivr.directory.models import Account
from ivr.errors import StoreError
from ivr.mailbox.mailbox import Mailbox
from ivr.page_services import build_page
from ivr.storage.records import MediaKind, Message, TokenKind
from ivr.web.desk_phone_app import build_desk_phone_app
from ivr.web.desk_phone_screens import MEDIA_TYPES, ScreenRenderer
from ivr.web.page_app import build_page_app
from ivr.web.page_rendering import PageRenderer
from tests.support.app_fixture import AppFixture
from tests.web.conftest import PASSWORD, Browser
from tests.web.desk_phone import DeskPhone
from tests.web.hostile_texts import EVIL, set_languages, store_hostile_texts
from tests.web.test_link_pages import link_to

LANGUAGES = ("en", "es", "fr", "it", "pt", "de")
LINK = message_page_path("{box_id}", "{message_id}")
PUBLIC = {"/", "/page/sign-in", "/page/static/{name}"}
"""Routes that need no session. Those below `LINK` need its signature instead."""
WITHOUT_TOKEN = {"/page/sign-in", LINK, f"{LINK}/heard"}
"""Forms without a token: no session is there to steal. Forms of other sites are refused all the same."""
UNRECORDED_TABLES = ("tokens", "auth_attempts", "audit", "sqlite_")
"""What a refused request may leave: when a session was used, tries, and its trace."""


@dataclass
class Site:
    """Two owners and two accounts. `own` is what the browser is signed in to."""

    app: AppFixture
    other: Account
    own: Message
    second: Message
    foreign: Message
    other_account: Message

    def fill(self, path: str, message: Message, *, of: Mailbox | None = None) -> str:
        """Return the path of a route for a message, in its mailbox or in another."""
        return path.replace(":path}", "}").format(
            box_id=of.id if of else message.box_id,
            message_id=message.id,
            account_id=self.other.id if message is self.other_account else self.app.account.id,
            kind="name",
            name="page.css",
            call_id="call1",
        )


@pytest.fixture
async def site(app: AppFixture) -> Site:
    own, second = await app.create_box("1000", app.alice), await app.create_box("1001", app.alice)
    foreign = await app.create_box("1002", app.bob)
    other = await app.container.directory.create_account(Account(name="other", realm="other.example"))
    others = await app.container.boxes.create(other, {"mailbox": "3000", "name": "theirs", "pin": "1379"})
    await app.create_recording(own, MediaKind.NAME, s=2)
    messages = [await app.create_message(box) for box in (own, second, foreign, others)]
    return Site(app, other, *messages)


def routes_of(app: AppFixture) -> list[tuple[str, str]]:
    """Return method and path of each route."""
    built: Any = build_page_app(build_page(app.container).services, PageRenderer())
    routes = [route for route in built.router.routes if isinstance(route, Route)]
    assert len(routes) == len(built.router.routes), "a route of another kind, which this test does not walk"
    return [(method, route.path) for route in routes for method in sorted({*(route.methods or ())} - {"HEAD"})]


async def state_of(app: AppFixture) -> list[str]:
    """Return all that is stored, apart from sessions, tries and traces."""
    dump = await app.container.database.read(lambda connection: list(connection.iterdump()))
    rows = [(line.partition('INSERT INTO "')[2].partition('"')[0], line) for line in dump]
    return [line for table, line in rows if table and not table.startswith(UNRECORDED_TABLES)]


async def sign_in(app: AppFixture, browser: Browser, rights: str) -> None:
    """Sign alice in with her password. `rights`: what she may administer; "": nothing."""
    user = (await app.container.directory.user(app.alice.id)).model_copy(update={"settings": {"administrator": rights}})
    await app.container.directory.update_user(user)
    form = {"username": "alice", "password": PASSWORD, "account": app.account.name}
    await browser.send("/page/sign-in", with_="password", **form)
    assert browser.is_signed_in


def is_of_administrators(path: str) -> bool:
    return path.startswith("/page/admin")


async def request(browser: Browser, method: str, path: str, **headers: str) -> httpx.Response:
    """Send a request as a script or a form of this browser; streams are closed at once. `POST audio`: with a sound."""
    browser.http.follow_redirects = False
    options: dict[str, Any] = {"headers": headers}
    if method == "POST":
        options["data"] = FORM
    elif method == "POST audio":
        options |= {"content": SOUND, "headers": {**headers, "Content-Type": "audio/wav"}}
    async with browser.http.stream(method.split()[0], path, **options) as response:
        if "event-stream" not in response.headers.get("content-type", ""):
            await response.aread()
        return response


FORM = {"action": "delete", "to": "1002", "pin": "9517", "again": "9517", "number": "1009", "name": "eve", "id": "1",
        "timezone": "Asia/Tokyo", "earlier": "x", "phone": "alice", "everywhere": "1"}  # fmt: skip
SOUND = wav.header(1600) + b"\x01\x10" * 800


async def test_no_route_answers_without_a_session_or_with_a_forged_one(
    app: AppFixture, browser: Browser, site: Site
) -> None:
    api_key, _ = await app.container.tokens.create(app.account.id)
    login, _ = await app.container.tokens.create(app.account.id, app.alice.id, kind=TokenKind.LOGIN)
    phone_secret, _ = await app.container.tokens.create_phone_secret(app.account.id, app.alice.id, "alice")
    before, answered = await state_of(app), []
    for forged in ("", "x" * 43, site.own.box_id, api_key, login, phone_secret):
        for method, path in routes_of(app):
            if path in PUBLIC or path.startswith(LINK):
                continue
            headers = {"Cookie": f"ivr_session={forged}; __Host-ivr_session={forged}", "Origin": browser.url}
            response = await request(browser, method, site.fill(path, site.own), **headers)
            if (response.status_code, response.headers.get("location")) != (303, "/?notice=session_ended"):
                answered.append((forged, method, path, response.status_code))
    assert answered == []
    assert await state_of(app) == before


async def test_no_form_is_accepted_from_another_site_or_without_its_token(
    app: AppFixture, browser: Browser, site: Site
) -> None:
    await sign_in(app, browser, "system")
    await browser.open(f"/page/box/{site.own.box_id}")
    token, before, accepted = browser.csrf, await state_of(app), []
    link = link_to(app, site.own).partition("?")[2]
    for path in (path for method, path in routes_of(app) if method == "POST"):
        url = f"{site.fill(path, site.own)}?{link}"
        attacks = [
            {"X-CSRF-Token": token, "Origin": "https://evil.example"},
            {"X-CSRF-Token": token, "Origin": "null"},
            {"X-CSRF-Token": token, "Origin": browser.url, "Sec-Fetch-Site": "cross-site"},
            {"X-CSRF-Token": token, "Origin": browser.url, "Sec-Fetch-Site": "same-site"},
        ]
        if path not in WITHOUT_TOKEN:
            attacks += [{"Origin": browser.url}, {"Origin": browser.url, "X-CSRF-Token": "0" * 32}, {}]
        for headers, method in product(attacks, ("POST", "POST audio")):
            response = await request(browser, method, url, **headers)
            if response.status_code != 403:
                accepted.append((method, path, headers, response.status_code))
        # No form is sent by a link or a picture either.
        response = await request(browser, "GET", url)
        assert response.status_code in (200, 303, 404), path
    assert accepted == []
    assert await state_of(app) == before
    await browser.open("/")
    assert browser.page.status_code == 200, "still signed in"


async def test_no_route_reaches_mailboxes_messages_and_accounts_of_others(
    app: AppFixture, browser: Browser, other_browser: Browser, site: Site
) -> None:
    own = await app.container.boxes.get(site.own.box_id)
    await browser.sign_in_by_pin()
    await sign_in(app, other_browser, "")
    before, reached = await state_of(app), []

    async def try_route(who: Browser, method: str, path: str) -> None:
        headers = {"X-CSRF-Token": who.csrf, "Origin": who.url}
        if (response := await request(who, method, path, **headers)).status_code != 404:
            reached.append((who is browser, method, path, response.status_code))

    for who in (browser, other_browser):
        await who.open(f"/page/box/{own.id}")
        by_pin = who is browser
        assert who.csrf
        for method, path in routes_of(app):
            if path.startswith(LINK):
                continue
            if is_of_administrators(path):
                await try_route(who, method, site.fill(path, site.own))
            elif "{box_id}" in path:
                for message in (*([site.second] if by_pin else []), site.foreign, site.other_account):
                    await try_route(who, method, site.fill(path, message))
                    if "{message_id}" in path:
                        await try_route(who, method, site.fill(path, message, of=own))
    assert reached == []
    assert await state_of(app) == before


async def test_administrators_of_an_account_reach_no_other_by_any_route(
    app: AppFixture, browser: Browser, site: Site
) -> None:
    await sign_in(app, browser, "account")
    await browser.open(f"/page/admin/{app.account.id}")
    before, reached = await state_of(app), []
    for method, path in routes_of(app):
        if not is_of_administrators(path) or path == "/page/admin":
            continue
        paths = [site.fill(path, site.other_account)]
        if "{box_id}" in path:  # A mailbox of another account, below the own one.
            paths.append(path.format(account_id=app.account.id, box_id=site.other_account.box_id))
        for url in paths:
            headers = {"X-CSRF-Token": browser.csrf, "Origin": browser.url}
            response = await request(browser, method, url, **headers)
            if response.status_code != 404:
                reached.append((method, url, response.status_code))
    assert reached == []
    assert await state_of(app) == before


async def test_no_route_of_a_link_opens_anything_with_another_signature(
    app: AppFixture, browser: Browser, site: Site
) -> None:
    query = link_to(app, site.own).partition("?")[2]
    before, opened = await state_of(app), []
    for method, path in routes_of(app):
        if not path.startswith(LINK):
            continue
        own = site.fill(path, site.own)
        forged = [own, f"{own}?{query[:-1]}{'0' if query[-1] != '0' else '1'}", f"{own}?until=9999999999&signature=x"]
        forged += [f"{site.fill(path, other)}?{query}" for other in (site.second, site.foreign, site.other_account)]
        for url in forged:
            response = await request(browser, method, url, Origin=browser.url)
            if response.status_code != 403:
                opened.append((method, url, response.status_code))
    assert opened == []
    assert await state_of(app) == before


async def test_a_stream_that_is_asked_for_without_its_body_keeps_no_connection(
    app: AppFixture, browser: Browser, site: Site
) -> None:
    await sign_in(app, browser, "")
    limits, cookies = httpx.Limits(max_connections=1), browser.http.cookies
    async with httpx.AsyncClient(base_url=browser.url, timeout=15, limits=limits, cookies=cookies) as client:
        for path in ("/page/live", f"/page/box/{site.own.box_id}/live"):
            assert (await client.head(path)).headers["content-type"].startswith("text/event-stream")
            assert (await client.get("/")).status_code == 200


async def test_no_response_may_be_stored_shown_in_a_frame_or_read_as_another_type(
    app: AppFixture, browser: Browser, site: Site
) -> None:
    await sign_in(app, browser, "system")
    await browser.open(f"/page/box/{site.own.box_id}")
    link, csrf = link_to(app, site.own).partition("?")[2], browser.csrf
    for method, path in sorted(routes_of(app), key=lambda route: "sign-out" in route[1] or "call-back" in route[1]):
        headers = {"X-CSRF-Token": csrf, "Origin": browser.url}
        response = await request(browser, method, f"{site.fill(path, site.own)}?{link}", **headers)
        assert response.status_code < 500, path
        policy = response.headers["content-security-policy"]
        assert "frame-ancestors 'none'" in policy, path
        assert "default-src 'none'" in policy, path
        assert "script-src 'self';" in policy or "script-src" not in policy, path
        assert response.headers["x-frame-options"] == "DENY", path
        assert response.headers["x-content-type-options"] == "nosniff", path
        if response.status_code == 200 and "/static/" not in path:
            assert response.headers["cache-control"] == "no-store", f"{path} is on the disk after signing out"


async def test_no_screen_of_a_desk_phone_shows_mailboxes_and_messages_of_others(
    app: AppFixture, page_url: str, site: Site
) -> None:
    built: Any = build_desk_phone_app(build_page(app.container).services, ScreenRenderer())
    paths = [route.path for route in built.router.routes]
    own = await app.container.boxes.get(site.own.box_id)
    phone = DeskPhone("yealink", page_url, ("1000", "1379"))
    assert paths
    for path in paths:
        for message in (site.second, site.foreign, site.other_account):
            for box_id in (message.box_id, *([own.id] if "{message_id}" in path else [])):
                url = path.format(kind="yealink", box_id=box_id, message_id=message.id)
                if url == "/phone/yealink":
                    continue
                assert (await phone.open(url)).text == "This page or message does not exist, or not any more."
                assert phone.response.headers["x-frame-options"] == "DENY"
    await phone.http.aclose()


async def test_database_that_is_away_is_told_by_each_view_and_phone(
    app: AppFixture, browser: Browser, page_url: str, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also to browsers that ask for no language: that of the account cannot be read then."""
    await sign_in(app, browser, "system")
    await browser.open(f"/page/box/{site.own.box_id}")
    csrf = browser.csrf
    phones = [DeskPhone(kind, page_url, ("1000", "1379")) for kind in MEDIA_TYPES]
    for phone in phones:
        await phone.open()

    async def fail(*_: object, **__: object) -> None:
        raise StoreError("the database is away")

    for name in ("read", "write"):
        monkeypatch.setattr(app.container.database, name, fail)
    link, wrong = link_to(app, site.own).partition("?")[2], []
    for method, path in routes_of(app):
        if path == "/page/static/{name}" or path.endswith(("/live", "/greeting/{kind}", "/remove")):
            continue  # A file needs no database, a stream goes on when it is back, and this mailbox has no greeting.
        unread = "ivr_session=not-read-yet"
        for headers in ({"X-CSRF-Token": csrf}, {"Cookie": unread}, {"Cookie": ""}):
            if headers.get("Cookie") == "" and path not in ("/", "/page/sign-in") and not path.startswith(LINK):
                continue  # Without a session the sign-in follows.
            response = await request(browser, method, f"{site.fill(path, site.own)}?{link}&q=x", **headers)
            is_told = response.status_code == 503 and "Voicemail cannot be reached just now" in response.text
            if not is_told or response.headers.get("content-language") != "en":
                wrong.append((method, path, headers, response.status_code, response.text[:80]))
    assert wrong == []
    for phone in phones:
        assert (await phone.open()).text.startswith("Voicemail cannot be reached just now")
        assert phone.response.status_code == 503
        await phone.http.aclose()


async def test_stored_texts_are_text_in_every_view_and_language(app: AppFixture, browser: Browser, site: Site) -> None:
    await sign_in(app, browser, "system")
    await browser.open(f"/page/box/{site.own.box_id}")
    await store_hostile_texts(app, site.own)
    link = link_to(app, site.own).partition("?")[2]
    paths = [site.fill(path, site.own).replace("/call1", "/evil") for method, path in routes_of(app) if method == "GET"]
    box = f"/page/box/{site.own.box_id}"
    search, message = urlencode({"q": EVIL}), f"{box}/message/{site.own.id}"
    forged = urlencode({"folder": "new", "done": "delete", "id": EVIL, "lost": EVIL, "call_back": EVIL, "notice": EVIL})
    paths += [
        f"{box}?{forged}",
        f"{message}?{forged}",
        f"{message}?{search}",
        f"{box}/settings?{forged}",
        f"/?{forged}",
    ]
    paths += [f"{box}?done=delete&{urlencode({'lost': lost})}" for lost in ("²", "9" * 5000)]
    paths += [f"{box}/search?{search}", f"{box}/search?q=evil", f"{box}/search?q=evil&part=1"]
    paths += [f"/page/admin/{app.account.id}/calls?{urlencode({'caller': EVIL, 'box': EVIL})}"]
    for language in LANGUAGES:
        await set_languages(app, site.own, language)
        shown = 0
        for path in paths:
            if path.endswith("/live"):
                continue
            response = await browser.http.get(path + ("&" if "?" in path else "?") + link, follow_redirects=True)
            assert response.status_code in (200, 400, 404), (path, response.status_code)
            if not response.headers.get("content-type", "").startswith("text/html"):
                continue
            assert find_injected(response.text) == [], path
            assert response.headers["content-language"].startswith(language), path
            shown += "evil()" in response.text
        assert shown > 12, "hostile texts are seen in many views"


CONTROLS = {"a", "audio", "button", "input", "select", "summary", "textarea"}
NAMED_ALIKE = {"Administration", "Message", "Messages", "Name", "Password", "PIN", "Position", "Voicemail", "other"}
"""Names of controls that another language has, too, and the name of an account."""


async def test_each_control_of_each_view_has_a_name_in_each_language(
    app: AppFixture, browser: Browser, other_browser: Browser, site: Site
) -> None:
    """What a screen reader reads, also in texts that scripts show. A text of a person has no letter here."""
    await sign_in(app, browser, "system")
    await browser.open(f"/page/box/{site.own.box_id}")
    for _ in range(2):  # The second makes the first an earlier one.
        await app.create_recording(await app.container.boxes.get(site.own.box_id), MediaKind.TEMPORARY, s=2)
    link, box = link_to(app, site.own).partition("?")[2], f"/page/box/{site.own.box_id}"
    paths = [site.fill(path, site.own) for method, path in routes_of(app) if method == "GET"]
    paths += ["/page/admin/findings?run=1", f"{box}?folder=deleted", f"{box}/search?q=1", f"{box}?done=delete&id=1"]
    english: dict[tuple[str, Browser], list[str]] = {}
    nameless, untranslated = set(), set()
    for language in LANGUAGES:
        await set_languages(app, site.own, language)
        walk = [(path, browser) for path in paths if not path.endswith("/live")]
        for path, one in [*walk, ("/", other_browser), (paths[0] + "page/none", other_browser)]:
            one.http.headers["Accept-Language"] = language
            response = await one.http.get(path + ("&" if "?" in path else "?") + link, follow_redirects=True)
            if not response.headers.get("content-type", "").startswith("text/html"):
                continue
            names = names_in(response.text)
            nameless |= {(path, control) for control, name in names if not name}
            here = [name for _, name in names]
            first = english.setdefault((path, one), here)
            assert len(here) == len(first), (path, language)
            same = {one for one, other in zip(here, first, strict=True) if one == other and language != "en"}
            untranslated |= {(language, one) for one in same if re.search(r"[A-Za-z]{2}", one)}
    assert nameless == set()
    assert {(language, name) for language, name in untranslated if name not in NAMED_ALIKE} == set()
    assert sum(map(len, english.values())) > 400, "many controls were seen"


def names_in(html: str) -> list[tuple[str, str]]:
    """Return the accessible name of each control, and each text in an attribute that people hear or scripts show."""
    document = document_fromstring(html)
    names: list[tuple[str, str]] = []
    for element in document.iter(etree.Element):
        if element.tag in CONTROLS and element.get("type") != "hidden":
            names.append((etree.tostring(element, encoding="unicode", with_tail=False)[:200], _name_of(element)))
        data = [(name, value) for name, value in element.items() if name.startswith("data-")]
        names += [(name, value if " " in value else "-") for name, value in data]  # Others are paths and marks.
        names += [(name, element.get(name) or "") for name in ("title", "placeholder") if name in element.attrib]
        names += [("aria-label", element.get("aria-label") or "")] if "aria-label" in element.attrib else []
    return names


def _name_of(element: Any) -> str:
    """Return the name of a control, as far as our views need the rules of the W3C."""
    root = element.getroottree()
    if ids := element.get("aria-labelledby", "").split():
        return " ".join(" ".join(found.itertext()) for id in ids for found in root.xpath("//*[@id=$id]", id=id)).strip()
    if label := element.get("aria-label"):
        return str(label).strip()
    if element.tag in ("input", "select", "textarea"):
        labels = [*root.xpath("//label[@for=$id]", id=element.get("id", "-")), *element.iterancestors("label")]
        parts = [
            text for label in labels for text in label.xpath(".//text()[not(ancestor::select or ancestor::textarea)]")
        ]
        return " ".join(" ".join(parts).split())
    return " ".join(" ".join(element.itertext()).split()) or element.get("data-on", "")  # Which its script shows.


def find_injected(html: str) -> list[str]:
    """Return what of a page is more than text: scripts, pictures, handlers, styles, computed templates."""
    elements = list(document_fromstring(html).iter(etree.Element))
    found = [str(element.tag) for element in elements if element.tag in ("img", "svg")]
    for element in elements:
        found += [name for name in element.attrib if name.startswith("on") or name == "style"]
        if element.tag == "script" and not (element.get("src") or "").startswith("/page/static/"):
            found.append("script")
    return found + re.findall(r"evil\(\)&gt;49", html)
