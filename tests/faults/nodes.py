"""Several nodes with one database: what is killed while people call, and whether all nodes agree afterwards."""

from __future__ import annotations

import asyncio
import math
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from time import monotonic
from types import MappingProxyType
from typing import Any

from tests.asterisk.conftest import AdminClient, PhoneUser, RecognisedCall
from tests.faults.database_pair import DatabasePair
from tests.faults.expectations import Expectations, StoredRecording
from tests.faults.run import MAX_KILL_DELAY_S, wait_for_recovery
from tests.faults.scenarios import ENDED_EARLY, SCENARIO_TIMEOUT_S, SCENARIOS, Scenario
from tests.lab.asterisk_config import SipAccount
from tests.lab.lab import RIVALS, Lab, LabNode
from tests.lab.processes import SERVICE_UID, SHARED_GID, AsteriskProcess, ServiceProcess
from tests.lab.sip_phone import Clip, NotifyMissing, Phone, Vocabulary
from tests.support.app_fixture import SOUNDS

TARGETS = ("service", "asterisk", "node", "primary", "proxy", "link")
ADMIN = "admin"
"""The link of who checks, which is not cut."""
OUTAGE_S = (0.5, 8.0)
"""How long a link is cut, and haproxy away."""
RECOVERY_TIMEOUT_S = 60.0
LIGHT_TIMEOUT_S = 10.0
LISTENERS = 4
"""Owners who listen at the same time."""


@dataclass(frozen=True, slots=True)
class NodeRunPlan:
    """What is killed in run `number` of `seed`, and when: the same for the same two."""

    number: int
    seed: int
    target: str
    node: int
    scenarios: tuple[type[Scenario], ...]
    """Of each node."""
    mark: str | None
    """Of the scenario at `node`, which the kill is timed from; None: the beginning."""
    after_s: float
    outage_s: float

    @classmethod
    def generate(cls, number: int, seed: int, nodes: int) -> NodeRunPlan:
        """Targets in turn, so that few runs have each; all else by chance."""
        random = Random(f"{seed}:{number}:nodes")
        scenarios = tuple(random.choice(SCENARIOS) for _ in range(nodes))
        node, mark = random.randrange(nodes), None
        after_s = random.uniform(0.2, scenarios[node].DURATION_S)
        if random.random() < 0.6:
            mark, after_s = random.choice(scenarios[node].MARKS), random.uniform(0, MAX_KILL_DELAY_S)
        target = TARGETS[number % len(TARGETS)]
        return cls(number, seed, target, node, scenarios, mark, after_s, random.uniform(*OUTAGE_S))

    def __str__(self) -> str:
        when = f"{self.after_s:.2f} s after {f'mark {self.mark!r}' if self.mark else 'the beginning'}"
        where = (
            f" of node {NodeSite.NAMES[self.node]}" if self.target in ("service", "asterisk", "node", "link") else ""
        )
        calls = ", ".join(scenario.NAME for scenario in self.scenarios)
        return f"run {self.number}: {self.target}{where} lost {when}; {calls}"


class NodeSite:
    """Nodes, each an Asterisk and a service with a folder for its recordings, and the database pair that they share.

    `store`: settings of the object store that they share too (`tests.lab.storage`); empty: the data folder.
    """

    NAMES = "abcdefgh"

    def __init__(self, nodes: int, runs: int, store: Mapping[str, str] = MappingProxyType({})) -> None:
        self._store = store
        self.folder = Path(tempfile.mkdtemp(prefix="ivr-nodes-", dir="/var/tmp"))
        self.folder.chmod(0o755)
        self.accounts = tuple(
            SipAccount(f"n{n:04}", secrets.token_hex(8), str(1000 + n)) for n in range(2 * nodes * runs)
        )
        self.names = self.NAMES[:nodes]
        self.database = DatabasePair([*self.names, ADMIN])
        self.labs: list[Lab] = []
        self.vocabulary = Vocabulary.from_folder(SOUNDS / "en", rivals_folder=RIVALS)
        self._secret = secrets.token_hex(32)

    def start(self) -> None:
        """Start the database, then all nodes at the same time. Raises `StartFailed`."""
        data = self.folder / "data"
        data.mkdir(mode=0o2750)
        os.chown(data, SERVICE_UID, SHARED_GID)
        self.database.start()
        for name in self.names:
            storage = {**self._store, "IVR_DATABASE__URL": self.database.url(name)}
            self.labs.append(Lab(self.accounts, node=LabNode(name, data, self._secret), storage=storage))
        self.labs[0].start()  # It creates the tables.
        with ThreadPoolExecutor() as at_once:
            for starting in [at_once.submit(lab.start) for lab in self.labs[1:]]:
                starting.result()

    def stop(self, *, keep_logs: bool) -> None:
        """End all processes; take all folders away, but those of logs that are wanted."""
        for lab in self.labs:
            lab.stop()
            if not keep_logs:
                lab.remove()
        self.database.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def connect_admins(self) -> list[AdminClient]:
        """Create an admin process for each node: its recordings are its own. They share a link to the database."""
        own = {
            "IVR_DATABASE__URL": self.database.url(ADMIN),
            "LAB_SYSTEMS": ",".join(self.names),
            "IVR_LOG__LEVEL": "error",  # What they do is done again where the database was away.
        }
        return [AdminClient({**lab.environment, **own}) for lab in self.labs]

    def phone_user(self, number: int, node: int, admin: AdminClient) -> PhoneUser:
        """The person with the account of this number, whose phone is at this node."""
        account = self.accounts[number]
        device = {"name": account.name, "password": account.password, "number": account.number}
        return PhoneUser(admin, self.labs[node % len(self.labs)].info, device, self.vocabulary)

    def fail(self, plan: NodeRunPlan) -> None:
        """Kill or cut what the plan says, and bring it back."""
        lab, name = self.labs[plan.node], self.names[plan.node]
        match plan.target:
            case "primary":
                self.database.lose_primary()
                self.database.restore_standby()
                self.database.wait_for_primary()
            case "proxy":
                self.database.kill_proxy()
                time.sleep(plan.outage_s)
                self.database.start_proxy()
            case "link":
                self.database.cut_link(name)
                time.sleep(plan.outage_s)
                self.database.restore_link(name)
            case target:
                asterisk = [lab.asterisk] if target != "service" else []
                service = [lab.service] if target != "asterisk" else []
                processes: list[AsteriskProcess | ServiceProcess] = [*asterisk, *service]
                for process in processes:
                    process.kill()
                with ThreadPoolExecutor() as at_once:
                    for starting in [at_once.submit(process.start) for process in processes]:
                        starting.result()


class NodeRun:
    """One run: a call at each node, a kill in the middle, and the question what all nodes know afterwards.

    `place`: how many runs were made at this site.
    """

    def __init__(self, plan: NodeRunPlan, place: int, site: NodeSite, admins: Sequence[AdminClient]) -> None:
        self._plan = plan
        self._site = site
        self._admins = admins
        self._admin_lock = asyncio.Lock()
        first = 2 * len(plan.scenarios) * place
        self._scenarios = []
        for node, scenario in enumerate(plan.scenarios):  # The call is at this node, the other phone at the next.
            owner, other = (
                site.phone_user(first + 2 * node + is_other, node + (is_other == scenario.IS_CALL_OF_OWNER), admins[0])
                for is_other in (False, True)
            )
            random = Random(f"{plan.seed}:{plan.number}:{node}")
            self._scenarios.append(scenario(owner, other, Expectations(), random))
        self._phone_users = [person for scenario in self._scenarios for person in (scenario.owner, scenario.other)]
        self._listening = asyncio.Semaphore(LISTENERS)
        self._light_s = self._killed_s = self._ended_s = 0.0

    @property
    def summary(self) -> str:
        """How far the calls came, and how soon the last light was right, once everything was back."""
        found = [scenario.expectations.summary(self._killed_s) for scenario in self._scenarios]
        return f"{'; '.join(found)}; lights after {self._light_s:.1f} s"

    async def violations(self) -> list[str]:
        """Everything that was lost, doubled or half done, or that a node does not know; empty if all is well."""
        async with AsyncExitStack() as stack:
            for person in self._phone_users:
                await stack.enter_async_context(person.phone)
            for scenario in self._scenarios:
                scenario.prepare()
            calls = [asyncio.create_task(scenario.run_as_far_as_possible()) for scenario in self._scenarios]
            await self._fail_at_mark(calls[self._plan.node])
            await asyncio.wait(calls, timeout=SCENARIO_TIMEOUT_S)
            self._ended_s = monotonic()
            for call, scenario in zip(calls, self._scenarios, strict=True):
                await call
                await scenario.end_call()
        settled = await self._wait_for_fallbacks()
        for node in range(len(self._admins)):
            settled += await wait_for_recovery(partial(self._request, node=node), RECOVERY_TIMEOUT_S)
        found = []
        rows: dict[str, list[StoredRecording]] = {}
        for place, scenario in enumerate(self._scenarios):
            boxes = {
                person.number: await self._request("list_messages", number=person.number)
                for person in (scenario.owner, scenario.other)
            }
            rows.update(boxes)
            greetings = await self._request("list_greetings", place, number=scenario.owner.number)
            found += scenario.expectations.violations(boxes, *self._loss(place), greetings)
        found += [f"counters are not what rows say: {row}" for row in await self._request("list_wrong_counters")]
        return [*settled, *found, *await self._differences(rows)]

    async def _fail_at_mark(self, call: asyncio.Task[None]) -> None:
        """Kill at the moment of the plan, and wait until everything is back."""
        if self._plan.mark:
            mark = asyncio.create_task(self._scenarios[self._plan.node].marks[self._plan.mark].wait())
            await asyncio.wait([mark, call], return_when=asyncio.FIRST_COMPLETED)
            mark.cancel()
        await asyncio.sleep(self._plan.after_s)
        self._killed_s = monotonic()
        await asyncio.to_thread(self._site.fail, self._plan)

    def _loss(self, place: int) -> tuple[float, str]:
        """What the kill may take from the call of this scenario: when, and whose death counts."""
        if place == self._plan.node and self._plan.target in ("service", "asterisk", "node"):
            return self._killed_s, "service" if self._plan.target == "service" else "asterisk"
        for spoken in self._scenarios[place].expectations.spoken:
            spoken.ended_s = spoken.ended_s or self._ended_s
        return math.inf, "service"

    async def _wait_for_fallbacks(self) -> list[str]:
        """Wait until what the dialplan has recorded by itself is taken up."""
        deadline = monotonic() + RECOVERY_TIMEOUT_S
        while files := [p.name for lab in self._site.labs for p in lab.site.takes_folder.glob("fallback-*")]:
            if monotonic() > deadline:
                return [f"recordings of the dialplan wait after {RECOVERY_TIMEOUT_S:.0f} s: {files}"]
            await asyncio.sleep(0.3)
        return []

    async def _differences(self, boxes: dict[str, list[StoredRecording]]) -> list[str]:
        """What an owner notices at a node, by light and ear, that is not what the rows say."""
        checks = [
            self._check_at(name, lab, person, boxes[person.number])
            for name, lab in zip(self._site.names, self._site.labs, strict=True)
            for person in self._phone_users
        ]
        return [text for texts in await asyncio.gather(*checks) for text in texts]

    async def _check_at(self, name: str, lab: Lab, person: PhoneUser, rows: Sequence[StoredRecording]) -> list[str]:
        new = [row for row in rows if row["folder"] == "new"]
        device = next(one for one in self._site.accounts if one.name == person.name)
        phone = Phone(device.name, device.password, ("127.0.0.1", lab.site.sip_port), vocabulary=self._site.vocabulary)
        async with self._listening, phone:
            began_s = monotonic()
            try:
                await phone.subscribe_mwi()
                await phone.wait_for_notify(lambda summary: summary.new == len(new), LIGHT_TIMEOUT_S)
                self._light_s = max(self._light_s, monotonic() - began_s)
                if new:
                    call = RecognisedCall(await phone.dial("*97"), self._site.vocabulary)
                    await call.expect(Clip.from_wav(Path(new[0]["audio"][0]), new[0]["id"]))
                    await call.hang_up()
            except (*ENDED_EARLY, NotifyMissing) as error:
                if new and await self._is_saved(person, new[0]["id"]):
                    return []  # Heard to its end at another node: a busy machine hangs up late.
                return [f"mailbox {person.number} with {len(new)} new messages, at node {name}: {error}"]
        return []

    async def _is_saved(self, person: PhoneUser, message: str) -> bool:
        rows = await self._request("list_messages", number=person.number)
        return any((row["id"], row["folder"]) == (message, "saved") for row in rows)

    async def _request(self, command: str, node: int = 0, **how: Any) -> Any:
        async with self._admin_lock:
            return await asyncio.to_thread(self._admins[node].request, command, **how)
