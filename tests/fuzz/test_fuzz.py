"""The short form of `make fuzz`: no parser crashes, from a seed that is always the same."""

from __future__ import annotations

import base64
import random

import pytest

from tests.fuzz.inputs import mutate
from tests.fuzz.run import describe_crash
from tests.fuzz.targets import EXPECTED_ERRORS, TARGETS, FuzzTarget

INPUTS = 60
SEED = 15


@pytest.mark.parametrize("name", TARGETS)
def test_no_input_crashes_a_parser(name: str) -> None:
    target, rng = TARGETS[name], random.Random(f"{SEED} {name}")
    for _ in range(INPUTS):
        data = mutate(rng, target.examples, min(target.max_bytes, 8192))
        assert describe_crash(target, data) is None, data


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
