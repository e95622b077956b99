"""`python -m bench.request_rate [--messages N] [--seconds S] [--rounds R]`: requests a second, against a bare route.

Each request of the API is measured in turn with a FastAPI route of two dependencies that sends the same bytes from the
same server. Both run in processes of their own; `wrk` (apt install wrk) sends the requests, with 1 and 8 connections.
A change of folder is measured against a bare route that commits a row, too: what of its cost is the disk's.
The ratio of requests a second is uncertain while other work has the processors; that of the processor time which a
request costs in the two servers is not. The last table repeats the measurement while another process commits to the
database ten times a second.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import re
import sqlite3
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
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
    other_body: str | None = None
    """Body of every second request; None: the same."""
    bare_prefix: str = ""
    """Beginning of the path of the bare route."""


@dataclass(frozen=True)
class Run:
    """What one run of wrk has measured."""

    rate: float
    """Requests a second."""
    cpu_us: float
    """Processor time of the server for each request, in microseconds."""
    median_ms: float
    p99_ms: float


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

    database, one_at_a_time = responses.parent / "bare.db", asyncio.Lock()
    connection = sqlite3.connect(database, isolation_level=None, check_same_thread=False)
    for statement in ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL", "CREATE TABLE written (n INTEGER)"):
        connection.execute(statement)

    @app.post("/written/{name}")
    async def write_and_send(name: str, owner: Annotated[str, Depends(bare_account)]) -> Response:
        async with one_at_a_time:
            await asyncio.to_thread(connection.execute, "INSERT INTO written VALUES (1)")
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


def processor_s(process_id: int) -> float:
    """Return user and system seconds of a process."""
    fields = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def child(role: str, folder: Path, process_ids: list[int] | None = None) -> Iterator[str]:
    """Run one of the roles in a process; yields the line that it prints. Its id is added to `process_ids`."""
    command = [sys.executable, "-m", "bench.request_rate", "--role", role, "--folder", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        if process_ids is not None:
            process_ids.append(process.pid)
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


def send_requests(
    url: str, process_id: int, request: MeasuredRequest, token: str, connections: int, seconds: int
) -> Run:
    """Send requests for so many seconds."""
    bodies = [request.body, request.body if request.other_body is None else request.other_body]
    script = Path(tempfile.gettempdir()) / f"ivr-bench-{os.getpid()}.lua"
    script.write_text(
        f"local sent, bodies = 0, {{{json.dumps(bodies)[1:-1]}}}\n"
        f"wrk.method = {json.dumps(request.method)}\n"
        "request = function() sent = sent + 1; return wrk.format(nil, nil, nil, bodies[sent % 2 + 1]) end\n"
    )
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", str(script)]
    used = processor_s(process_id)
    report = subprocess.run(
        [*command, "-H", f"X-Auth-Token: {token}", "-H", "Accept: audio/wav", url],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    used = processor_s(process_id) - used
    script.unlink()
    assert "Non-2xx" not in report, report

    def figure(pattern: str) -> re.Match[str]:
        found = re.search(pattern, report)
        assert found, report
        return found

    count = int(figure(r"(\d+) requests in")[1])
    median_ms, p99_ms = (
        float(found[1]) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[found[2]]
        for found in (figure(rf"{share}%\s+([0-9.]+)(us|ms|s)") for share in (50, 99))
    )
    return Run(float(figure(r"Requests/sec:\s+([0-9.]+)")[1]), 1e6 * used / count, median_ms, p99_ms)


def measure(options: argparse.Namespace, root: Path) -> None:
    base, token = asyncio.run(create_data(root, options.messages))
    responses, ids = root / "responses", list[int]()
    responses.mkdir()
    with child("product", root / "data", ids) as url:
        listed = json.loads(fetch(f"{url}{base}/messages?page_size=50", token))["data"]
        one = f"{base}/messages/{listed[7]['media_id']}"
        to_saved, to_new = '{"data":{"folder":"saved"}}', '{"data":{"folder":"new"}}'
        requests = [
            MeasuredRequest("list of 50", "GET", f"{base}/messages?page_size=50", "", responses / "list"),
            MeasuredRequest("fetch one", "GET", one, "", responses / "one"),
            MeasuredRequest("folder, the same", "POST", one, to_saved, responses / "folder"),
            MeasuredRequest("folder, another", "POST", one, to_saved, responses / "other", to_new),
            MeasuredRequest(
                "folder, bare route commits", "POST", one, to_saved, responses / "other", to_new, "written/"
            ),
            MeasuredRequest("raw 1 MB", "GET", f"{one}/raw", "", responses / "raw"),
        ]
        for request in requests:
            request.response.write_bytes(fetch(f"{url}{request.path}", token, request.method, request.body))
        with child("bare", responses, ids) as bare_url:

            def run_all(measured: list[MeasuredRequest]) -> None:
                servers = ((url, ids[0]), (bare_url, ids[1]))
                run_rounds(options, measured, servers, token)

            run_all(requests)
            with child("commits", root / "data"):
                print(f"\nWith {COMMITS_PER_S} commits a second of another process:")
                run_all(requests[:2])


def run_rounds(
    options: argparse.Namespace,
    requests: list[MeasuredRequest],
    servers: tuple[tuple[str, int], tuple[str, int]],
    token: str,
) -> None:
    """Print a row for each request and number of connections. `servers`: URL and process of the API and bare route."""
    print(
        f"\n| {options.messages:,} messages | connections | requests/s | bare route | ratio | processor us | bare route"
        " | ratio | p50, p99 ms |\n|---|---|---|---|---|---|---|---|---|"
    )
    (url, process_id), (bare_url, bare_id) = servers
    for request in requests:
        for connections in CONNECTIONS:
            arguments = (request, token, connections, options.seconds)
            rounds = [
                (
                    send_requests(f"{url}{request.path}", process_id, *arguments),
                    send_requests(f"{bare_url}/{request.bare_prefix}{request.response.name}", bare_id, *arguments),
                )
                for _ in range(options.rounds)
            ]
            ratio = median(ours.rate / bare.rate for ours, bare in rounds)
            cpu_ratio = median(bare.cpu_us / ours.cpu_us for ours, bare in rounds)
            ours, bare = zip(*rounds, strict=True)
            print(
                f"| {request.name} | {connections} | {median(run.rate for run in ours):.0f}"
                f" | {median(run.rate for run in bare):.0f} | {ratio:.2f} | {median(run.cpu_us for run in ours):.0f}"
                f" | {median(run.cpu_us for run in bare):.0f} | {cpu_ratio:.2f}"
                f" | {median(run.median_ms for run in ours):.2f}, {median(run.p99_ms for run in ours):.2f} |",
                flush=True,
            )


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
