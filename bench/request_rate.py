"""`python -m bench.request_rate [--messages N] [--seconds S] [--rounds R]`: requests a second, against a bare route.

Each request of the API is measured in turn with a FastAPI route of two dependencies that sends the same bytes from the
same server. Both run in processes of their own; `wrk` (apt install wrk) sends the requests, with 1 and 8 connections.
A third column repeats the measurement while another process commits to the database ten times a second.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import re
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Annotated
from urllib.request import Request, urlopen

from fastapi import Depends, FastAPI
from starlette.responses import Response

from bench.fill_boxes import create_boxes
from ivr import logging_setup
from ivr.api.asgi import build_asgi_app
from ivr.api.server import ApiServer, ListenAddress
from ivr.app import App
from ivr.audio import wav
from ivr.settings import DataSettings, LogSettings, Settings
from ivr.storage.records import Folder

NUMBER = "5000"
CONNECTIONS = (1, 8)
COMMITS_PER_S = 10
MEGABYTE_SAMPLES = 500_000


@dataclass(frozen=True)
class MeasuredRequest:
    """One row: a request of the API, and a file with the bytes of its response."""

    name: str
    method: str
    path: str
    body: str
    response: Path


async def serve_product(folder: Path) -> None:
    """Serve the API of a data folder until the process is killed; print its URL."""
    settings = Settings(data=DataSettings(folder=folder), log=LogSettings(level="warning"))
    logging_setup.configure_logging(settings.log)
    app = App(settings).open()
    app.api_services.audio.renditions.clear()
    print(await ApiServer(build_asgi_app(app.api_services), ListenAddress("127.0.0.1", 0)).start(), flush=True)
    await asyncio.Event().wait()


async def bare_token() -> str:
    return "token"


async def bare_account(token: Annotated[str, Depends(bare_token)]) -> str:
    return token


async def serve_bare_route(responses: Path) -> None:
    """Serve files on a route with two dependencies, on the same server; print its URL."""
    app, contents = FastAPI(), {file.name: file.read_bytes() for file in responses.iterdir()}

    @app.api_route("/{name}", methods=["GET", "POST"])
    async def send(name: str, owner: Annotated[str, Depends(bare_account)]) -> Response:
        return Response(contents[name], media_type="application/json")

    print(await ApiServer(app, ListenAddress("127.0.0.1", 0)).start(), flush=True)
    await asyncio.Event().wait()


async def commit_regularly(folder: Path) -> None:
    """Commit to the database, as calls do, until the process is killed."""
    app = App(Settings(data=DataSettings(folder=folder))).open()
    await app.database.write(lambda c: c.execute("CREATE TABLE IF NOT EXISTS bench (n INTEGER)").rowcount)
    print("", flush=True)
    while True:
        await app.database.write(lambda c: c.execute("INSERT INTO bench VALUES (1)").rowcount)
        await asyncio.sleep(1 / COMMITS_PER_S)


@contextmanager
def child(role: str, folder: Path) -> Iterator[str]:
    """Run one of the roles in a process; yields the line that it prints."""
    command = [sys.executable, "-m", "bench.request_rate", "--role", role, "--folder", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()


async def create_data(folder: Path, message_count: int) -> tuple[str, str]:
    """Fill a data folder. Return the path of the box and a token."""
    audio = folder / "megabyte.wav"
    samples = b"".join(struct.pack("<h", int(8000 * math.sin(n / 5))) for n in range(MEGABYTE_SAMPLES))
    audio.write_bytes(wav.header(len(samples)) + samples)
    app = App(Settings(data=DataSettings(folder=folder / "data"))).open()
    try:
        await create_boxes(app, {NUMBER: message_count}, {"pin": "258036"}, audio, Folder.NEW)
        [account] = await app.directory.accounts()
        [box] = await app.boxes.list_by_account(account.id)
        token, _ = await app.tokens.create(account.id)
    finally:
        app.close()
    return f"/v2/accounts/{account.id}/vmboxes/{box.id}", token


def fetch(url: str, token: str, method: str = "GET", body: str = "") -> bytes:
    request = Request(url, body.encode() or None, {"X-Auth-Token": token, "Accept": "audio/wav"}, method=method)
    with urlopen(request) as response:
        content: bytes = response.read()
    return content


def send_requests(url: str, request: MeasuredRequest, token: str, connections: int, seconds: int) -> float:
    """Return requests a second."""
    script = Path(tempfile.gettempdir()) / f"ivr-bench-{os.getpid()}.lua"
    script.write_text(f"wrk.method = {request.method!r}\nwrk.body = {request.body!r}\n")
    command = [
        "wrk",
        "-t1",
        f"-c{connections}",
        f"-d{seconds}s",
        "-s",
        str(script),
        "-H",
        f"X-Auth-Token: {token}",
        url,
    ]
    report = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    script.unlink()
    assert "Non-2xx" not in report, report
    found = re.search(r"Requests/sec:\s+([0-9.]+)", report)
    assert found, report
    return float(found[1])


def measure(options: argparse.Namespace, root: Path) -> None:
    base, token = asyncio.run(create_data(root, options.messages))
    responses = root / "responses"
    responses.mkdir()
    with child("product", root / "data") as url:
        listed = json.loads(fetch(f"{url}{base}/messages?page_size=50", token))["data"]
        one = f"{base}/messages/{listed[7]['media_id']}"
        requests = [
            MeasuredRequest("list of 50", "GET", f"{base}/messages?page_size=50", "", responses / "list"),
            MeasuredRequest("fetch one", "GET", one, "", responses / "one"),
            MeasuredRequest("change of folder", "POST", one, '{"data":{"folder":"saved"}}', responses / "folder"),
            MeasuredRequest("raw 1 MB", "GET", f"{one}/raw", "", responses / "raw"),
        ]
        for request in requests:
            request.response.write_bytes(fetch(f"{url}{request.path}", token, request.method, request.body))
        with child("bare", responses) as bare_url:
            run_rounds(options, requests, lambda r: (f"{url}{r.path}", f"{bare_url}/{r.response.name}"), token)
            with child("commits", root / "data"):
                print(f"\nWith {COMMITS_PER_S} commits a second of another process:")
                run_rounds(options, requests[:2], lambda r: (f"{url}{r.path}", f"{bare_url}/{r.response.name}"), token)


def run_rounds(
    options: argparse.Namespace,
    requests: list[MeasuredRequest],
    urls: Callable[[MeasuredRequest], tuple[str, str]],
    token: str,
) -> None:
    print(f"\n| {options.messages:,} messages | connections | requests/s | bare route | ratio |\n|---|---|---|---|---|")
    for request in requests:
        for connections in CONNECTIONS:
            ours, theirs = urls(request)
            rounds = [
                (
                    send_requests(ours, request, token, connections, options.seconds),
                    send_requests(theirs, request, token, connections, options.seconds),
                )
                for _ in range(options.rounds)
            ]
            ratio = median(one / other for one, other in rounds)
            rates = [median(rates) for rates in zip(*rounds, strict=True)]
            print(f"| {request.name} | {connections} | {rates[0]:.0f} | {rates[1]:.0f} | {ratio:.2f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.request_rate", description=__doc__)
    parser.add_argument("--messages", type=int, default=1000)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--role", choices=["product", "bare", "commits"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    roles = {"product": serve_product, "bare": serve_bare_route, "commits": commit_regularly}
    if options.role:
        asyncio.run(roles[options.role](options.folder))
        return
    with tempfile.TemporaryDirectory() as root:
        measure(options, Path(root))


if __name__ == "__main__":
    main()
