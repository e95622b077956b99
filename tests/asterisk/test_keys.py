"""No key is ever lost: a thousand at the pace of a person and of a machine, with a loop that is 0, 5 and 50 ms late."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.asterisk.conftest import Desk, Person, eventually
from tests.asterisk.rig.lab import Notes

PARTS = 4
"""The thousand are pressed in four calls, which run at the same time as others."""
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


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("late_ms", [0, 5, 50])
@pytest.mark.parametrize("pace", PACES)
async def test_every_key_arrives_in_order(
    people: list[Person], desks: dict[int, Desk], pace: str, late_ms: int, part: int
) -> None:
    alice = people[0]
    await alice.phone.register()
    alice.moves_in(at=desks[late_ms])
    message = alice.has_message(s=60)
    call = await alice.dials(f"*80{late_ms}" if late_ms else "*97")
    await call.hears(message)
    tone_ms, gap_ms = PACES[pace]
    await call.press(KEYS, tone_ms=tone_ms, gap_ms=gap_ms)
    await call.ends()
    await eventually(lambda: desks[late_ms].ask("calls", channel=f"PJSIP/{alice.name}"))
    [record] = desks[late_ms].ask("calls", channel=f"PJSIP/{alice.name}")
    taken = "".join(step["key"] for step in record["steps"] if step["what"] == "key")
    assert taken == KEYS, json.dumps({"expected": len(KEYS), "taken": len(taken)})
    assert record["status"] == "DONE"
