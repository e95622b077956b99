"""`python -m tests.soak [--inputs N] [--seed N]`: N garbage peers, and valid calls in between.

Ends with what happened; exit code 1 where anything broke: an exception of ours, a call that did not go through, a
connection that is still open, or memory that grew by more than 64 MB after the first tenth.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import resource
import sys
import tempfile
import time
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from random import Random
from typing import Any

import structlog

from ivr.clock import SystemClock
from ivr.service.service import start_service
from ivr.terminal.fake_asterisk import AgiRequest, FakeAsterisk
from tests.soak.garbage_peers import ABORT, SECRET, GarbagePeer, random_peer
from tests.support.app_fixture import AppFixture
from tests.support.handset import ScriptedHandset
from tests.support.tone_prompts import write_tone_prompts

CONCURRENT_PEERS = 128
CALL_INTERVAL = 1000
"""A valid call is made after this many peers."""
ANSWERS_WITHIN_S = 20
PEER_TIMEOUT_S = 1
"""How long a peer waits for the next command before it leaves."""
GROWTH_MB = 64
FAILURE_LOG_EVENTS = ("call.crashed",)
"""Log events of unexpected exceptions."""


class FailureList(list[str]):
    """What broke, told at once too."""

    def append(self, what: str) -> None:
        super().append(what)
        print(f"BROKE: {what[-1500:]}", flush=True)


class GarbageSoak:
    """`seed` gives the same peers again."""

    def __init__(self, inputs: int, seed: int) -> None:
        self.kinds: collections.Counter[str] = collections.Counter()
        self.failures = FailureList()
        self.calls = 0
        self._inputs = inputs
        self._random = Random(seed)

    async def run(self, folder: Path) -> None:
        app = AppFixture(
            folder / "data", sounds={"folder": write_tone_prompts(folder / "sounds")}, asterisk={"secret": SECRET},
            fastagi={"port": 0, "max_calls": 200, "header_timeout_s": 0.2},
        )  # fmt: skip
        app.clock = SystemClock()  # type: ignore[assignment]
        await app.open()
        box = await app.create_box(owner=app.alice, shared_vmbox=False)
        for n in range(5):
            await app.create_message(box, s=1, age_s=60 * n)
        asyncio.get_running_loop().set_exception_handler(lambda _, context: self.failures.append(str(context)))
        service = await start_service(app.container, component="calls")
        assert service.fastagi_address
        try:
            await self._run_all_peers(service.fastagi_address)
            await self._check_no_connections_left(service.call_servers and service.call_servers.fastagi)
        finally:
            await service.stop()

    async def _run_all_peers(self, address: tuple[str, int]) -> None:
        peers = self._peers()
        done = 0
        settled_kb = 0
        while done < self._inputs:
            count = min(CALL_INTERVAL, self._inputs - done)
            batch = [next(peers) for _ in range(count)]
            waiting = collections.deque(batch)
            await asyncio.gather(*(self._run_batch(waiting, address) for _ in range(CONCURRENT_PEERS)))
            done += count
            await self._make_valid_calls(address)
            if done <= max(CALL_INTERVAL, self._inputs // 10):
                settled_kb = _resident_kb()
            print(
                f"{done:>8} peers, {self.calls} calls, {len(self.failures)} broke, {_resident_kb() // 1024} MB",
                flush=True,
            )
        if (grown := (_resident_kb() - settled_kb) // 1024) > GROWTH_MB:
            self.failures.append(f"memory grew by {grown} MB")

    def _peers(self) -> Iterator[GarbagePeer]:
        while True:
            one = random_peer(self._random)
            self.kinds[one.kind] += 1
            yield one

    async def _run_batch(self, waiting: collections.deque[GarbagePeer], address: tuple[str, int]) -> None:
        while waiting:
            one = waiting.popleft()
            try:
                await asyncio.wait_for(run_peer(one, address), ANSWERS_WITHIN_S)
            except TimeoutError:
                self.failures.append(f"no end within {ANSWERS_WITHIN_S} s: {one!r:.500}")

    async def _make_valid_calls(self, address: tuple[str, int]) -> None:
        functions = {"GLOBAL(IVR_SECRET)": SECRET, "PJSIP_ENDPOINT(alice,auth)": "yes", "REDIRECTING(count)": "0"}
        handset = ScriptedHandset()
        line = AgiRequest("check", ("account=demo", "number=1000"), "PJSIP/alice-00000001", "1000", functions)
        status = await asyncio.wait_for(FakeAsterisk(line, handset).connect_and_run(*address), ANSWERS_WITHIN_S)
        self.calls += 1
        if status != "DONE" or not handset.heard:
            self.failures.append(f"a call in between ended with {status!r}")

    async def _check_no_connections_left(self, fastagi: Any) -> None:
        for _ in range(100):
            if not fastagi._connections and not fastagi._call_tasks:
                return
            await asyncio.sleep(0.1)
        self.failures.append(f"{len(fastagi._connections)} connections and {len(fastagi._call_tasks)} calls are left")


async def run_peer(peer: GarbagePeer, address: tuple[str, int]) -> None:
    """One peer's whole connection. How it ends is not its business."""
    try:
        reader, writer = await asyncio.open_connection(*address)
    except ConnectionError:
        return
    try:
        writer.write(peer.first_bytes)
        for answer in peer.replies:
            try:
                command = await asyncio.wait_for(reader.readline(), PEER_TIMEOUT_S)
            except TimeoutError:
                break  # The service waits for the rest of something that will never come; so would Asterisk's caller.
            if not command:
                break
            writer.write(_valid_reply(command) if answer is None else answer)
        if peer.closing == ABORT:
            writer.transport.abort()
        else:
            writer.write_eof()
            await reader.read()
    except (OSError, ValueError):
        pass
    finally:
        writer.transport.abort()


def _valid_reply(command: bytes) -> bytes:
    if command.startswith(b"GET FULL VARIABLE"):
        return f"200 result=1 ({SECRET}:yes:0:)\n".encode()
    return b"200 result=1\n" if b"VARIABLE" in command else b"200 result=0 endpos=0\n"


def _resident_kb() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() // 1024


def watch_log(soak: GarbageSoak) -> None:
    """Nothing is printed; what must never be said is noted."""

    def note(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        if event["event"] in FAILURE_LOG_EVENTS:
            soak.failures.append(f"{event['event']}: {event.get('exception', event)}")
        raise structlog.DropEvent

    structlog.configure(processors=[structlog.processors.format_exc_info, note])


def main() -> int:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--inputs", type=int, default=100_000)
    words.add_argument("--seed", type=int, default=20_261_125)
    options = words.parse_args()
    soak = GarbageSoak(options.inputs, options.seed)
    watch_log(soak)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="ivr-soak-") as folder:
        asyncio.run(soak.run(Path(folder)))
    print(f"seed {options.seed}: {options.inputs} peers and {soak.calls} calls in {time.monotonic() - began:.0f} s")
    for kind, count in sorted(soak.kinds.items()):
        print(f"  {count:>7} {kind}")
    print(f"{len(soak.failures)} broke")
    return int(bool(soak.failures))


if __name__ == "__main__":
    sys.exit(main())
