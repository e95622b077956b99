"""The page of `ivr serve` in a process of its own, which is killed and stopped while its owner is at work."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from ivr.clock import SystemClock
from ivr.mailbox.mailbox import Mailbox
from tests.browser.conftest import DESK
from tests.support.app_fixture import AppFixture
from tests.support.chromium import expect, new_context
from tests.support.free_port import free_port
from tests.support.service_site import Site

OLDER = 60


class RestartedService:
    """The service of an installation, which ends in other ways than by command."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._running = ExitStack()
        self._process: Any = None

    async def start(self) -> str:
        """Start it; return its URL."""
        service = await asyncio.to_thread(self._running.enter_context, self._site.service())
        self._process = service.process
        return str(service.url)

    async def end(self, by: signal.Signals) -> None:
        self._process.send_signal(by)
        await asyncio.to_thread(self._running.close)


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[AppFixture]:
    """The data folder of the service. This process changes it too, as a command does."""
    app = AppFixture(tmp_path / "data", data={"busy_timeout_ms": 5000})
    app.clock = SystemClock()  # type: ignore[assignment]
    yield await app.open()
    app.close()


@pytest.fixture
async def box(app: AppFixture) -> Mailbox:
    return await app.create_box("1000", app.alice)


async def test_owner_works_on_while_the_service_is_killed_and_stopped(
    app: AppFixture, box: Mailbox, chromium: Any
) -> None:
    bobs = await app.create_box("1001", app.bob)
    older = [await app.create_message(box, s=0.2, age_s=3600 + n) for n in range(OLDER)]
    played = await app.create_message(box, s=4, age_s=60, caller="2009")
    site = Site(app.settings.data.folder)
    site.environment["IVR_API__PORT"] = str(free_port())
    service = RestartedService(site)
    context = await new_context(chromium, viewport=DESK, base_url=await service.start())
    page = await context.new_page()
    away = page.get_by_text("The service cannot be reached just now: try again.")
    try:
        await page.goto("/")
        await page.get_by_label("Mailbox number", exact=True).fill("1000")
        await page.get_by_label("PIN", exact=True).fill("1379")
        await page.keyboard.press("Enter")
        # Killed while a message plays: it goes on.
        await page.get_by_role("link", name="2009").click()
        await page.locator("#wave[data-ready]").wait_for()
        await page.get_by_role("button", name="Play").click()
        await page.wait_for_function("() => document.getElementById('audio').currentTime > 0.2")
        await service.end(signal.SIGKILL)
        await service.start()
        await page.locator("#player[data-heard]").wait_for()
        assert await app.folder_of(played) == "saved"
        # Stopped while a note is recorded: it is there, and sent once.
        await page.get_by_text("Forward", exact=True).click()
        await page.get_by_label("Mailbox numbers").fill("1001")
        await page.get_by_role("button", name="Record a note").click()
        await page.get_by_role("button", name="Stop recording").wait_for()
        await service.end(signal.SIGTERM)
        await page.get_by_role("button", name="Send").click()
        await away.wait_for()
        await service.start()
        await page.get_by_role("button", name="Send").click()
        await page.get_by_text("Forwarded to mailboxes: 1.").wait_for()
        [copy] = await app.messages(bobs)
        assert copy.intro_ms
        # Killed while a folder is deleted: the rest stays selected, and the list shows what came meanwhile.
        await page.get_by_role("link", name="Back to the list").click()
        await page.get_by_role("navigation").get_by_role("link", name="New").click()
        await page.get_by_label("Select all on this page").check()
        await page.get_by_label("Select the older ones that are not shown yet, too").check()
        async with page.expect_request_finished(lambda request: request.method == "POST"):
            await page.get_by_role("button", name="Delete").click()
        await service.end(signal.SIGKILL)
        newest = await app.create_message(box, s=0.2, age_s=1, caller="2010")
        await service.start()
        await page.get_by_role("link", name="2010").wait_for()
        if await away.is_visible():
            await page.get_by_role("button", name="Delete").click()
        await page.get_by_text(f"Deleted: {OLDER}.").wait_for()
        assert {await app.folder_of(message) for message in older} == {"deleted"}
        assert await app.folder_of(newest) == "new"
        await expect(page.locator(".row")).to_have_count(1)
    finally:
        await service.end(signal.SIGTERM)
        await context.close()
