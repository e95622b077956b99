"""The harness itself: it complains of each thing that may not happen, and of nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ivr.audio import wav
from tests.faults.ledger import Filed, Forwarded, Greeting, Ledger, Spoken
from tests.faults.run import Plan
from tests.faults.stories import STORIES
from tests.sipphone import Samples
from tests.sipphone.speech import on_the_phone, speech

SAID = speech(7, 8000)
BOX = "1000"
KILLED_S = 106.0


def recorded(folder: Path, samples: Samples = SAID, name: str = "a") -> dict[str, Any]:
    """A message with what was said in it, as it sounds on the phone."""
    path = folder / f"{name}.wav"
    wav.write(path, on_the_phone(samples).tobytes())
    return {"id": name, "folder": "new", "audio": [str(path)]}


def complaints(ledger: Ledger, *rows: dict[str, Any], victim: str = "asterisk") -> list[str]:
    return ledger.complaints({BOX: rows}, KILLED_S, victim)


def spoken(**more: Any) -> Ledger:
    return Ledger(spoken=[Spoken(BOX, SAID, 100.0, **more)])


@pytest.mark.parametrize(("kept_s", "is_fine"), [(8.0, True), (3.9, True), (3.0, False), (0.0, False)])
def test_a_killed_asterisk_may_cost_what_it_held_back_and_no_more(tmp_path: Path, kept_s: float, is_fine: bool) -> None:
    """Six seconds were said when it was killed."""
    rows = [recorded(tmp_path, SAID[: round(kept_s * 8000)])] if kept_s else []
    assert (complaints(spoken(), *rows) == []) is is_fine


def test_a_killed_service_may_cost_nothing(tmp_path: Path) -> None:
    ledger = spoken(ended_s=108.0)
    assert complaints(ledger, recorded(tmp_path, SAID), victim="service") == []
    assert complaints(ledger, recorded(tmp_path, SAID[: 6 * 8000]), victim="service")


def test_what_was_announced_is_there_whole(tmp_path: Path) -> None:
    ledger = spoken(ended_s=108.0, announced=True)
    assert complaints(ledger, recorded(tmp_path, SAID)) == []
    assert complaints(ledger, recorded(tmp_path, SAID[: 4 * 8000]))
    assert complaints(ledger)


def test_nothing_is_there_twice(tmp_path: Path) -> None:
    twice = [recorded(tmp_path), recorded(tmp_path, name="b")]
    assert "2 times" in complaints(spoken(), *twice)[0]


def test_another_message_is_not_what_was_said(tmp_path: Path) -> None:
    assert complaints(spoken(), recorded(tmp_path, speech(8, 8000)))


def test_what_had_hardly_begun_may_be_gone() -> None:
    assert complaints(Ledger(spoken=[Spoken(BOX, SAID, KILLED_S - 2.5)])) == []


def test_a_row_without_its_file_and_a_header_that_lies(tmp_path: Path) -> None:
    gone, lying = recorded(tmp_path), recorded(tmp_path, name="b")
    Path(gone["audio"][0]).unlink()
    Path(lying["audio"][0]).write_bytes(wav.header(100) + np.zeros(800, np.int16).tobytes())
    assert [text.split()[0] for text in complaints(Ledger(), gone, lying)] == ["message", "the"]


def test_announced_folders_hold_and_no_message_goes_missing(tmp_path: Path) -> None:
    ledger = Ledger(there_before=[(BOX, "a")], filed=[Filed(BOX, "a", "deleted")])
    row = recorded(tmp_path, name="a")
    assert complaints(ledger, {**row, "folder": "deleted"}) == []
    assert complaints(ledger, row)
    assert len(complaints(ledger)) == 2


@pytest.mark.parametrize(
    ("announced", "copies", "is_fine"), [(True, 1, True), (True, 0, False), (False, 0, True), (False, 2, False)]
)
def test_a_message_is_forwarded_once(tmp_path: Path, announced: bool, copies: int, is_fine: bool) -> None:
    ledger = Ledger(forwarded=[Forwarded(BOX, SAID, announced)])
    rows = [recorded(tmp_path, name=str(n)) for n in range(copies)]
    assert (complaints(ledger, *rows) == []) is is_fine


def test_an_introduction_that_was_spoken_goes_along(tmp_path: Path) -> None:
    words = speech(9, 5000)
    intro = Spoken(BOX, words, 100.0, ended_s=105.0, announced=True)
    ledger = Ledger(forwarded=[Forwarded(BOX, SAID, True, intro)])
    row, before = recorded(tmp_path), recorded(tmp_path, words, "intro")
    assert complaints(ledger, {**row, "audio": [*before["audio"], *row["audio"]]}) == []
    assert complaints(ledger, row)


@pytest.mark.parametrize(
    ("chosen", "announced", "there", "is_fine"),
    [
        (False, False, ["aside"], True), (False, False, ["in use"], False), (False, False, [], False),
        (True, False, ["aside"], True), (True, False, ["in use"], True), (True, True, ["in use"], True),
        (True, True, ["aside"], False), (True, False, ["in use", "aside"], False),
    ],
)  # fmt: skip
def test_a_greeting_is_in_use_if_its_owner_chose_it_else_put_aside(
    tmp_path: Path, chosen: bool, announced: bool, there: list[str], is_fine: bool
) -> None:
    ledger = Ledger(greetings=[Greeting(Spoken(BOX, SAID, 90.0, ended_s=98.0, announced=announced), chosen)])
    rows = [{**recorded(tmp_path, name=where), "in_use": where == "in use"} for where in there]
    assert (ledger.complaints({BOX: []}, KILLED_S, "asterisk", rows) == []) is is_fine


def test_the_same_seed_makes_the_same_runs_and_few_runs_have_every_story_and_both_victims() -> None:
    plans = [Plan.drawn(number, 42) for number in range(20)]
    assert plans == [Plan.drawn(number, 42) for number in range(20)]
    assert plans != [Plan.drawn(number, 43) for number in range(20)]
    assert {(plan.story, plan.victim) for plan in plans} == {(s, v) for s in STORIES for v in ("service", "asterisk")}
