"""Every transport keeps the same promises to the menus (rows.py): in memory, and over the wire to a peer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.call.contract.contract_cases import CASES, ContractCase
from tests.call.contract.contract_fixture import CONTEXT, EXTENSION
from tests.call.contract.contract_service import expected_status
from tests.call.contract.transports import (
    AriTransport,
    CallOutcome,
    ClassicAgiTransport,
    FastAgiTransport,
    ScriptedTransport,
    TerminalTransport,
    TransportUnderTest,
)

TRANSPORTS: dict[str, Callable[[Path, pytest.MonkeyPatch], TransportUnderTest]] = {
    "scripted": lambda folder, _: ScriptedTransport(folder),
    "fastagi": lambda folder, _: FastAgiTransport(folder),
    "agi": lambda folder, _: ClassicAgiTransport(folder),
    "ari": lambda folder, _: AriTransport(folder),
    "terminal": TerminalTransport,
}


@pytest.fixture(params=TRANSPORTS)
def transport(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TransportUnderTest:
    return TRANSPORTS[request.param](tmp_path, monkeypatch)


@pytest.mark.parametrize("row", CASES, ids=lambda row: row.sentence.replace(" ", "-"))
async def test_transport_satisfies_contract_case(transport: TransportUnderTest, row: ContractCase) -> None:
    if reason := transport.unsupported.get(row.sentence):
        pytest.skip(reason)
    outcome = await transport.run_case(row)
    assert outcome.continued_at == ((CONTEXT, EXTENSION) if row.continues_in_dialplan else None)
    assert outcome.hung_up == (row.caller_hangs_up or row.service_hangs_up)
    assert outcome.answered == row.answered
    if outcome.heard_before_answer is not None:
        assert outcome.heard_before_answer == [*(row.heard_before_answer or ())]
    if transport.reports_status_after_hangup or not outcome.hung_up:
        assert outcome.status == expected_status(row)
    if row.expected_audio is not None and outcome.heard is not None:
        heard = _merged_ranges(outcome, transport)
        assert [name for name, _, _ in heard] == [name for name, _, _ in row.expected_audio]
        for (_, start_ms, end_ms), (_, start, end) in zip(heard, row.expected_audio, strict=True):
            assert abs(start_ms - start * transport.sound_ms) <= transport.tolerance_ms
            assert abs(end_ms - end * transport.sound_ms) <= transport.tolerance_ms


def test_contract_sentences_are_unique() -> None:
    assert len({row.sentence for row in CASES}) == len(CASES)


@pytest.mark.parametrize("name", TRANSPORTS)
def test_unsupported_cases_exist_in_contract(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sentences = {row.sentence for row in CASES}
    assert set(TRANSPORTS[name](tmp_path, monkeypatch).unsupported) <= sentences


def _merged_ranges(outcome: CallOutcome, transport: TransportUnderTest) -> list[tuple[str, int, int]]:
    """What was heard; where it went on at once, as one stretch."""
    found: list[tuple[str, int, int]] = []
    for name, start_ms, end_ms in outcome.heard or ():
        if start_ms == end_ms or start_ms >= transport.sound_ms:
            continue
        if found and found[-1][0] == name and abs(found[-1][2] - start_ms) <= transport.tolerance_ms:
            found[-1] = (name, found[-1][1], end_ms)
        else:
            found.append((name, start_ms, end_ms))
    return found
