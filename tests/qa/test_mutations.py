"""The table of `make mutate` fits the code and the checklist; whether tests notice, `make mutate` shows."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.mutations.__main__ import ROOT
from tests.mutations.table import BREAKS, Break
from tests.qa.test_checklist import named_by, rows

ENOUGH = 40


@pytest.mark.parametrize("one", BREAKS, ids=lambda one: one.row)
def test_what_is_broken_stands_once_and_its_row_names_a_test(one: Break) -> None:
    assert (ROOT / one.file).read_text().count(one.old) == 1, f"{one.old!r} does not stand once in {one.file}"
    assert one.new != one.old
    assert one.row in rows()
    assert named_by(one.row), f"{one.row} names no test that runs without an Asterisk"


def test_there_are_enough_and_each_row_is_broken_once() -> None:
    assert len(BREAKS) >= ENOUGH
    assert max(Counter(one.row for one in BREAKS).values()) == 1
