"""One run: a story, a kill in the middle of it, a restart, and the question what is still there."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from random import Random
from time import monotonic
from typing import Any

from tests.asterisk.conftest import AdminClient, PhoneUser
from tests.faults.expectations import Expectations, contains_beginning
from tests.faults.scenarios import SCENARIOS, Scenario
from tests.lab.lab import Lab
from tests.lab.sip_phone import Vocabulary

PROCESSES_TO_KILL = ("service", "asterisk")
MAX_KILL_DELAY_S = 0.4
"""A kill that is timed from a mark comes so soon behind it: in the middle of a transaction, often enough."""
CALL_TIMEOUT_S = 1.5
RECOVERY_TIMEOUT_S = 30.0
"""After the restart and the end of the call: adoption waits for 5 s of quiet."""


@dataclass(frozen=True, slots=True)
class RunPlan:
    """What is done in run `number` of `seed`: the same for the same two."""

    number: int
    seed: int
    scenario: type[Scenario]
    killed_process: str
    mark: str | None
    """What the kill is timed from; None: the beginning of the call."""
    after_s: float

    @classmethod
    def generate(cls, number: int, seed: int) -> RunPlan:
        """Stories and victims in turn, so that even few runs have each; the moment by chance."""
        random = Random(f"{seed}:{number}")
        story = SCENARIOS[number % len(SCENARIOS)]
        victim = PROCESSES_TO_KILL[(number // len(SCENARIOS) + number % len(SCENARIOS)) % len(PROCESSES_TO_KILL)]
        if random.random() < 0.6:
            return cls(number, seed, story, victim, random.choice(story.MARKS), random.uniform(0, MAX_KILL_DELAY_S))
        return cls(number, seed, story, victim, None, random.uniform(0.2, story.DURATION_S))

    def __str__(self) -> str:
        when = f"{self.after_s:.2f} s after {f'mark {self.mark!r}' if self.mark else 'the beginning'}"
        return f"run {self.number}: {self.killed_process} killed {when}, {self.scenario.NAME}"


class FaultRun:
    """`people`: an owner and a caller without mailboxes."""

    def __init__(
        self, plan: RunPlan, lab: Lab, admin: AdminClient, devices: list[dict[str, str]], vocabulary: Vocabulary
    ) -> None:
        self._plan = plan
        self._lab = lab
        self._admin = admin
        self._expectations = Expectations()
        self._phone_users = [PhoneUser(admin, lab.info, device, vocabulary) for device in devices]
        self._scenario = plan.scenario(
            self._phone_users[0], self._phone_users[1], self._expectations, Random(f"{plan.seed}:{plan.number}:s")
        )
        self._admin_lock = asyncio.Lock()
        self.summary = ""
        """How far it came, when it is over."""

    async def violations(self) -> list[str]:
        """Everything that was lost, doubled or half done; empty if all is well."""
        async with AsyncExitStack() as stack:
            for person in self._phone_users:
                await stack.enter_async_context(person.phone)
            self._scenario.prepare()
            acting = asyncio.create_task(self._scenario.run_as_far_as_possible())
            killed_s = await self._kill_at_mark(acting)
            too_early = await self._check_not_recovered_early(acting)
            await self._scenario.end_call()
        self.summary = self._expectations.summary(killed_s)
        settled = await wait_for_recovery(self._request)
        boxes = {
            person.number: await self._request("list_messages", number=person.number) for person in self._phone_users
        }
        greetings = await self._request("list_greetings", number=self._scenario.owner.number)
        found = self._expectations.violations(boxes, killed_s, self._plan.killed_process, greetings)
        return [*too_early, *settled, *found]

    async def _kill_at_mark(self, acting: asyncio.Task[None]) -> float:
        """Kill, and start again at once; gives the monotonic second of the kill."""
        if self._plan.mark:
            mark = asyncio.create_task(self._scenario.marks[self._plan.mark].wait())
            await asyncio.wait([mark, acting], return_when=asyncio.FIRST_COMPLETED)
            mark.cancel()
        await asyncio.sleep(self._plan.after_s)
        victim = self._lab.service if self._plan.killed_process == "service" else self._lab.asterisk
        killed_s = monotonic()
        victim.kill()
        await asyncio.to_thread(victim.start)
        return killed_s

    async def _check_not_recovered_early(self, acting: asyncio.Task[None]) -> list[str]:
        """A recording in progress must not be recovered.

        A caller who does not speak hears nothing relevant any more and hangs up soon.
        """
        found: list[str] = []
        gives_up_s = monotonic() + CALL_TIMEOUT_S
        while not acting.done() and monotonic() < gives_up_s:
            await asyncio.wait([acting], timeout=0.4)
            if self._plan.killed_process == "service" and self._expectations.is_recording:
                gives_up_s = monotonic() + CALL_TIMEOUT_S
                if not found and await self._is_recovered_early():
                    found.append("a take was adopted while its caller was still talking")
        acting.cancel()
        await asyncio.wait([acting])
        if not acting.cancelled() and (mistake := acting.exception()):
            raise mistake
        return found

    async def _is_recovered_early(self) -> bool:
        if self._expectations.greetings:
            rows = await self._request("list_greetings", number=self._scenario.owner.number)
            spoken_samples = self._expectations.greetings[-1].spoken.samples
            return (
                any(contains_beginning(spoken_samples, row["audio"][0]) for row in rows)
                and self._expectations.is_recording
            )
        if not self._expectations.recordings:
            return False  # An introduction: its message is not there before it is sent.
        spoken = self._expectations.recordings[-1]
        rows = await self._request("list_messages", number=spoken.box)
        return (
            any(contains_beginning(spoken.samples, row["audio"][-1]) for row in rows)
            and self._expectations.is_recording
        )

    async def _request(self, command: str, **how: Any) -> Any:
        """In a thread: the admin process answers one request at a time, and the phones send audio meanwhile."""
        async with self._admin_lock:
            return await asyncio.to_thread(self._admin.request, command, **how)


async def wait_for_recovery(request: Callable[..., Awaitable[Any]], within_s: float = RECOVERY_TIMEOUT_S) -> list[str]:
    """Wait until nothing is left to adopt; `request` asks the admin process."""
    deadline = monotonic() + within_s
    while takes := await request("list_takes"):
        if monotonic() > deadline:
            return [f"{len(takes)} takes are still not adopted {within_s:.0f} s after the call"]
        await asyncio.sleep(0.3)
    return []
