"""Pictures of the page for `docs/page.md`: `python -m tests.browser.make_pictures FOLDER`."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from ivr.web.doctor_process import COMMAND, DoctorProcess
from tests.browser.conftest import DESK, PASSWORD, PHONE, serve_page_site
from tests.support.chromium import new_context, start_chromium


async def make_pictures(folder: Path) -> None:
    """Write a picture of each view, in light and dark, on a phone and on a desk. The doctor is the real one."""
    with tempfile.TemporaryDirectory() as data:
        doctor = DoctorProcess(("env", f"IVR_DATA__FOLDER={data}/data", *COMMAND))
        async with serve_page_site(Path(data) / "data", doctor.run) as site, start_chromium() as browser:
            message = await site.leave_usual_messages()
            await site.app.create_box("1005", site.app.alice, name="Service")
            await site.add_administrator()
            for scheme in ("light", "dark"):
                for screen, viewport in (("phone", PHONE), ("desk", DESK)):
                    context = await new_context(browser, viewport=viewport, base_url=site.url, color_scheme=scheme)
                    page = await context.new_page()
                    await page.goto(site.link_to(message))
                    await page.locator("#wave[data-ready]").wait_for()
                    await page.screenshot(path=folder / f"page-link-{screen}-{scheme}.png")
                    await page.goto("/")
                    await page.screenshot(path=folder / f"page-sign-in-{screen}-{scheme}.png")
                    await page.get_by_label("User name", exact=True).fill("alice")
                    await page.get_by_label("Password", exact=True).fill(PASSWORD)
                    await page.keyboard.press("Enter")
                    await page.get_by_role("heading", name="Mailboxes").wait_for()
                    await page.screenshot(path=folder / f"page-mailboxes-{screen}-{scheme}.png")
                    await page.goto(f"/page/box/{site.box.id}")
                    await page.screenshot(path=folder / f"page-list-{screen}-{scheme}.png")
                    await page.goto(f"/page/box/{site.box.id}/search?q=bicycle")
                    await page.screenshot(path=folder / f"page-search-{screen}-{scheme}.png")
                    await page.goto(f"/page/box/{site.box.id}/message/{message.id}")
                    await page.locator("#wave[data-ready]").wait_for()
                    await page.screenshot(path=folder / f"page-message-{screen}-{scheme}.png", full_page=True)
                    await page.goto(f"/page/box/{site.box.id}/settings")
                    await page.get_by_role("button", name="Record").first.wait_for()
                    await page.screenshot(path=folder / f"page-settings-{screen}-{scheme}.png")
                    admin = f"/page/admin/{site.app.account.id}"
                    for view, path in (("boxes", ""), ("box", f"/box/{site.box.id}"), ("users", "/users"),
                                       ("outbox", "/outbox"), ("calls", "/calls")):  # fmt: skip
                        await page.goto(f"{admin}{path}")
                        await page.screenshot(path=folder / f"page-admin-{view}-{screen}-{scheme}.png")
                    await page.get_by_role("table").get_by_role("link").first.click()
                    await page.screenshot(path=folder / f"page-admin-call-{screen}-{scheme}.png")
                    await page.goto("/page/admin/findings?run=1")
                    await page.screenshot(path=folder / f"page-admin-findings-{screen}-{scheme}.png")
                    await site.speak("de")
                    await page.goto(f"/page/box/{site.box.id}")
                    await page.screenshot(path=folder / f"page-german-{screen}-{scheme}.png")
                    await site.speak("en")
                    await context.close()


if __name__ == "__main__":
    asyncio.run(make_pictures(Path(sys.argv[1])))
