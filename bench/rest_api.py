"""`python -m bench.rest_api`: the REST API with mailboxes of 100 and of a million messages.

Compares it with plain SQLite and a plain socket, then measures key to sound at a phone while clients keep the API busy.
Runs in a lab of its own, as root on Debian.
"""

from __future__ import annotations

import asyncio
import io
import json
import math
import os
import socket
import sqlite3
import struct
import threading
import wave
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from statistics import median
from time import monotonic

import httpx

from bench.bench_lab import BenchLab
from bench.figures import percentile
from bench.paired_runs import measure_pairs, run_worker

SIZES = (100, 1_000_000)
REPEATS = 200
ZIPS = 5
MEGABYTE = 1_000_000
CONCURRENT_CLIENTS = 2
"""Programs at a time, each asking as fast as it is answered, while keys are measured."""
KEYS = 20
LOAD_REQUESTS = "5000"
"""The box that programs ask about."""
OWNERS = "5001"
"""The box that an owner listens to meanwhile."""


async def main() -> None:
    for size in SIZES:
        lab = BenchLab({LOAD_REQUESTS: size, OWNERS: 10})
        try:
            lab.create_data()
            lab.start()
            async with httpx.AsyncClient(headers={"X-Auth-Token": new_token(lab)}, timeout=120) as http:
                print(await measure_rows(lab, http, size), flush=True)
                if size == SIZES[0]:
                    print(await keys_under_load(lab, http), flush=True)
        finally:
            lab.stop()
            lab.remove()


async def measure_rows(lab: BenchLab, http: httpx.AsyncClient, size: int) -> str:
    """A table for one size."""
    base = await box_url(lab, http)
    audio = _wav(MEGABYTE)
    listed = (await http.get(f"{base}/messages", params={"page_size": 50})).json()["data"]
    ids = [message["media_id"] for message in listed]
    thousand = await _ids(http, base, min(size, 1000))
    made: list[str] = []

    async def upload() -> None:
        about = json.dumps({"data": {"caller_id_number": "2001"}}).encode()
        parts = [("content", ("m.json", about, "application/json")), ("content", ("m.wav", audio, "audio/wav"))]
        answer = await http.put(f"{base}/messages", files=parts)
        made.append(answer.raise_for_status().json()["data"]["media_id"])

    async def folder() -> None:
        wanted = "saved" if len(made) % 2 else "new"
        (await http.post(f"{base}/messages/{ids[0]}", json={"data": {"folder": wanted}})).raise_for_status()
        made.append("")

    async def zipped() -> httpx.Response:
        return await http.post(f"{base}/messages/raw", json={"data": {"messages": thousand}}, headers=AS_ZIP)

    lines = [f"\n### REST, {size:,} messages in the box\n", "| what | p50 | p99 |", "|---|---|---|"]
    lines += [
        await _measured_row("list, 50 a page", REPEATS, lambda: http.get(f"{base}/messages", params={"page_size": 50})),
        _sqlite_row("the same page by bare SQLite", lab),
        await _measured_row("fetch one", REPEATS, lambda: http.get(f"{base}/messages/{ids[7]}")),
        await _measured_row("change its folder", REPEATS, folder),
    ]
    made.clear()
    lines.append(await _measured_row("upload 1 MB of WAV", 50, upload))
    lines += [
        await _measured_row(
            "fetch 1 MB of WAV", REPEATS, lambda: http.get(f"{base}/messages/{made[0]}/raw", headers=AS_WAV)
        ),
        _socket_row("a bare sending of such a file", _write_audio(lab, audio)),
        await _measured_row(f"zip of {len(thousand):,}, each made an MP3 first", 1, zipped),
        await _measured_row(f"zip of {len(thousand):,}, again", ZIPS, zipped),
        f"\nMost memory of the service: {_peak_mb(lab)} MB.",
    ]
    return "\n".join(lines)


AS_WAV = {"Accept": "audio/wav"}
AS_ZIP = {"Accept": "application/zip"}


async def keys_under_load(lab: BenchLab, http: httpx.AsyncClient) -> str:
    """Key to sound, with the API idle and busy."""
    base = await box_url(lab, http)
    task = replace(measure_pairs(lab, OWNERS, 10, KEYS, seed=1), theirs=None, figures=("measure_first_word",))
    idle = await run_worker(task)
    stop, request_count = asyncio.Event(), [0]
    askers = [
        asyncio.create_task(_send_requests_until_stopped(http, base, stop, request_count))
        for _ in range(CONCURRENT_CLIENTS)
    ]
    began = monotonic()
    busy = await run_worker(task)
    rate = request_count[0] / (monotonic() - began)
    stop.set()
    await asyncio.gather(*askers)
    name = "key to next sound"
    lines = ["\n### Key to next sound while the API is busy\n", "| API | p50 | p95 |", "|---|---|---|"]
    for what, found in (("idle", idle), (f"{rate:.0f} lists a second", busy)):
        values = [pair[0] for pair in found[name]]
        lines.append(f"| {what} | {median(values):.1f} ms | {percentile(values, 0.95):.1f} ms |")
    return "\n".join(lines)


async def _send_requests_until_stopped(
    http: httpx.AsyncClient, base: str, stop: asyncio.Event, path: list[int]
) -> None:
    while not stop.is_set():
        (await http.get(f"{base}/messages", params={"page_size": 50})).raise_for_status()
        path[0] += 1


async def _measured_row(what: str, times: int, ask: Callable[[], Awaitable[object]]) -> str:
    took = []
    for _ in range(times):
        began = monotonic()
        answer = await ask()
        took.append(1000 * (monotonic() - began))
        if isinstance(answer, httpx.Response):
            answer.raise_for_status()
    return _format_row(what, took)


def _sqlite_row(what: str, lab: BenchLab) -> str:
    database = sqlite3.connect(f"file:{lab.data / 'state/ivr.db'}?mode=ro", uri=True)
    [box] = database.execute("SELECT id FROM boxes WHERE mailbox = ?", (LOAD_REQUESTS,)).fetchone()
    sql = (
        "SELECT * FROM messages INDEXED BY messages_by_box"
        " WHERE box_id = ? AND deleted_at IS NULL AND expired_at IS NULL ORDER BY time DESC, id DESC LIMIT 50"
    )
    took = []
    for _ in range(20):
        began = monotonic()
        assert database.execute(sql, (box,)).fetchall()
        took.append(1000 * (monotonic() - began))
    database.close()
    return _format_row(what, took)


def _socket_row(what: str, file: Path) -> str:
    took = []
    for _ in range(REPEATS):
        sender, receiver = socket.socketpair()
        began = monotonic()
        sending = threading.Thread(target=_send, args=(file, sender))
        sending.start()
        while receiver.recv(65_536):
            pass
        took.append(1000 * (monotonic() - began))
        receiver.close()
        sending.join()
    return _format_row(what, took)


def _send(file: Path, to: socket.socket) -> None:
    with file.open("rb") as audio, to:
        to.sendfile(audio)


def _format_row(what: str, took: list[float]) -> str:
    return f"| {what} | {median(took):.1f} ms | {percentile(took, 0.99):.1f} ms |"


async def box_url(lab: BenchLab, http: httpx.AsyncClient) -> str:
    account = json.loads(lab.run_ivr("account", "list", "--json"))[0]["id"]
    url = f"http://127.0.0.1:{lab.rest_port}/v2/accounts/{account}/vmboxes"
    boxes = (await http.get(url)).raise_for_status().json()["data"]
    return f"{url}/{next(box['id'] for box in boxes if box['mailbox'] == LOAD_REQUESTS)}"


async def _ids(http: httpx.AsyncClient, base: str, count: int) -> list[str]:
    found: list[str] = []
    key: dict[str, str] = {}
    while len(found) < count:
        page = (await http.get(f"{base}/messages", params={"page_size": 50, **key})).raise_for_status().json()
        found += [message["media_id"] for message in page["data"]]
        key = {"start_key": page["next_start_key"]} if "next_start_key" in page else {}
        if not key:
            break
    return found[:count]


def new_token(lab: BenchLab) -> str:
    return str(json.loads(lab.run_ivr("token", "create", "--json"))["token"])


def _wav(size: int) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(b"".join(struct.pack("<h", int(8000 * math.sin(n / 5))) for n in range(size // 2)))
    return out.getvalue()


def _write_audio(lab: BenchLab, audio: bytes) -> Path:
    file = lab.folder / "megabyte.wav"
    file.write_bytes(audio)
    return file


def _peak_mb(lab: BenchLab) -> int:
    status = Path(f"/proc/{lab.service.pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) // 1024


if __name__ == "__main__":
    os.umask(0o022)
    asyncio.run(main())
