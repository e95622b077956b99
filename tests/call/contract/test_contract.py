"""Every transport keeps the same promises to the menus (rows.py): in memory, and over the wire to a peer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.call.contract.roads import Ari, ClassicAgi, FastAgi, Outcome, Road, Scripted, Terminal
from tests.call.contract.rows import ROWS, Row
from tests.call.contract.service import status_of
from tests.call.contract.stage import CONTEXT, EXTENSION

ROADS: dict[str, Callable[[Path, pytest.MonkeyPatch], Road]] = {
    "scripted": lambda folder, _: Scripted(folder),
    "fastagi": lambda folder, _: FastAgi(folder),
    "agi": lambda folder, _: ClassicAgi(folder),
    "ari": lambda folder, _: Ari(folder),
    "terminal": Terminal,
}


@pytest.fixture(params=ROADS)
def road(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Road:
    return ROADS[request.param](tmp_path, monkeypatch)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.sentence.replace(" ", "-"))
async def test_a_transport_keeps_the_contract(road: Road, row: Row) -> None:
    if reason := road.cannot.get(row.sentence):
        pytest.skip(reason)
    outcome = await road.meet(row)
    assert outcome.went_to == ((CONTEXT, EXTENSION) if row.goes_on else None)
    assert outcome.is_over == (row.caller_hangs_up or row.hung_up_by_us)
    assert outcome.answered == row.answered
    if outcome.early is not None:
        assert outcome.early == [*(row.early or ())]
    if road.tells_after_a_hang_up or not outcome.is_over:
        assert outcome.status == status_of(row)
    if row.hears is not None and outcome.heard is not None:
        heard = _stretches(outcome, road)
        assert [name for name, _, _ in heard] == [name for name, _, _ in row.hears]
        for (_, start_ms, end_ms), (_, start, end) in zip(heard, row.hears, strict=True):
            assert abs(start_ms - start * road.sound_ms) <= road.slack_ms
            assert abs(end_ms - end * road.sound_ms) <= road.slack_ms


def test_every_sentence_of_the_contract_is_another_one() -> None:
    assert len({row.sentence for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("name", ROADS)
def test_what_a_road_cannot_do_is_in_the_contract(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sentences = {row.sentence for row in ROWS}
    assert set(ROADS[name](tmp_path, monkeypatch).cannot) <= sentences


def _stretches(outcome: Outcome, road: Road) -> list[tuple[str, int, int]]:
    """What was heard; where it went on at once, as one stretch."""
    found: list[tuple[str, int, int]] = []
    for name, start_ms, end_ms in outcome.heard or ():
        if start_ms == end_ms or start_ms >= road.sound_ms:
            continue
        if found and found[-1][0] == name and abs(found[-1][2] - start_ms) <= road.slack_ms:
            found[-1] = (name, found[-1][1], end_ms)
        else:
            found.append((name, start_ms, end_ms))
    return found
