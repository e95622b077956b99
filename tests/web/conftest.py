"""The page on a real socket, and browsers without scripts: they keep cookies and send forms as browsers do."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path
from typing import Any

import httpx
import pytest

from ivr.api.asgi import build_asgi_app
from ivr.api.server import ApiServer, ListenAddress
from ivr.health.finding import Finding, ok, problem
from ivr.page_services import build_page
from tests.support.app_fixture import AppFixture

PASSWORD = "correct horse"


async def find_nothing_but_a_problem() -> list[Finding]:
    """Stand for `ivr doctor`, which takes seconds."""
    return [ok("host", "enough space"), problem("mail", "<b>no</b> server", "mend it")]


class Browser:
    """A browser without scripts."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.http = httpx.AsyncClient(base_url=url, timeout=60, follow_redirects=True, verify=False)
        self.page = httpx.Response(200, text="")

    async def open(self, path: str) -> str:
        """Open a page; return its HTML. `page` is the response."""
        self.page = await self.http.get(path)
        return self.page.text

    async def send(self, path: str, *, origin: str | None = None, csrf: str | None = None, **fields: Any) -> str:
        """Send a form of the page shown, with its token unless there is another; return the HTML of what follows."""
        token = self.csrf if csrf is None else csrf
        data = {"csrf": token, **{name.rstrip("_"): value for name, value in fields.items()}}
        self.page = await self.http.post(path, data=data, headers={"Origin": origin or self.url})
        return self.page.text

    async def sign_in_by_pin(self, number: str = "1000", pin: str = "1379") -> str:
        return await self.send("/page/sign-in", with_="pin", number=number, pin=pin)

    async def sign_in_by_password(self, username: str = "alice", password: str = PASSWORD) -> str:
        return await self.send("/page/sign-in", with_="password", username=username, password=password)

    @property
    def csrf(self) -> str:
        """The token of the forms of the page shown."""
        found = re.search(r'name="csrf" value="(\w+)"', self.page.text)
        return found[1] if found else ""

    @property
    def rows(self) -> list[str]:
        """The messages of the list shown, each as text."""
        rows = re.findall(r'<li class="row.*?</li>', self.page.text, re.S)
        return [" ".join(unescape(re.sub(r"<[^>]+>", " ", row)).split()) for row in rows]

    @property
    def text(self) -> str:
        """The page shown, as text."""
        return " ".join(unescape(re.sub(r"<[^>]+>", " ", self.page.text)).split())

    @property
    def is_signed_in(self) -> bool:
        return "/page/sign-out" in self.page.text


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[AppFixture]:
    app = await AppFixture(tmp_path / "data").open()
    await app.container.credentials.set(app.alice, "alice", PASSWORD)
    yield app
    app.close()


@pytest.fixture
async def page_url(app: AppFixture) -> AsyncIterator[str]:
    """The URL of the REST port, with the page."""
    app.container.api_services.audio.renditions.clear()
    page = build_page(app.container, find_findings=find_nothing_but_a_problem)
    server = ApiServer(
        build_asgi_app(app.container.api_services, page), ListenAddress("127.0.0.1", 0), on_stop=page.close
    )
    yield await server.start()
    await server.stop()
    await app.container.stop_workers()


@pytest.fixture
async def browser(page_url: str) -> AsyncIterator[Browser]:
    browser = Browser(page_url)
    yield browser
    await browser.http.aclose()


@pytest.fixture
async def other_browser(page_url: str) -> AsyncIterator[Browser]:
    browser = Browser(page_url)
    yield browser
    await browser.http.aclose()
