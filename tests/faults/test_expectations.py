"""The harness itself: it complains of each thing that may not happen, and of nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ivr.audio import wav
from tests.faults.expectations import Expectations, ExpectedFolder, ExpectedForward, ExpectedGreeting, ExpectedRecording
from tests.faults.nodes import TARGETS, NodeRunPlan
from tests.faults.run import RunPlan
from tests.faults.scenarios import SCENARIOS
from tests.lab.sip_phone import Samples
from tests.lab.sip_phone.speech import speech, through_ulaw

SPEECH = speech(7, 8000)
BOX = "1000"
KILLED_S = 106.0


def stored_recording(folder: Path, samples: Samples = SPEECH, name: str = "a") -> dict[str, Any]:
    """A message with what was said in it, as it sounds on the phone."""
    path = folder / f"{name}.wav"
    wav.write(path, through_ulaw(samples).tobytes())
    return {"id": name, "folder": "new", "audio": [str(path)]}


def violations(ledger: Expectations, *rows: dict[str, Any], victim: str = "asterisk") -> list[str]:
    return ledger.violations({BOX: rows}, KILLED_S, victim)


def expected_recording(**more: Any) -> Expectations:
    return Expectations(recordings=[ExpectedRecording(BOX, SPEECH, 100.0, **more)])


@pytest.mark.parametrize(("kept_s", "is_fine"), [(8.0, True), (3.9, True), (3.0, False), (0.0, False)])
def test_killed_asterisk_may_lose_only_its_buffer(tmp_path: Path, kept_s: float, is_fine: bool) -> None:
    """Six seconds were said when it was killed."""
    rows = [stored_recording(tmp_path, SPEECH[: round(kept_s * 8000)])] if kept_s else []
    assert (violations(expected_recording(), *rows) == []) is is_fine


def test_killed_service_may_lose_nothing(tmp_path: Path) -> None:
    ledger = expected_recording(ended_s=108.0)
    assert violations(ledger, stored_recording(tmp_path, SPEECH), victim="service") == []
    assert violations(ledger, stored_recording(tmp_path, SPEECH[: 6 * 8000]), victim="service")


def test_confirmed_recording_must_be_complete(tmp_path: Path) -> None:
    ledger = expected_recording(ended_s=108.0, confirmed=True)
    assert violations(ledger, stored_recording(tmp_path, SPEECH)) == []
    assert violations(ledger, stored_recording(tmp_path, SPEECH[: 4 * 8000]))
    assert violations(ledger)


def test_duplicate_recording_is_a_violation(tmp_path: Path) -> None:
    twice = [stored_recording(tmp_path), stored_recording(tmp_path, name="b")]
    assert "2 times" in violations(expected_recording(), *twice)[0]


def test_different_recording_does_not_match(tmp_path: Path) -> None:
    assert violations(expected_recording(), stored_recording(tmp_path, speech(8, 8000)))


def test_recording_shorter_than_minimum_may_be_lost() -> None:
    assert violations(Expectations(recordings=[ExpectedRecording(BOX, SPEECH, KILLED_S - 2.5)])) == []


def test_missing_file_and_wrong_header_are_violations(tmp_path: Path) -> None:
    gone, lying = stored_recording(tmp_path), stored_recording(tmp_path, name="b")
    Path(gone["audio"][0]).unlink()
    Path(lying["audio"][0]).write_bytes(wav.header(100) + np.zeros(800, np.int16).tobytes())
    assert [text.split()[0] for text in violations(Expectations(), gone, lying)] == ["message", "the"]


def test_confirmed_folders_hold_and_no_message_is_lost(tmp_path: Path) -> None:
    ledger = Expectations(initial_messages=[(BOX, "a")], folders=[ExpectedFolder(BOX, "a", "deleted")])
    row = stored_recording(tmp_path, name="a")
    assert violations(ledger, {**row, "folder": "deleted"}) == []
    assert violations(ledger, row)
    assert len(violations(ledger)) == 2


@pytest.mark.parametrize(
    ("announced", "copies", "is_fine"), [(True, 1, True), (True, 0, False), (False, 0, True), (False, 2, False)]
)
def test_a_message_is_forwarded_once(tmp_path: Path, announced: bool, copies: int, is_fine: bool) -> None:
    ledger = Expectations(forwards=[ExpectedForward(BOX, SPEECH, announced)])
    rows = [stored_recording(tmp_path, name=str(n)) for n in range(copies)]
    assert (violations(ledger, *rows) == []) is is_fine


def test_an_introduction_that_was_spoken_goes_along(tmp_path: Path) -> None:
    words = speech(9, 5000)
    intro = ExpectedRecording(BOX, words, 100.0, ended_s=105.0, confirmed=True)
    ledger = Expectations(forwards=[ExpectedForward(BOX, SPEECH, True, intro)])
    row, before = stored_recording(tmp_path), stored_recording(tmp_path, words, "intro")
    assert violations(ledger, {**row, "audio": [*before["audio"], *row["audio"]]}) == []
    assert violations(ledger, row)


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
    ledger = Expectations(
        greetings=[ExpectedGreeting(ExpectedRecording(BOX, SPEECH, 90.0, ended_s=98.0, confirmed=announced), chosen)]
    )
    rows = [{**stored_recording(tmp_path, name=where), "in_use": where == "in use"} for where in there]
    assert (ledger.violations({BOX: []}, KILLED_S, "asterisk", rows) == []) is is_fine


def test_run_plans_are_reproducible_and_cover_all_scenarios() -> None:
    plans = [RunPlan.generate(number, 42) for number in range(20)]
    assert plans == [RunPlan.generate(number, 42) for number in range(20)]
    assert plans != [RunPlan.generate(number, 43) for number in range(20)]
    assert {(plan.scenario, plan.killed_process) for plan in plans} == {
        (s, v) for s in SCENARIOS for v in ("service", "asterisk")
    }


def test_run_plans_of_nodes_are_reproducible_and_cover_all_targets() -> None:
    plans = [NodeRunPlan.generate(number, 42, 3) for number in range(60)]
    assert plans == [NodeRunPlan.generate(number, 42, 3) for number in range(60)]
    assert plans != [NodeRunPlan.generate(number, 43, 3) for number in range(60)]
    assert {plan.target for plan in plans[: len(TARGETS)]} == set(TARGETS)
    assert {(plan.target, plan.node) for plan in plans} == {(target, node) for target in TARGETS for node in range(3)}
    assert {scenario for plan in plans for scenario in plan.scenarios} == set(SCENARIOS)
