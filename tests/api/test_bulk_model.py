"""Many messages at once, against a model that is a dict: whatever is asked, each ends where the model says."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ivr.mailbox.bulk import Outcome
from tests.support.house import House

FOLDERS = ("new", "saved", "deleted")
MISSING = "201605-" + "0" * 32

ids = st.lists(st.integers(0, 5), max_size=6)  # 5: one that never was.
verbs = st.one_of(
    st.tuples(st.just("folder"), ids, st.sampled_from(FOLDERS)),
    st.tuples(st.just("delete"), ids, st.none()),
    st.tuples(st.just("move"), ids, st.none()),
    st.tuples(st.just("copy"), ids, st.none()),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=st.lists(verbs, max_size=6))
def test_bulk_operations_are_what_a_model_says(tmp_path_factory: Any, asked: list[tuple[str, list[int], Any]]) -> None:
    asyncio.run(_compare(tmp_path_factory.mktemp("house") / "data", asked))


async def _compare(folder: Path, asked: list[tuple[str, list[int], Any]]) -> None:
    house = await House(folder).open()
    try:
        here, there = await house.box("1000"), await house.box("1001")
        sent = [(await house.message(here, age_s=n, s=0.1)).id for n in range(5)] + [MISSING]
        model: dict[str, str] = dict.fromkeys(sent[:5], "new")
        arrived = 0
        bulk = house.app.rest.bulk
        for verb, which, to in asked:
            wanted = list(dict.fromkeys(sent[n] for n in which))
            known = [one for one in wanted if one in model]
            outcome: Outcome
            if verb == "folder":
                outcome = await bulk.to_folder(here, wanted, to, 0)
                model.update(dict.fromkeys(known, to))
            elif verb == "delete":
                outcome = await bulk.delete(here, wanted, 0)
            elif verb == "move":
                outcome = await bulk.move(here, wanted, there, 0)
            else:
                outcome = await bulk.copy(here, wanted, [there, there], 0)
            if verb in ("delete", "move"):
                model = {one: where for one, where in model.items() if one not in known}
            arrived += {"move": 1, "copy": 2}.get(verb, 0) * len(known)
            assert len(outcome.succeeded) == len(known) * (2 if verb == "copy" else 1)
            if verb in ("folder", "delete"):
                assert outcome.succeeded == known
            assert outcome.failed == [(one, "not_found") for one in wanted if one not in known]
            assert {m.id: str(m.folder) for m in await house.messages(here)} == model
        folders = list(model.values())
        counts = await house.app.messages.counts(here.id)
        assert (counts.new, counts.saved, counts.deleted) == tuple(map(folders.count, FOLDERS))
        assert len(await house.messages(there)) == arrived
    finally:
        house.close()
