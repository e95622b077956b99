"""The short form of `make fuzz`: no parser crashes, from a seed that is always the same."""

from __future__ import annotations

import base64
import random

import pytest

from tests.fuzz.inputs import mutate
from tests.fuzz.run import MAX_CPU_MS, cpu_ms, describe_crash
from tests.fuzz.targets import EXPECTED_ERRORS, TARGETS, FuzzTarget

INPUTS = 40
SEED = 15
BUSY_MS = 4 * MAX_CPU_MS
"""What was found took seconds. `make fuzz` looks more closely, on a machine that does nothing else."""


@pytest.mark.parametrize("name", TARGETS)
def test_no_input_crashes_a_parser(name: str) -> None:
    target, rng = TARGETS[name], random.Random(f"{SEED} {name}")
    for _ in range(INPUTS):
        data = mutate(rng, target.examples, min(target.max_bytes, 8192), target.repetitions)
        assert describe_crash(target, data) is None, data


@pytest.mark.parametrize("name", [name for name in TARGETS if TARGETS[name].repetitions])
def test_no_input_as_long_as_its_parser_accepts_keeps_it_busy(name: str) -> None:
    """The least processor time of three runs: other programs do not count."""
    target = TARGETS[name]
    for repetition in target.repetitions:
        data = repetition.build(target.max_bytes)
        assert describe_crash(target, data) is None, data[:200]
        assert cpu_ms(target, data) < BUSY_MS, data[:200]


@pytest.mark.parametrize("name", TARGETS)
def test_examples_are_valid(name: str) -> None:
    """An example that its parser refuses at once would test nothing but that refusal."""
    target = TARGETS[name]
    accepted = 0
    for example in target.examples:
        try:
            target.run(example)
        except EXPECTED_ERRORS:
            continue
        accepted += 1
    assert accepted > 0


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("caller ids", b"\t" * 100_000 + b"\n"),  # Each further tab took longer: 2,500 of them 4 s.
        ("ranges", b"bytes=-" + b" " * 60_000),  # 3 minutes.
        ("people YAML", b"accounts:\n- name: " + b"{" * 4000),
        ("people CSV", b"name" + b",1000" * 100_000),
        ("KEY=VALUE", b"a=" + b"[" * 4000),
        ("KEY=VALUE", b"a=" + b"9" * 5000),
        ("mail addresses", b"<a@" + b":" * 4000),
        ("query", b"start_key=" + base64.urlsafe_b64encode(b"[" * 40_000)),
        ("people YAML", b"accounts:\n" + b"- " * 1900),
        ("backup manifest", b'{"files":' + b"[" * 8000),
    ],
)
def test_what_the_fuzzer_has_found_is_mended(name: str, data: bytes) -> None:
    assert describe_crash(TARGETS[name], data) is None


def test_crash_is_found() -> None:
    crashing = FuzzTarget(lambda data: data.decode("ascii"), (b"abc",), 100)
    rng = random.Random(SEED)
    found = [describe_crash(crashing, mutate(rng, crashing.examples, 100)) for _ in range(100)]
    assert any(found)
