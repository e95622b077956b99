"""`python -m tests.soak.call_soak [--calls N] [--transport T] [--seed N]`: N short calls over each transport.

Many phones call a service on a real Asterisk at the same time. After each transport the service must hold no more than
before its first call: tasks, file descriptors, threads, temporary files, rows of live calls, and hardly any memory.
Exit code 1 if it does, or if a call failed.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import secrets
import signal
import subprocess
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random
from typing import Any

from tests.asterisk.conftest import AdminClient
from tests.lab.asterisk_config import SipAccount
from tests.lab.asterisk_root import AsteriskUnavailable, unavailable_reason
from tests.lab.lab import PIN, Lab, free_tcp_port
from tests.lab.processes import StartFailed
from tests.lab.sip_phone import Phone
from tests.lab.transports import TRANSPORTS
from tests.soak.call_scenarios import MESSAGE_SCENARIOS, SCENARIOS, SoakCaller
from tests.soak.resource_monitor import MONITORED_FOLDERS, ResourceMonitor, ResourceUsage

CONCURRENT_CALLS = {"fastagi": 36, "ari": 36, "agi": 6}
"""Phones. Classic AGI starts a program for each call."""
WARM_UP_CALLS = 2
"""Calls of each phone before those that count: connections, threads and caches are there then."""
GROWTH_KB_PER_CALL = 8
"""How much memory a call may cost that does not come back: what the allocator keeps, and pages of the database."""
GROWTH_KB = 8192
"""And all of them together."""
THREADS = 6
"""Threads of asyncio's own pool come when they are first needed."""
SETTLE_TIMEOUT_S = 30
BOX = {
    "pin": PIN,
    "is_setup": True,
    "hunt": False,
    "skip_greeting": True,
    "skip_instructions": True,
    "new_messages_at_once": False,
}


class CallSoak:
    """All calls over one transport, in a lab that is up."""

    def __init__(
        self, lab: Lab, admin: AdminClient, callers: list[SoakCaller], monitor: ResourceMonitor, random: Random
    ) -> None:
        self.failures: list[str] = []
        self._lab = lab
        self._admin = admin
        self._callers = callers
        self._monitor = monitor
        self._random = random
        self._calls_made: collections.Counter[str] = collections.Counter()

    async def run(self, calls: int) -> str:
        """Make them; gives what was seen, in a line. What is wrong is in `broke`."""
        at_first = self._call_counts()
        await self._make_calls(WARM_UP_CALLS * len(self._callers))
        before = await self._wait_until_settled(at_first, None)
        began = time.monotonic()
        grown = []
        for quarter in range(4):
            await self._make_calls(calls // 4 + (calls % 4 if quarter == 3 else 0))
            grown.append(f"{(self._monitor.snapshot().resident_kb - before.resident_kb) / 1024:.1f}")
        took_s = time.monotonic() - began
        after = await self._wait_until_settled(at_first, before)
        grown_kb = after.resident_kb - before.resident_kb
        if grown_kb > GROWTH_KB + calls * GROWTH_KB_PER_CALL:
            self.failures.append(f"memory grew by {grown_kb / 1024:.1f} MB")
        on_the_way = f"{'/'.join(grown)} MB more after each quarter"
        return f"{calls} calls in {took_s:.0f} s; before: {before}; after: {after}; {on_the_way}"

    async def _make_calls(self, calls: int) -> None:
        """Each phone makes its share; each way is gone equally often."""
        waiting = collections.deque(SCENARIOS[n % len(SCENARIOS)] for n in range(calls))

        async def some(place: int) -> None:
            caller, other = self._callers[place], self._callers[place - 1]
            while waiting:
                way = waiting.popleft()
                self._calls_made[way.__name__] += 1
                try:
                    await way(caller, other, self._random)
                except Exception as error:
                    self.failures.append(f"{way.__name__}: {type(error).__name__}: {error}")

        await asyncio.gather(*map(some, range(len(self._callers))))

    async def _wait_until_settled(self, at_first: dict[str, Any], before: ResourceUsage | None) -> ResourceUsage:
        """What is held when all that calls leave to do is done; what is too much of it is noted."""
        deadline = time.monotonic() + SETTLE_TIMEOUT_S
        while (wrong := self._leaks(at_first, before)) and time.monotonic() < deadline:
            await asyncio.sleep(0.5)
        self.failures += wrong
        return self._monitor.snapshot()

    def _leaks(self, at_first: dict[str, Any], before: ResourceUsage | None) -> list[str]:
        now, made = self._call_counts(), sum(self._calls_made.values())
        left = sum(self._calls_made[way.__name__] for way in MESSAGE_SCENARIOS)
        wrong = []
        ended_since = collections.Counter(now["ended"]) - collections.Counter(at_first["ended"])
        if (ended := ended_since.total()) != made:
            wrong.append(f"{made} calls were made, and {ended} have a record")
        if odd := set(ended_since) - {"DONE", "HANGUP"}:
            wrong.append(f"calls ended as {', '.join(sorted(odd))}")
        if (there := now["messages"] - at_first["messages"]) != left:
            wrong.append(f"{left} messages were left, and {there} are there")
        if now["live"] or now["takes"]:
            wrong.append(f"{now['live']} calls and {now['takes']} takes are left in the database")
        if "0 active channels" not in self._lab.asterisk.cli("core show channels count"):
            wrong.append("Asterisk still has channels")
        if started := _child_count(self._lab.asterisk.pid):
            wrong.append(f"{started} processes of Asterisk's are left")
        if before:
            wrong += self._monitor.snapshot().growth_since(before, THREADS)
        return wrong

    def _call_counts(self) -> dict[str, Any]:
        tally: dict[str, Any] = self._admin.request("count_calls")
        return tally


def _child_count(pid: int) -> int:
    """Return the number of living child processes without `astcanary`, which Asterisk with `-p` runs all the time.

    Asterisk reaps a dead child with the next one that dies.
    """
    found = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, fields = stat.read_text().partition("(")[2].rpartition(")")
            state, parent = fields.split()[:2]
            found += parent == str(pid) and state != "Z" and name != "astcanary"
        except OSError:
            continue
    return found


async def run_transport(
    lab: Lab, admin: AdminClient, transport: str, calls: int, random: Random, window: ResourceMonitor
) -> list[str]:
    """All calls over one transport; gives what broke."""
    async with AsyncExitStack() as stack:
        callers = []
        for device in lab.site.devices[: CONCURRENT_CALLS[transport]]:
            phone = Phone(device.name, device.password, ("127.0.0.1", lab.site.sip_port))
            await stack.enter_async_context(phone)
            await phone.register(3600)
            callers.append(SoakCaller(phone, device.number, f"*5{TRANSPORTS.index(transport)}"))
        one = CallSoak(lab, admin, callers, window, random)
        report = await one.run(calls)
    print(f"{transport}: {report}", flush=True)
    for what, count in collections.Counter(one.failures).most_common(20):
        print(f"BROKE {count} times: {what}", flush=True)
    return one.failures


async def run_all_transports(transports: list[str], calls: int, seed: int) -> int:
    """In one lab, one transport after another; gives the exit code."""
    devices = tuple(
        SipAccount(f"s{n:03}", secrets.token_hex(8), str(1400 + n)) for n in range(max(CONCURRENT_CALLS.values()))
    )
    lab = Lab(devices, agi="agi" in transports)
    port, temporary = free_tcp_port(), lab.temporary_folder()
    lab.environment |= {"IVR_METRICS__PORT": str(port), "IVR_LOG__LEVEL": "info", "TMPDIR": str(temporary)}
    broke: list[str] = []
    try:
        lab.start()
        desk = AdminClient(lab.environment)
        for device in devices:
            user = desk.request("create_user", name=device.name)
            desk.request("create_box", mailbox=device.number, owner_id=user["id"], **BOX)
        window = ResourceMonitor(lab.service.pid, port, [temporary, *(lab.data / name for name in MONITORED_FOLDERS)])
        for transport in transports:
            broke += await run_transport(lab, desk, transport, calls, Random(seed), window)
        desk.close()
    finally:
        lab.stop()
    if broke:
        print(f"The lab's logs are in {lab.folder}: service.log, asterisk.out, log/messages", file=sys.stderr)
    else:
        lab.remove()
    return int(bool(broke))


def main() -> int:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--calls", type=int, default=2000)
    words.add_argument("--transport", choices=TRANSPORTS, action="append")
    words.add_argument("--seed", type=int, default=20_261_125)
    options = words.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # The lab ends with us.
    if reason := unavailable_reason():
        print(f"no soak: {reason}", file=sys.stderr)
        return 1
    return asyncio.run(run_all_transports(options.transport or list(TRANSPORTS), options.calls, options.seed))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (AsteriskUnavailable, StartFailed, subprocess.CalledProcessError) as reason:
        print(f"no soak: {reason}", file=sys.stderr)
        sys.exit(1)
