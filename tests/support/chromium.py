"""Debian's Chromium, driven by Playwright, with a fake microphone."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from typing import Any

CHROMIUM = os.environ.get("IVR_TEST_CHROMIUM") or shutil.which("chromium") or ""
CHROMIUM_OPTIONS = [
    *("--no-sandbox", "--autoplay-policy=no-user-gesture-required", "--mute-audio"),
    *("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"),
]

TIMEOUT_MS = 120_000


def why_no_browser() -> str:
    """Return why these tests cannot run here; "" if they can."""
    if not CHROMIUM:
        return "Chromium is not installed: apt-get install chromium"
    missing = [name for name in ("playwright", "axe_playwright_python") if not find_spec(name)]
    return f"not installed: {', '.join(missing)}: pip install -e '.[test]'" if missing else ""


@asynccontextmanager
async def start_chromium() -> AsyncIterator[Any]:
    """Start Chromium; yields Playwright's `Browser`."""
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_OPTIONS)
        yield browser
        await browser.close()


async def new_context(browser: Any, **options: Any) -> Any:
    """Return a browser without cookies, whose steps may take long because other tests run beside it."""
    context = await browser.new_context(**options)
    context.set_default_timeout(TIMEOUT_MS)
    return context


def expect(locator: Any, message: str | None = None) -> Any:
    """Return Playwright's assertions about `locator`. They wait: a view shows a change a moment after its notice."""
    from playwright.async_api import expect as expect_of

    expect_of.set_options(timeout=TIMEOUT_MS)
    return expect_of(locator, message)
