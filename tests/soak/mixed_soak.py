"""`python -m tests.soak.mixed_soak [--minutes N]`: calls, lists, folder changes, uploads and ZIPs at the same time.

The service runs in a process of its own, everything on loopback. What it holds after a minute of this load is compared
with what it holds at the end, as in `call_soak`. Exit code 1 where a request or call failed or something is left over.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import os
import socket
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from time import monotonic
from typing import Any

import httpx

from bench.fill_boxes import create_boxes
from ivr.app import App
from ivr.logging_setup import configure_logging
from ivr.settings import DataSettings, LogSettings, Settings
from ivr.storage.records import Folder
from ivr.terminal.fake_asterisk import AgiRequest, FakeAsterisk
from tests.api.conftest import tone
from tests.soak.garbage_peers import SECRET
from tests.soak.resource_monitor import MONITORED_FOLDERS, ResourceMonitor, ResourceUsage
from tests.support.handset import ScriptedHandset
from tests.support.tone_prompts import write_tone_prompts

NUMBER = "1000"
MESSAGES = 60
ZIPPED = 20
PERMITTED_THREADS = 6
PERMITTED_MB = 24
SETTLING_S = 15
"""For connections of clients and conversions to end."""


class MixedSoak:
    """The load. `counts`: how often each thing was done; `failures`: what did not succeed."""

    def __init__(self, url: str, token: str, box_path: str, agi_port: int) -> None:
        self.counts: collections.Counter[str] = collections.Counter()
        self.failures: list[str] = []
        self._box = f"{url}{box_path}"
        self._headers = {"X-Auth-Token": token}
        self._agi_port = agi_port
        self._upload = tone(3000)

    async def run(self, seconds: float) -> None:
        """Do all of it until so many seconds are over."""
        until = monotonic() + seconds
        async with httpx.AsyncClient(headers=self._headers, timeout=60) as http:
            listed = (await self._request(http, "list", "GET", "/messages")).json()["data"]
            assert not self.failures, self.failures
            ids = [message["media_id"] for message in listed[:ZIPPED]]
            parts: list[Callable[[], Awaitable[object]]] = [
                lambda: self._request(http, "list", "GET", "/messages?page_size=50"),
                lambda: self._request(http, "list", "GET", "/messages?filter_folder=saved&page_size=50"),
                lambda: self._change_folder(http, ids),
                lambda: self._upload_and_delete(http),
                lambda: self._request(http, "zip", "POST", "/messages/raw", {"messages": ids}),
                self._call,
            ]
            await asyncio.gather(*(self._repeat(part, until) for part in parts))

    async def _repeat(self, part: Callable[[], Awaitable[object]], until: float) -> None:
        while monotonic() < until:
            try:
                await part()
            except Exception as error:
                self.failures.append(repr(error))
            await asyncio.sleep(0.02)

    async def _request(
        self, http: httpx.AsyncClient, name: str, method: str, path: str, data: Any = None, **options: Any
    ) -> httpx.Response:
        if data is not None:
            options["json"] = {"data": data}
        response = await http.request(method, f"{self._box}{path}", **options)
        self.counts[name] += 1
        if not response.is_success:
            self.failures.append(f"{name}: {response.text}")
        return response

    async def _change_folder(self, http: httpx.AsyncClient, ids: list[str]) -> None:
        n = self.counts["folder"]
        folder = ("saved", "new")[n // ZIPPED % 2]
        await self._request(http, "folder", "POST", f"/messages/{ids[n % ZIPPED]}", {"folder": folder})

    async def _upload_and_delete(self, http: httpx.AsyncClient) -> None:
        headers = {"Content-Type": "audio/wav"}
        uploaded = await self._request(http, "upload", "PUT", "/messages", content=self._upload, headers=headers)
        await self._request(http, "delete", "DELETE", f"/messages/{uploaded.json()['data']['media_id']}")

    async def _call(self) -> None:
        functions = {"GLOBAL(IVR_SECRET)": SECRET, f"PJSIP_ENDPOINT(p{NUMBER},auth)": "yes", "REDIRECTING(count)": "0"}
        handset = ScriptedHandset()
        line = AgiRequest("check", ("account=lab", f"number={NUMBER}"), f"PJSIP/p{NUMBER}-00000001", NUMBER, functions)
        status = await asyncio.wait_for(FakeAsterisk(line, handset).connect_and_run("127.0.0.1", self._agi_port), 60)
        self.counts["call"] += 1
        if status != "DONE" or not handset.heard:
            self.failures.append(f"a call ended with {status!r}")


async def create_data(root: Path) -> tuple[str, str]:
    """Fill the data folder `root/data`; return a token and the path of the box."""
    audio = root / "audio.wav"
    audio.write_bytes(tone(3000))
    app = App(Settings(data=DataSettings(folder=root / "data"))).open()
    try:
        await create_boxes(app, {NUMBER: MESSAGES}, {"pin": "258036"}, audio, Folder.NEW)
        [account] = await app.directory.accounts()
        [box] = await app.boxes.list_by_account(account.id)
        token, _ = await app.tokens.create(account.id)
        return token, f"/v2/accounts/{account.id}/vmboxes/{box.id}"
    finally:
        app.close()


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(one.getsockname()[1]) for one in sockets]
    for one in sockets:
        one.close()
    return ports


async def run_soak(root: Path, minutes: float) -> list[str]:
    """Return what went wrong."""
    data, sounds = root / "data", write_tone_prompts(root / "sounds")
    token, box_path = await create_data(root)
    agi_port, api_port, metrics_port = free_ports(3)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("IVR_")},
        "IVR_DATA__FOLDER": str(data),
        "IVR_SOUNDS__FOLDER": str(sounds),
        "IVR_ASTERISK__SECRET": SECRET,
        "IVR_FASTAGI__PORT": str(agi_port),
        "IVR_API__PORT": str(api_port),
        "IVR_METRICS__PORT": str(metrics_port),
        "IVR_LOG__LEVEL": "error",
    }
    command = [sys.executable, "-m", "ivr", "serve"]
    service = await asyncio.create_subprocess_exec(*command, env=environment, stdout=asyncio.subprocess.PIPE)
    try:
        assert service.stdout
        await service.stdout.readline()
        soak = MixedSoak(f"http://127.0.0.1:{api_port}", token, box_path, agi_port)
        monitor = ResourceMonitor(service.pid, metrics_port, [data / name for name in MONITORED_FOLDERS[:2]])
        await soak.run(min(60.0, 30 * minutes))
        before = await settled(monitor)
        print(f"before: {before}", flush=True)
        await soak.run(60 * minutes)
        after = await settled(monitor)
        print(f"after:  {after}\ndone:   {dict(soak.counts)}", flush=True)
    finally:
        service.terminate()
        await service.wait()
    problems = [*soak.failures[:10], *after.growth_since(before, PERMITTED_THREADS)]
    if (grown := (after.resident_kb - before.resident_kb) // 1024) > PERMITTED_MB:
        problems.append(f"memory grew by {grown} MB")
    return problems


async def settled(monitor: ResourceMonitor) -> ResourceUsage:
    await asyncio.sleep(SETTLING_S)
    return await asyncio.to_thread(monitor.snapshot)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak.mixed_soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    options = parser.parse_args()
    configure_logging(LogSettings(level="error"))
    with tempfile.TemporaryDirectory() as root:
        problems = asyncio.run(run_soak(Path(root), options.minutes))
    print("\n".join(problems) or "nothing failed, nothing is left over")
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())
