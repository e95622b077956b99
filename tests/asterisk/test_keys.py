"""No key is ever lost: a thousand at the pace of a person and of a machine, with a loop that is 0, 5 and 50 ms late."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.asterisk.conftest import Desk, Person, eventually, take_device
from tests.asterisk.rig.lab import Notes
from tests.sipphone import Vocabulary

PARTS = 4
"""The thousand are pressed in four calls at the same time."""
KEYS = "258#52*8" * 31 + "0#"
"""250 keys of the message menu: seek, replay, envelope, pause; then the main menu, and out."""
PACES = {"a person": (120, 180), "a machine": (50, 50)}
"""How long a key is held, and how long until the next, in ms."""


@pytest.fixture(scope="session")
def desks(notes: Notes, desk: Desk) -> Iterator[dict[int, Desk]]:
    found = {int(ms): Desk(environment) for ms, environment in notes.environments.items() if ms != "0"}
    yield {0: desk, **found}
    for each in found.values():
        each.close()


@pytest.fixture
async def owners(desk: Desk, notes: Notes, vocabulary: Vocabulary) -> AsyncIterator[list[Person]]:
    async with contextlib.AsyncExitStack() as stack:
        found = [Person(desk, notes, take_device(notes), vocabulary) for _ in range(PARTS)]
        for person in found:
            await stack.enter_async_context(person.phone)
        yield found


@pytest.mark.parametrize("late_ms", [0, 5, 50])
@pytest.mark.parametrize("pace", PACES)
async def test_every_key_arrives_in_order(
    owners: list[Person], desks: dict[int, Desk], notes: Notes, pace: str, late_ms: int
) -> None:
    if late_ms and notes.transport == "agi":
        pytest.skip("a process for each call has a loop of its own, which no other call makes late")
    await asyncio.gather(*(presses_them_all(owner, desks[late_ms], pace, late_ms) for owner in owners))


async def presses_them_all(owner: Person, desk: Desk, pace: str, late_ms: int) -> None:
    await owner.phone.register()
    owner.moves_in(at=desk)
    message = owner.has_message(s=60)
    call = await owner.dials(f"*80{late_ms}" if late_ms else "*97")
    await call.hears(message)
    tone_ms, gap_ms = PACES[pace]
    await call.press(KEYS, tone_ms=tone_ms, gap_ms=gap_ms)
    await call.ends()
    await eventually(lambda: desk.ask("calls", channel=f"PJSIP/{owner.name}"))
    [record] = desk.ask("calls", channel=f"PJSIP/{owner.name}")
    taken = "".join(step["key"] for step in record["steps"] if step["what"] == "key")
    assert taken == KEYS, json.dumps({"expected": len(KEYS), "taken": len(taken)})
    assert record["status"] == "DONE"
