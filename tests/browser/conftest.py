"""Debian's Chromium, driven by Playwright, and the page with a mailbox in it. Without it the tests are skipped."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ivr.api.asgi import build_asgi_app
from ivr.api.audio_links import AudioLinks, message_page_path
from ivr.api.server import ApiServer, ListenAddress
from ivr.mailbox.mailbox import Mailbox
from ivr.page_services import build_page
from ivr.storage.records import Caller, Folder, Message
from ivr.web.page_dependencies import FindFindings
from tests.support.app_fixture import AppFixture
from tests.support.chromium import start_chromium, why_no_browser
from tests.web.conftest import find_nothing_but_a_problem

PASSWORD = "correct horse"
PHONE, DESK = {"width": 360, "height": 720}, {"width": 1100, "height": 760}
LOOKS: tuple[dict[str, str], ...] = (
    {"color_scheme": "light", "forced_colors": "none", "reduced_motion": "no-preference"},
    {"color_scheme": "dark", "forced_colors": "none", "reduced_motion": "reduce"},
    {"color_scheme": "dark", "forced_colors": "active", "reduced_motion": "reduce"},
)
"""Settings of systems that change how a page looks."""
BARRIERS = {
    "runOnly": {
        "type": "tag",
        "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    },
    "rules": {"target-size": {"enabled": True}},
}
"""What axe looks for: WCAG 2.2 AA with the size of targets, which axe leaves out unless asked, and good practice."""
TRANSCRIPT = (
    "Hello, this is Maria from the bicycle shop. Your wheel is ready, you can pick it up until six. If you cannot come"
    " today, call us, and we keep it until Saturday."
)


@dataclass
class PageSite:
    """The page of alice's mailbox 1000, on a real socket."""

    app: AppFixture
    box: Mailbox
    url: str
    bobs: Mailbox
    server: ApiServer
    find_findings: FindFindings

    async def restart(self, meanwhile: Awaitable[Any]) -> None:
        """Stop the service, do something, and start it again at the same address."""
        await self.server.stop()
        await meanwhile
        self.server = _new_server(self.app, int(self.url.rsplit(":", 1)[1]), self.find_findings)
        await self.server.start()

    async def leave_message(
        self, name: str = "", number: str = "2001", *, s: float = 2.0, transcript: str = "", **options: Any
    ) -> Message:
        """Store a message that sounds like a rising and falling tone."""
        count = int(s * 8000)
        pcm = struct.pack(
            f"<{count}h",
            *(int(14000 * abs(math.sin(n / 5000)) * math.sin(2 * math.pi * 440 * n / 8000)) for n in range(count)),
        )
        at = int(self.app.clock.now()) - options.pop("age_s", 60)
        folder = Folder(options.pop("folder", "new"))
        message = await self.app.container.delivery.import_recording(
            self.box, pcm, Caller(number, name), at, folder, **options
        )
        if transcript:
            await self.transcribe(message, transcript)
        return message

    async def transcribe(self, message: Message, text: str, **members: Any) -> None:
        """Store a transcript of a message. `members`: further ones of its document, such as words."""
        document = json.dumps({"result": "success", "text": text, **members})
        sql = "UPDATE messages SET transcription = ? WHERE id = ?"
        await self.app.container.database.write(lambda c: c.execute(sql, (document, message.id)).rowcount)

    def link_to(self, message: Message) -> str:
        """Return the link to a message as mails have it."""
        links = AudioLinks(self.app.container.peppers, self.app.clock, lifetime_s=3600)
        return links.create(message_page_path(message.box_id, message.id))[0]

    async def speak(self, language: str) -> None:
        """Make a language that of alice."""
        directory = self.app.container.directory
        alice = await directory.user(self.app.alice.id)
        await directory.update_user(alice.model_copy(update={"language": language}))

    async def add_administrator(self) -> None:
        """Give alice the rights of the system, and leave what an administrator looks at."""
        directory = self.app.container.directory
        alice = await directory.user(self.app.alice.id)
        await directory.update_user(alice.model_copy(update={"settings": {"administrator": "system"}}))
        await self.app.run_call(endpoint="alice", number="1000")

    async def leave_usual_messages(self) -> Message:
        """Store what a mailbox may contain, and return the newest message."""
        await self.leave_message("", "", age_s=200_000, folder="saved")
        await self.leave_message("Peter Green", "+441632960001", age_s=90_000, s=7)
        await self.leave_message("", "2002", age_s=7200, urgent=True)
        return await self.leave_message("Maria's bicycles", "5550100", age_s=600, s=9, transcript=TRANSCRIPT)


@asynccontextmanager
async def serve_page_site(
    folder: Path, find_findings: FindFindings = find_nothing_but_a_problem
) -> AsyncIterator[PageSite]:
    """Serve the page of a new installation in `folder`, which may call back."""
    app = await AppFixture(folder, voicemail={"callback_context": "callbacks"}, ami={"secret": "word"}).open()
    await app.container.credentials.set(app.alice, "alice", PASSWORD)
    box, bobs = await app.create_box("1000", app.alice, name="Alice"), await app.create_box("1001", app.bob)
    app.container.api_services.audio.renditions.clear()
    server = _new_server(app, 0, find_findings)
    site = PageSite(app, box, await server.start(), bobs, server, find_findings)
    try:
        yield site
    finally:
        await site.server.stop()
        await app.container.stop_workers()
        app.close()


def _new_server(app: AppFixture, port: int, find_findings: FindFindings) -> ApiServer:
    page = build_page(app.container, find_findings=find_findings)
    return ApiServer(
        build_asgi_app(app.container.api_services, page), ListenAddress("127.0.0.1", port), on_stop=page.close
    )


async def require_no_barriers(page: Any, looks: tuple[dict[str, str], ...] = LOOKS) -> None:
    """Let axe look at a view in each of `looks`, and see that nothing moves for those who want no motion."""
    from axe_playwright_python.async_playwright import Axe

    for look in looks:
        await page.emulate_media(**look)
        found = await Axe().run(page, options=BARRIERS)
        assert found.violations_count == 0, f"{look}: {found.generate_report()}"
        if look["reduced_motion"] == "reduce":
            assert await page.evaluate("document.getAnimations().length") == 0
    await page.emulate_media(**LOOKS[0])


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[PageSite]:
    async with serve_page_site(tmp_path / "data") as site:
        yield site


@pytest.fixture
async def chromium() -> AsyncIterator[Any]:
    if reason := why_no_browser():
        pytest.skip(reason)
    async with start_chromium() as browser:
        yield browser
