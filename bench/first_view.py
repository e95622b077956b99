"""`python -m bench.first_view`: how soon a slow phone shows the page, in Chromium.

The phone is that of Lighthouse: 1.6 Mbit/s, 150 ms for each round trip, a processor slowed down four times, no cache.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
from pathlib import Path
from typing import Any

from tests.browser.conftest import PHONE, PageSite, serve_page_site
from tests.support.chromium import new_context, start_chromium, why_no_browser

ROUNDS = 7
NETWORK = {"offline": False, "latency": 150, "downloadThroughput": 1_600_000 / 8, "uploadThroughput": 750_000 / 8}
PROCESSOR_SLOWDOWN = 4
WATCH_PAINT = """
window.paints = {};
new PerformanceObserver((list) => {
  for (const one of list.getEntries()) window.paints[one.entryType] = one.startTime;
}).observe({ type: "largest-contentful-paint", buffered: true });
"""
READ_TIMES = """() => new Promise((resolve) => setTimeout(() => {
  const first = performance.getEntriesByName("first-contentful-paint")[0];
  const [view] = performance.getEntriesByType("navigation");
  const all = [view, ...performance.getEntriesByType("resource").filter((one) => !one.name.endsWith("/live"))];
  resolve({ first: first.startTime, largest: window.paints["largest-contentful-paint"], loaded: view.loadEventEnd,
            bytes: all.reduce((sum, one) => sum + one.transferSize, 0) });
}, 300))"""


async def main() -> None:
    if reason := why_no_browser():
        raise SystemExit(reason)
    with tempfile.TemporaryDirectory() as folder:
        async with serve_page_site(Path(folder) / "data") as site, start_chromium() as browser:
            message = await site.leave_usual_messages()
            for n in range(60):
                await site.app.create_message(site.box, s=0.5, age_s=60 * n + 7200)
            views = {
                "sign-in": "/",
                "folder, 50 messages": f"/page/box/{site.box.id}",
                "message": f"/page/box/{site.box.id}/message/{message.id}",
            }
            for name, path in views.items():
                times = [await _measure(browser, site, path) for _ in range(ROUNDS)]
                median = {key: statistics.median(one[key] for one in times) for key in times[0]}
                print(
                    f"{name}: first text after {median['first']:.0f} ms, largest {median['largest']:.0f} ms, loaded"
                    f" {median['loaded']:.0f} ms, {median['bytes']:,.0f} bytes (medians of {ROUNDS})",
                    flush=True,
                )


async def _measure(browser: Any, site: PageSite, path: str) -> dict[str, float]:
    """Open a view as a browser that was never there does, but for its session. Return milliseconds and bytes."""
    context = await new_context(browser, viewport=PHONE, base_url=site.url)
    page = await context.new_page()
    if path != "/":
        form = {"with": "pin", "number": "1000", "pin": "1379"}
        await page.request.post("/page/sign-in", form=form, headers={"Origin": site.url})
    await page.add_init_script(WATCH_PAINT)
    devtools = await context.new_cdp_session(page)
    await devtools.send("Network.enable")
    await devtools.send("Network.emulateNetworkConditions", NETWORK)
    await devtools.send("Emulation.setCPUThrottlingRate", {"rate": PROCESSOR_SLOWDOWN})
    await page.goto(path, wait_until="load")
    times: dict[str, float] = await page.evaluate(READ_TIMES)
    await context.close()
    return times


if __name__ == "__main__":
    asyncio.run(main())
