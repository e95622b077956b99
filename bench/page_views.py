"""`python -m bench.page_views`: the page of a mailbox with 10,000 messages, live updates, and search.

500 pages are open while messages arrive; then words are searched in 100,000 transcripts. Runs in one process, without
Asterisk, and takes some minutes. `--messages N` searches in fewer.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import re
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from time import perf_counter

import httpx

from bench.figures import percentile
from ivr.api.asgi import build_asgi_app
from ivr.api.http_protocol import ConnectionLimits
from ivr.api.server import ApiServer, ListenAddress
from ivr.app import App
from ivr.directory.models import Account
from ivr.mailbox.mailbox import Mailbox
from ivr.page_services import build_page
from ivr.settings import Settings

NUMBER, PIN = "1000", "1379"
LIST_SIZE = 10_000
SEARCHES = 300
OWNERS, PAGES_OF_OWNER = 25, 20
"""Open pages with live updates: 500."""
ROUNDS = 10
VOCABULARY = 20_000
WORDS_PER_TRANSCRIPT = 40
SYLLABLES = ["ba", "ke", "li", "mo", "nu", "ra", "se", "ti", "vo", "zu", "da", "fe", "gi", "ho", "ju"]


async def main(messages: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        app = App(Settings(data={"folder": Path(folder) / "data", "fsync": False}, pins={"bcrypt_cost": 4})).open()
        account = await app.directory.create_account(Account(name="bench", realm="bench.example"))
        box = await app.boxes.create(account, {"mailbox": NUMBER, "name": "b", "pin": PIN, "is_setup": True})
        try:
            async with _signed_in(app) as http:
                words = vocabulary()
                await fill(app, box, LIST_SIZE, words)
                print(f"first view: {await _first_view_bytes(http):,} bytes over the wire, scripts and styles included")
                print(_row(f"list of {LIST_SIZE:,}, a part", await _measure_list(http, box)))
                print(
                    _row(
                        f"{OWNERS * PAGES_OF_OWNER} open pages, from the change to the event", await _measure_live(app)
                    )
                )
                await fill(app, box, messages - LIST_SIZE, words, first=LIST_SIZE)
                await app.database.truncate_log()
                size_mb = sum(app.database.file_sizes().values()) / 1_000_000
                print(f"{messages:,} transcripts of {WORDS_PER_TRANSCRIPT} words, database {size_mb:.0f} MB")
                for name, texts in _searches(words).items():
                    print(_row(name, await _measure_searches(http, box, texts)))
        finally:
            await app.stop_workers()
            app.close()


@asynccontextmanager
async def _signed_in(app: App) -> AsyncIterator[httpx.AsyncClient]:
    page = build_page(app)
    server = ApiServer(build_asgi_app(app.api_services, page), ListenAddress("127.0.0.1", 0), on_stop=page.close)
    url = await server.start()
    async with httpx.AsyncClient(base_url=url, timeout=60, follow_redirects=True) as http:
        form = {"with": "pin", "number": NUMBER, "pin": PIN}
        (await http.post("/page/sign-in", data=form, headers={"Origin": url})).raise_for_status()
        yield http
    await server.stop()


def vocabulary() -> list[str]:
    rng = random.Random(20)
    words = {"".join(rng.choices(SYLLABLES, k=rng.choice((2, 3, 4, 5)))) for _ in range(4 * VOCABULARY)}
    return rng.sample(sorted(words), VOCABULARY)


async def fill(app: App, box: Mailbox, count: int, words: Sequence[str], *, first: int = 0) -> None:
    """Store messages with transcripts in which words are as frequent as in a language: the nth 1/n as often."""
    rng = random.Random(first)
    total, cumulative = 0.0, []
    for rank in range(1, len(words) + 1):
        total += 1 / rank
        cumulative.append(total)
    now = int(app.clock.now())

    def insert(connection: sqlite3.Connection) -> int:
        for n in range(first, first + count):
            text = " ".join(rng.choices(words, cum_weights=cumulative, k=WORDS_PER_TRANSCRIPT))
            name = " ".join(rng.choices(words, k=2))
            number = f"+4930{rng.randrange(10**7):07}"
            connection.execute(
                _INSERT, (f"202611-{n:032x}", box.account_id, box.id, n, now - n, now - n, number, name, text)
            )
        return count

    await app.database.write(insert)


_INSERT = (
    "INSERT INTO messages (id, account_id, box_id, folder, folder_changed_at, arrival_seq, urgent, time,"
    " retention_from, length_ms, sample_rate, bytes, intro_ms, caller_number, caller_name, transcription, history,"
    " revision, stored_at)"
    " VALUES (?, ?, ?, 'new', 0, ?, 0, ?, ?, 20000, 8000, 100, 0, ?, ?, ?, '[]', 1, 1)"
)


def _searches(words: Sequence[str]) -> dict[str, list[str]]:
    """Return texts to search for: frequent and rare words, their beginnings, two words, parts of numbers."""
    rng = random.Random(7)
    return {
        "one of the 50 most frequent words": [rng.choice(words[:50]) for _ in range(SEARCHES)],
        "a rare word": [rng.choice(words[1000:]) for _ in range(SEARCHES)],
        "the beginning of a word": [rng.choice(words)[:3] for _ in range(SEARCHES)],
        "two words": [f"{rng.choice(words[:200])} {rng.choice(words[:2000])}" for _ in range(SEARCHES)],
        "a part of a number": [f"{rng.randrange(10**5):05}" for _ in range(SEARCHES)],
        "a word that is nowhere": [f"xy{n}" for n in range(SEARCHES)],
    }


async def _measure_searches(http: httpx.AsyncClient, box: Mailbox, texts: Sequence[str]) -> list[float]:
    times = []
    for text in texts:
        start = perf_counter()
        (await http.get(f"/page/box/{box.id}/search", params={"q": text})).raise_for_status()
        times.append(1000 * (perf_counter() - start))
    return times


async def _measure_list(http: httpx.AsyncClient, box: Mailbox) -> list[float]:
    """Return the milliseconds of each part of the list, from the newest message to the oldest."""
    times, path = [], f"/page/box/{box.id}?folder=new"
    while path:
        start = perf_counter()
        text = (await http.get(path)).raise_for_status().text
        times.append(1000 * (perf_counter() - start))
        found = re.search(r'data-more href="([^"]+)"', text)
        path = found[1].replace("&amp;", "&") if found else ""
    return times


async def _measure_live(app: App) -> list[float]:
    """Return the milliseconds from a change of a mailbox to the event at each of its open pages."""
    boxes = [
        await app.boxes.create(await app.directory.find_account_by_name("bench"), _owner(n)) for n in range(OWNERS)
    ]
    page = build_page(app)
    many = ConnectionLimits(max_connections=2 * OWNERS * PAGES_OF_OWNER, max_per_address=0)
    address = ListenAddress("127.0.0.1", 0, connection_limits=many)
    server = ApiServer(build_asgi_app(app.api_services, page), address, on_stop=page.close)
    url = await server.start()
    changed_at: dict[str, float] = {}
    times: list[float] = []
    opened = 0

    async def follow(http: httpx.AsyncClient, box: Mailbox) -> None:
        nonlocal opened
        async with http.stream("GET", f"{url}/page/box/{box.id}/live", timeout=None) as response:
            async for line in response.aiter_lines():
                if not line.startswith("data:"):
                    continue
                if box.id in changed_at:
                    times.append(1000 * (perf_counter() - changed_at[box.id]))
                else:
                    opened += 1

    limits = httpx.Limits(max_connections=None)
    clients = [httpx.AsyncClient(base_url=url, timeout=60, limits=limits) for _ in boxes]
    followers = []
    for http, box in zip(clients, boxes, strict=True):
        form = {"with": "pin", "number": box.number, "pin": PIN}
        await http.post("/page/sign-in", data=form, headers={"Origin": url})
        followers += [asyncio.create_task(follow(http, box)) for _ in range(PAGES_OF_OWNER)]
    while opened < len(followers):
        await asyncio.sleep(0.1)
    for round_ in range(ROUNDS):
        for place, box in enumerate(boxes):
            changed_at[box.id] = perf_counter()
            await app.database.write(
                lambda c, box=box, n=round_ * OWNERS + place: (
                    c.execute(  # type: ignore[misc]
                        _INSERT, (f"202612-{n:032x}", box.account_id, box.id, n, n, n, "2001", "", "")
                    ).rowcount
                )
            )
        while len(times) < (round_ + 1) * len(followers):
            await asyncio.sleep(0.05)
    for task in followers:
        task.cancel()
    await asyncio.gather(*followers, return_exceptions=True)
    await server.stop()
    for http in clients:
        await http.aclose()
    return times


def _owner(n: int) -> dict[str, object]:
    return {"mailbox": str(2000 + n), "name": "o", "pin": PIN, "is_setup": True}


async def _first_view_bytes(http: httpx.AsyncClient) -> int:
    """Return the bytes of the first view of a mailbox, with each file that it names, as they are sent."""
    view = await http.get("/")
    files = set(re.findall(r'(?:href|src)="(/page/static/[^"]+)"', view.text))
    total = len(view.content)
    for path in files:
        total += len((await http.get(path)).content)
    return total


def _row(name: str, times: Sequence[float]) -> str:
    median, most = percentile(times, 0.5), percentile(times, 0.95)
    return f"{name}: median {median:.1f} ms, 95 % under {most:.1f} ms ({len(times)} times)"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=100_000)
    asyncio.run(main(parser.parse_args().messages))
