"""`python -m bench.large_mailbox [--messages N] [--folder FOLDER]`: a mailbox of very many messages, beside one of 20.

Lists, searches and a sign-in by phone in both, and a run of retention that finds nothing, and one that hides messages.
The folder is filled if it is empty: about 20 minutes and 10 GB for a million. Nothing else may use it.
"""

from __future__ import annotations

import argparse
import asyncio
import sqlite3
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median
from urllib.error import HTTPError

from bench.call_cost import PIN, listen, serve
from bench.fill_boxes import create_boxes
from bench.request_rate import child, fetch, processor_s
from ivr import logging_setup
from ivr.app import App
from ivr.settings import DataSettings, LogSettings, Settings
from ivr.storage.records import Folder
from tests.api.conftest import tone

LARGE, SMALL, SMALL_COUNT = "5000", "5001", 20
ROUNDS = 5
HIDDEN = 1000
"""Messages that the second run of retention finds."""


async def create_data(folder: Path, count: int) -> None:
    """Fill a folder. Each 2,000th message is from a person with a name, each 1,000th has a transcript."""
    audio = folder / "audio.wav"
    audio.write_bytes(tone(3000))
    app = App(Settings(data=DataSettings(folder=folder / "data"))).open()

    def vary(connection: sqlite3.Connection) -> None:
        connection.execute("UPDATE messages SET caller_name = 'Zebra Smith' WHERE rowid % 2000 = 7")
        connection.execute("UPDATE messages SET transcription = 'the aardvark invoice' WHERE rowid % 1000 = 3")

    try:
        await create_boxes(app, {LARGE: count, SMALL: SMALL_COUNT}, {"pin": PIN}, audio, Folder.NEW)
        await app.database.write(vary)
    finally:
        app.close()


async def timed(call: Callable[[], Awaitable[object]], rounds: int = ROUNDS) -> str:
    """Return the first time and the median of the others, in milliseconds."""
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        await call()
        times.append(1000 * (time.perf_counter() - began))
    return f"{times[0]:,.1f}, {median(times[1:] or times):,.1f}"


async def measure_requests(folder: Path) -> None:
    app = App(Settings(data=DataSettings(folder=folder / "data"))).open()
    [account] = await app.directory.accounts()
    boxes = {box.number: box.id for box in await app.boxes.list_by_account(account.id)}
    token, _ = await app.tokens.create(account.id)
    app.close()
    base = f"/v2/accounts/{account.id}/vmboxes"
    with child("product", folder / "data") as url:
        for name, path in (
            ("list of boxes with counts", ""),
            ("list of 50", "/BOX/messages?page_size=50"),
            ("list of 50, oldest first", "/BOX/messages?page_size=50&ascending=true"),
            ("list of 50, saved (none)", "/BOX/messages?page_size=50&folder=saved"),
            ("caller's number, 50", "/BOX/messages?page_size=50&filter_caller_id_number=2001"),
            ("caller's number that left none", "/BOX/messages?page_size=50&filter_caller_id_number=7777"),
            ("search: a name of 1 in 2,000", "/BOX/messages?page_size=50&search=zebra"),
            ("search: a word of 1 in 1,000 transcripts", "/BOX/messages?page_size=50&search=aardvark"),
            ("search: the number of all", "/BOX/messages?page_size=50&search=2001"),
            ("search: nothing", "/BOX/messages?page_size=50&search=qwertz"),
            ("filter that fits nothing", "/BOX/messages?page_size=50&filter_call_id=none"),
            ("all at once (paginate=false)", "/BOX/messages?paginate=false"),
        ):
            cells = []
            for number in (LARGE, SMALL):
                address = f"{url}{base}{path.replace('BOX', boxes[number])}"

                async def request(address: str = address) -> None:
                    try:
                        fetch(address, token)
                    except HTTPError as error:
                        error.close()

                cells.append(await timed(request))
            print(f"| {name} | {' | '.join(cells)} |", flush=True)


async def measure_calls(folder: Path) -> None:
    async with serve(folder) as (process_id, agi_port):
        for name, by_pin in (("own phone to the first message", False), ("PIN to the first message", True)):
            cells = []
            for number in (LARGE, SMALL):
                used = processor_s(process_id)

                async def call(number: str = number, by_pin: bool = by_pin) -> None:
                    await listen(agi_port, number, by_pin=by_pin)

                cells.append(f"{await timed(call)} ({1000 * (processor_s(process_id) - used) / ROUNDS:.0f} processor)")
            print(f"| {name} | {' | '.join(cells)} |", flush=True)


async def measure_retention(folder: Path) -> None:
    app = App(Settings(data=DataSettings(folder=folder / "data"))).open()
    worker = app.retention_worker

    async def run_until_done() -> None:
        while await worker.run_once():
            pass

    try:
        print(f"| run of retention, nothing due | {await timed(run_until_done, 3)} | |")
        sql = "UPDATE messages SET retention_from = 1 WHERE rowid IN (SELECT rowid FROM messages LIMIT ?)"
        await app.database.write(lambda c: c.execute(sql, (HIDDEN,)).rowcount)
        print(f"| run of retention, {HIDDEN:,} messages to hide | {await timed(run_until_done, 1)} | |", flush=True)
    finally:
        app.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.large_mailbox", description=__doc__)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    logging_setup.configure_logging(LogSettings(level="warning"))
    with tempfile.TemporaryDirectory(dir="/var/tmp") as temporary:
        folder = options.folder or Path(temporary)
        if not (folder / "data").exists():
            asyncio.run(create_data(folder, options.messages))
        print(f"| milliseconds: first, then median | {options.messages:,} messages | {SMALL_COUNT} |\n|---|---|---|")
        for measure in (measure_requests, measure_calls, measure_retention):
            asyncio.run(measure(folder))


if __name__ == "__main__":
    main()
