"""`python -m bench.open_pages`: key to sound at a phone beside 500 open pages whose mailboxes change all the time.

Runs in a lab of its own, as root on Debian. Rounds without and with pages take turns, so that what else the machine
does is in both. The browsers are one process with lower priority, as they would run on other machines; each second
ten mailboxes change, and the process measures how soon their pages have the events.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from collections import defaultdict
from contextlib import suppress
from statistics import median
from time import perf_counter

import httpx

from bench.bench_lab import PIN, BenchLab
from bench.figures import percentile
from bench.paired_runs import key_times_ms
from bench.rest_api import OWNERS

ROUNDS = 8
KEYS = 15
"""In a round without open pages, and as many in one with them."""
BOXES = [str(2000 + n) for n in range(25)]
PAGES_OF_BOX = 20
PAUSE_S = 0.1
"""Between two changes."""
NICENESS = 15


async def main() -> None:
    lab = BenchLab({OWNERS: 10, **dict.fromkeys(BOXES, 1)})
    lab.environment["IVR_API__MAX_CONNECTIONS_PER_ADDRESS"] = "0"
    alone: list[list[float]] = []
    beside: list[list[float]] = []
    delays: list[float] = []
    try:
        lab.create_data()
        lab.start()
        for number in range(ROUNDS):
            is_alone_first = number % 2 == 0
            if is_alone_first:
                alone.append(await key_times_ms(lab, OWNERS, KEYS, seed=number))
            browsers = await _start_browsers(f"http://127.0.0.1:{lab.rest_port}")
            beside.append(await key_times_ms(lab, OWNERS, KEYS, seed=number))
            delays += json.loads((await browsers.communicate(b""))[0])
            if not is_alone_first:
                alone.append(await key_times_ms(lab, OWNERS, KEYS, seed=number))
            print(f"round {number + 1}: {median(alone[-1]):.1f} ms, with pages {median(beside[-1]):.1f} ms", flush=True)
    finally:
        lab.stop()
        lab.remove()
    print("| | median | 95 % under |\n|---|---|---|")
    _print_row("key to sound, no open page", [ms for times in alone for ms in times])
    _print_row(f"key to sound, {len(BOXES) * PAGES_OF_BOX} open pages", [ms for times in beside for ms in times])
    _print_row(f"change to event, {len(delays)} events", delays)
    differences = [median(b) - median(a) for a, b in zip(alone, beside, strict=True)]
    print(f"with pages - without, medians of rounds: {median(differences):+.1f} ms "
          f"({min(differences):+.1f} to {max(differences):+.1f})")  # fmt: skip


async def _start_browsers(url: str) -> asyncio.subprocess.Process:
    """Return the process when all its pages are open. It ends when its input does."""
    browsers = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.open_pages", url),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        preexec_fn=lambda: os.nice(NICENESS) and None,
    )
    assert browsers.stdout
    await browsers.stdout.readline()
    return browsers


async def open_pages(url: str) -> None:
    """Open the pages, print a line, change the mailboxes until the input ends, and print the ms of all events."""
    changed_at: dict[str, float] = {}
    delays: defaultdict[str, list[float]] = defaultdict(list)
    is_open = asyncio.Semaphore(0)

    async def follow(http: httpx.AsyncClient, number: str, path: str) -> None:
        async with http.stream("GET", path, timeout=None) as response:
            async for line in response.aiter_lines():
                if line.startswith("data:") and number in changed_at:
                    delays[number].append(1000 * (perf_counter() - changed_at[number]))
                elif line.startswith("data:"):
                    is_open.release()

    clients, followers, forms = {}, [], {}
    for number in BOXES:
        http = httpx.AsyncClient(base_url=url, timeout=60, limits=httpx.Limits(max_connections=None))
        http.headers["Origin"] = url
        await http.post("/page/sign-in", data={"with": "pin", "number": number, "pin": PIN}, follow_redirects=True)
        page = await http.get("/", follow_redirects=True)
        csrf, message = (re.findall(rf'name="{name}" value="([\w-]+)"', page.text)[0] for name in ("csrf", "id"))
        clients[number], forms[number] = http, {"csrf": csrf, "id": message}
        followers += [asyncio.create_task(follow(http, number, f"{page.url.path}/live")) for _ in range(PAGES_OF_BOX)]
        forms[number]["path"] = f"{page.url.path}/messages"
    for _ in followers:
        await is_open.acquire()
    print(flush=True)
    end = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
    changes = 0
    while not end.done():
        number = BOXES[changes % len(BOXES)]
        action = ("urgent", "not_urgent")[changes // len(BOXES) % 2]
        form = forms[number]
        changed_at[number] = perf_counter()
        await clients[number].post(form["path"], data={**form, "action": action}, follow_redirects=False)
        changes += 1
        await asyncio.sleep(PAUSE_S)
    for task in followers:
        task.cancel()
    await asyncio.gather(*followers, return_exceptions=True)
    print(json.dumps([ms for times in delays.values() for ms in times]))
    with suppress(httpx.HTTPError):
        for http in clients.values():
            await http.aclose()


def _print_row(name: str, times: list[float]) -> None:
    print(f"| {name} | {median(times):.1f} ms | {percentile(times, 0.95):.1f} ms |", flush=True)


if __name__ == "__main__":
    asyncio.run(open_pages(sys.argv[1]) if len(sys.argv) > 1 else main())
