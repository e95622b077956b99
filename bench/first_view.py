"""`python -m bench.first_view`: how soon a slow phone shows the page, in Chromium.

The phone is that of Lighthouse: 1.6 Mbit/s, 150 ms for each round trip, a processor slowed down four times, no cache.
The views take turns, so that what else the machine does is in all of them; each is compared with the sign-in.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
from pathlib import Path
from typing import Any

from bench.page_views import fill, vocabulary
from tests.browser.conftest import PHONE, PageSite, serve_page_site
from tests.support.chromium import new_context, start_chromium, why_no_browser

ROUNDS = 7
LARGE_BOX, LARGE_BOX_MESSAGES = "1010", 10_000
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
            large = await site.app.create_box(LARGE_BOX, site.app.alice)
            await fill(site.app.container, large, LARGE_BOX_MESSAGES, vocabulary())
            views = {
                "sign-in": ("/", ""),
                "folder, 50 of 64 messages": (f"/page/box/{site.box.id}", "1000"),
                f"folder, 50 of {LARGE_BOX_MESSAGES:,} messages": (f"/page/box/{large.id}", LARGE_BOX),
                "message": (f"/page/box/{site.box.id}/message/{message.id}", "1000"),
            }
            times: dict[str, list[dict[str, float]]] = {name: [] for name in views}
            for _ in range(ROUNDS):
                for name, (path, number) in views.items():
                    times[name].append(await _measure(browser, site, path, number))
            for name, measured in times.items():
                median = {key: statistics.median(one[key] for one in measured) for key in measured[0]}
                ratio = statistics.median(
                    one["first"] / sign_in["first"] for one, sign_in in zip(measured, times["sign-in"], strict=True)
                )
                print(
                    f"{name}: first text after {median['first']:.0f} ms, largest {median['largest']:.0f} ms, loaded"
                    f" {median['loaded']:.0f} ms, {median['bytes']:,.0f} bytes (medians of {ROUNDS});"
                    f" {ratio:.2f} times the sign-in",
                    flush=True,
                )


async def _measure(browser: Any, site: PageSite, path: str, number: str) -> dict[str, float]:
    """Open a view as a browser that was never there does, but for its session, by the PIN of mailbox `number`.

    Return milliseconds and bytes.
    """
    context = await new_context(browser, viewport=PHONE, base_url=site.url)
    page = await context.new_page()
    if number:
        form = {"with": "pin", "number": number, "pin": "1379"}
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
