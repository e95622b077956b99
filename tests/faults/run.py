"""One run: a story, a kill in the middle of it, a restart, and the question what is still there."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from random import Random
from time import monotonic
from typing import Any

from tests.asterisk.conftest import Desk, Person
from tests.asterisk.rig.lab import Lab, Notes
from tests.faults.ledger import Ledger, begins_in
from tests.faults.stories import STORIES, Story
from tests.sipphone import NoAnswer, NotHeard, Refused, StillUp, Vocabulary

VICTIMS = ("service", "asterisk")
LONGEST_AFTER_MARK_S = 0.4
"""A kill that is timed from a mark comes so soon behind it: in the middle of a transaction, often enough."""
STORY_WITHIN_S = 25.0
GIVES_UP_AFTER_S = 1.5
SETTLED_WITHIN_S = 30.0
"""After the restart and the end of the call: adoption waits for 5 s of quiet."""

# What a person meets whose call dies.
ENDED_EARLY = (NotHeard, StillUp, NoAnswer, Refused, ConnectionError, TimeoutError)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is done in run `number` of `seed`: the same for the same two."""

    number: int
    seed: int
    story: type[Story]
    victim: str
    mark: str | None
    """What the kill is timed from; None: the beginning of the call."""
    after_s: float

    @classmethod
    def drawn(cls, number: int, seed: int) -> Plan:
        """Stories and victims in turn, so that even few runs have each; the moment by chance."""
        random = Random(f"{seed}:{number}")
        story = STORIES[number % len(STORIES)]
        victim = VICTIMS[(number // len(STORIES) + number % len(STORIES)) % len(VICTIMS)]
        if random.random() < 0.6:
            return cls(number, seed, story, victim, random.choice(story.MARKS), random.uniform(0, LONGEST_AFTER_MARK_S))
        return cls(number, seed, story, victim, None, random.uniform(0.2, story.LASTS_S))

    def __str__(self) -> str:
        when = f"{self.after_s:.2f} s after {f'mark {self.mark!r}' if self.mark else 'the beginning'}"
        return f"run {self.number}: {self.victim} killed {when}, {self.story.NAME}"


class Run:
    """`people`: an owner and another, of whom nobody knows yet."""

    def __init__(self, plan: Plan, lab: Lab, desk: Desk, devices: list[dict[str, str]], vocabulary: Vocabulary) -> None:
        notes = Notes(str(lab.folder), lab.site.sip_port, lab.site.main.port, {"0": lab.environment}, devices, [], [])
        self._plan = plan
        self._lab = lab
        self._desk = desk
        self._ledger = Ledger()
        self._people = [Person(desk, notes, device, vocabulary) for device in devices]
        self._story = plan.story(self._people[0], self._people[1], self._ledger, Random(f"{plan.seed}:{plan.number}:s"))
        self._asking = asyncio.Lock()
        self.told = ""
        """How far it came, when it is over."""

    async def complaints(self) -> list[str]:
        """Everything that was lost, doubled or half done; empty if all is well."""
        async with AsyncExitStack() as stack:
            for person in self._people:
                await stack.enter_async_context(person.phone)
            self._story.prepare()
            acting = asyncio.create_task(self._act())
            killed_s = await self._kill_in_time(acting)
            too_early = await self._watch(acting)
            await self._hang_up()
        self.told = self._ledger.told(killed_s)
        settled = await self._settle()
        boxes = {person.number: await self._ask("messages", number=person.number) for person in self._people}
        greetings = await self._ask("greetings", number=self._story.owner.number)
        found = self._ledger.complaints(boxes, killed_s, self._plan.victim, greetings)
        return [*too_early, *settled, *found]

    async def _act(self) -> None:
        with suppress(*ENDED_EARLY):
            async with asyncio.timeout(STORY_WITHIN_S):
                await self._story.act()

    async def _kill_in_time(self, acting: asyncio.Task[None]) -> float:
        """Kill, and start again at once; gives the monotonic second of the kill."""
        if self._plan.mark:
            mark = asyncio.create_task(self._story.marks[self._plan.mark].wait())
            await asyncio.wait([mark, acting], return_when=asyncio.FIRST_COMPLETED)
            mark.cancel()
        await asyncio.sleep(self._plan.after_s)
        victim = self._lab.service if self._plan.victim == "service" else self._lab.asterisk
        killed_s = monotonic()
        victim.kill()
        await asyncio.to_thread(victim.start)
        return killed_s

    async def _watch(self, acting: asyncio.Task[None]) -> list[str]:
        """While somebody still talks into a recording, nobody may adopt it.

        Whoever does not talk hears nothing more that counts, and hangs up soon.
        """
        found: list[str] = []
        gives_up_s = monotonic() + GIVES_UP_AFTER_S
        while not acting.done() and monotonic() < gives_up_s:
            await asyncio.wait([acting], timeout=0.4)
            if self._plan.victim == "service" and self._ledger.recording:
                gives_up_s = monotonic() + GIVES_UP_AFTER_S
                if not found and await self._is_adopted_too_early():
                    found.append("a take was adopted while its caller was still talking")
        acting.cancel()
        await asyncio.wait([acting])
        if not acting.cancelled() and (mistake := acting.exception()):
            raise mistake
        return found

    async def _is_adopted_too_early(self) -> bool:
        if self._ledger.greetings:
            rows = await self._ask("greetings", number=self._story.owner.number)
            said = self._ledger.greetings[-1].spoken.samples
            return any(begins_in(said, row["audio"][0]) for row in rows) and self._ledger.recording
        if not self._ledger.spoken:
            return False  # An introduction: its message is not there before it is sent.
        spoken = self._ledger.spoken[-1]
        rows = await self._ask("messages", number=spoken.box)
        return any(begins_in(spoken.samples, row["audio"][-1]) for row in rows) and self._ledger.recording

    async def _hang_up(self) -> None:
        if self._story.call:
            with suppress(*ENDED_EARLY):
                async with asyncio.timeout(1):
                    await self._story.call.hang_up()

    async def _settle(self) -> list[str]:
        """Wait until nothing is left to adopt."""
        deadline = monotonic() + SETTLED_WITHIN_S
        while takes := await self._ask("takes"):
            if monotonic() > deadline:
                return [f"{len(takes)} takes are still not adopted {SETTLED_WITHIN_S:.0f} s after the call"]
            await asyncio.sleep(0.3)
        return []

    async def _ask(self, do: str, **how: Any) -> Any:
        """The clerk answers one at a time, and the phones go on talking meanwhile."""
        async with self._asking:
            return await asyncio.to_thread(self._desk.ask, do, **how)
