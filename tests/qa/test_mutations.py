"""The table of `make mutate` fits the code and the checklist; whether tests notice, `make mutate` shows."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.mutations.__main__ import ROOT
from tests.mutations.mutant_table import MUTANTS, Mutant
from tests.qa.test_checklist import named_tests, rows

ENOUGH = 40


@pytest.mark.parametrize("one", MUTANTS, ids=lambda one: one.checklist_id)
def test_mutant_source_is_unique_and_row_names_test(one: Mutant) -> None:
    assert (ROOT / one.file).read_text().count(one.old) == 1, f"{one.old!r} does not stand once in {one.file}"
    assert one.new != one.old
    assert one.checklist_id in rows()
    assert named_tests(one.checklist_id), f"{one.checklist_id} names no test that runs without an Asterisk"


def test_mutants_are_enough_and_rows_unique() -> None:
    assert len(MUTANTS) >= ENOUGH
    assert max(Counter(one.checklist_id for one in MUTANTS).values()) == 1
