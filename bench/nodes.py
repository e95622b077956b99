"""`python -m bench.nodes [--only heard,light,primary,cost,keys,greeting] [--number N] [--nodes N]`: nodes that share
mailboxes.

Each node is a real Asterisk with a service; all use one PostgreSQL pair behind haproxy, as in `make scale-lab`, as root
on Debian. `keys` and `greeting` compare with a lab on SQLite and a folder, in turn. `--store s3 --delay-ms 50`:
recordings are in an object store (`tests.lab.storage`) that is so far away.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from functools import partial
from statistics import median
from time import monotonic
from typing import Any

from bench.figures import Comparison, percentile, table
from bench.phone_worker import first_sound_s, packet_arrival
from bench.request_rate import processor_s
from tests.asterisk.conftest import AdminClient, PhoneUser
from tests.faults.nodes import NodeSite
from tests.faults.scenarios import IMMEDIATE_PLAYBACK
from tests.lab import storage
from tests.lab.lab import Lab
from tests.lab.sip_phone import ClipNotHeard
from tests.lab.sip_phone.speech import speech

PEOPLE = 12
SPEECH_MS = 1500
CALLS_AT_A_TIME = 3
REST_S = 20.0
KEYS_PER_CALL = 10


async def leave_message(caller: PhoneUser, owner: PhoneUser, seed: int) -> None:
    call = await caller.dial(owner.number)
    await call.expect("tone/beep", whole=True)
    await call.say(speech(seed, SPEECH_MS))
    await call.hang_up()


class NodeBench:
    """Person n of the site has a mailbox; the phone is at node n modulo the number of nodes."""

    def __init__(self, site: NodeSite, admin: AdminClient, number: int) -> None:
        self._site = site
        self._admin = admin
        self._number = number
        self.people = [site.phone_user(n, n, admin) for n in range(PEOPLE)]

    async def measure_heard(self) -> None:
        """How many owners hear at b, at once, of what was left at a."""
        caller, owner = self.people[0], self.people[1]
        heard = 0
        for n in range(self._number):
            samples = speech(50_000 + n, SPEECH_MS)
            call = await caller.dial(owner.number)
            await call.expect("tone/beep", whole=True)
            await call.say(samples)
            await call.hang_up()
            signed_in = await owner.dial("*97")
            try:
                await signed_in.expect("number/1", within_s=4)
                heard += 1
            except ClipNotHeard as missed:
                print(missed, file=sys.stderr)
            await signed_in.hang_up()
            for message in owner.messages():
                self._admin.request("remove_message", number=owner.number, message=message["id"])
        print(f"| hang-up at a, first sign-in at b | {heard} of {self._number} hear of the message |", flush=True)

    async def measure_light(self) -> None:
        """How soon a phone at b gets the NOTIFY for a message that was stored elsewhere."""
        owner, found = self.people[1], []
        await owner.phone.register()
        await owner.phone.subscribe_mwi()
        file, _ = owner._write_speech(1.0)
        about = {"number": owner.number, "file": str(file), "caller": "2001", "age_s": 0, "folder": "new"}
        for n in range(1, self._number + 1):
            await asyncio.to_thread(self._admin.request, "create_message", **about)
            stored_s = monotonic()
            summary = await owner.phone.wait_for_notify(lambda one, n=n: one.new == n)  # type: ignore[misc]
            found.append(1000 * max(0.0, summary.received_s - stored_s))
        times = f"median {median(found):.0f} ms, 95 % {percentile(found, 0.95):.0f} ms"
        print(f"| stored to NOTIFY at another node | {times} ({self._number}) |", flush=True)

    async def measure_primary(self) -> None:
        """How long it takes after the loss of the primary until an owner hears what is in the mailbox."""
        owner, found = self.people[1], []
        owner.create_message(s=2)
        for _ in range(max(3, self._number // 20)):
            lost_s = monotonic()
            losing = asyncio.create_task(asyncio.to_thread(self._site.database.lose_primary))
            while True:
                call = await owner.dial("*97", within_s=30)
                try:
                    await call.expect("count/you-have", within_s=4)
                    break
                except ClipNotHeard:
                    pass
                finally:
                    await call.hang_up()
            found.append(monotonic() - lost_s)
            await losing
            await asyncio.to_thread(self._site.database.restore_standby)
        print(f"| primary lost to calls that go on | {', '.join(f'{one:.1f}' for one in found)} s |", flush=True)

    async def measure_cost(self) -> None:
        """Processor time of all services, and of PostgreSQL, for a message, without what they take at rest."""
        at_rest = await self._measure_processor_time(lambda: asyncio.sleep(REST_S))
        used = await self._measure_processor_time(self._leave_messages)
        cells = [
            f"{1000 * (busy - rest / at_rest[2] * used[2]) / self._number:.1f}"
            for busy, rest in zip(used[:2], at_rest[:2], strict=True)
        ]
        nodes = len(self._site.labs)
        print(f"| {nodes} | {' | '.join(cells)} | {1000 * at_rest[0] / REST_S / nodes:.1f} |", flush=True)

    async def _measure_processor_time(self, act: Callable[[], Coroutine[Any, Any, None]]) -> tuple[float, float, float]:
        """Give seconds of the services, of PostgreSQL, and by the clock."""
        groups = [[lab.service.pid for lab in self._site.labs], self._site.database.primary_pids()]
        before, began_s = [sum(map(processor_s, pids)) for pids in groups], monotonic()
        await act()
        services, servers = (sum(map(processor_s, pids)) - used for pids, used in zip(groups, before, strict=True))
        return services, servers, monotonic() - began_s

    async def _leave_messages(self) -> None:
        """Callers at all nodes in turn, a few at a time."""
        for n in range(0, self._number, CALLS_AT_A_TIME):
            pairs = [(self.people[k], self.people[-1 - k]) for k in range(CALLS_AT_A_TIME)]
            await asyncio.gather(*(leave_message(*pair, n + k) for k, pair in enumerate(pairs)))
        await asyncio.sleep(2)  # What is done behind the calls belongs to them.

    async def measure_keys(self) -> None:
        """From a key to the next sound."""
        rounds = -(-self._number // KEYS_PER_CALL)
        await self._compare("key to next sound", self._press_keys, rounds)

    async def measure_greeting(self) -> None:
        """From dialling to a recorded greeting that another node has stored seven seconds before, and at once."""
        for wait_s in (7.0, 0.0):
            name = f"dial to a greeting stored elsewhere {wait_s:.0f} s before"
            await self._compare(name, partial(self._hear_greeting, wait_s=wait_s), self._number)

    async def _compare(self, name: str, act: Callable[[PhoneUser], Awaitable[list[float]]], rounds: int) -> None:
        """Measure at these nodes and at a lab on SQLite with a data folder, in turn."""
        lab = Lab(self._site.accounts)
        try:
            await asyncio.to_thread(lab.start)
            admin = AdminClient({**lab.environment, "IVR_LOG__LEVEL": "warning"})
            account = self._site.accounts[2]
            device = {"name": account.name, "password": account.password, "number": account.number}
            on_sqlite = PhoneUser(admin, lab.info, device, self._site.vocabulary)
            on_sqlite.create_user_and_box(**IMMEDIATE_PLAYBACK)
            found: tuple[list[float], list[float]] = ([], [])
            async with on_sqlite.phone:
                for _ in range(rounds):
                    for person, times in zip((self.people[2], on_sqlite), found, strict=True):
                        times += await act(person)
            admin.close()
        finally:
            lab.stop()
            lab.remove()
        print(table([Comparison(name, "ms", *found)], "nodes", "SQLite, folder"), flush=True)

    async def _hear_greeting(self, person: PhoneUser, wait_s: float) -> list[float]:
        """Record a greeting elsewhere, wait, and call; gives ms from dialling to its first sound."""
        person.update_box(check_if_owner=False, skip_greeting=False)  # The owner is a caller here.
        greeting = person.create_recording("unavailable")
        await asyncio.sleep(wait_s)
        dialled_s = monotonic()
        call = await person.dial(person.number)
        heard = await call.call.wait_for_clip(greeting)
        began_s = packet_arrival(call.call, first_sound_s(heard, greeting))
        await call.hang_up()
        return [1000 * (began_s - dialled_s)]

    async def _press_keys(self, person: PhoneUser) -> list[float]:
        """Save messages, one after another; gives ms from the end of the key to "saved"."""
        messages = [person.create_message(s=1.5, age_s=60 * n) for n in range(KEYS_PER_CALL)]
        call, found = await person.dial("*97"), []
        for message in messages:
            await call.expect(message)
            await call.press("1")
            clips = self._site.vocabulary.replacing(["done/saved"])
            heard = await call.call.wait_for_any(clips, after_s=call.call.key_up_s)
            began_s = packet_arrival(call.call, first_sound_s(heard, self._site.vocabulary[heard.name]))
            found.append(1000 * (began_s - call.call.key_up_times[-1][1]))
        await call.hang_up()
        return found


MEASUREMENTS: dict[str, Callable[[NodeBench], Coroutine[Any, Any, None]]] = {
    "heard": NodeBench.measure_heard,
    "light": NodeBench.measure_light,
    "primary": NodeBench.measure_primary,
    "cost": NodeBench.measure_cost,
    "keys": NodeBench.measure_keys,
    "greeting": NodeBench.measure_greeting,
}


async def measure(site: NodeSite, names: list[str], number: int) -> None:
    admins = site.connect_admins()
    bench = NodeBench(site, admins[0], number)
    try:
        async with AsyncExitStack() as stack:
            for person in bench.people:
                person.create_user_and_box(**IMMEDIATE_PLAYBACK)
                await stack.enter_async_context(person.phone)
            for name in names:
                await MEASUREMENTS[name](bench)
    finally:
        for admin in admins:
            admin.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.nodes", description=__doc__)
    parser.add_argument("--only", default=",".join(MEASUREMENTS))
    parser.add_argument("--number", type=int, default=99)
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--store", choices=storage.STORES, default=storage.STORES[0])
    parser.add_argument("--delay-ms", type=int, default=0)
    options = parser.parse_args()
    names = [name for name in options.only.split(",") if name]
    if odd := [name for name in names if name not in MEASUREMENTS]:
        parser.error(f"no measurement {odd[0]!r}: --only takes some of {', '.join(MEASUREMENTS)}")
    with storage.run_store(options.store, options.delay_ms) as store:
        site = NodeSite(options.nodes, runs=PEOPLE // options.nodes, store=store)
        try:
            site.start()
            asyncio.run(measure(site, names, options.number))
        finally:
            site.stop(keep_logs=False)


if __name__ == "__main__":
    main()
