"""docs/dev/checklist.md: every row is there once; every test that it and other tables name exists."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RANGES: dict[str, Iterable[int]] = {
    "KP": range(1, 46), "E": range(1, 17), "M": range(1, 6), "L": range(1, 18), "F": range(1, 9), "K": range(1, 3),
    "R": range(1, 9), "S": range(1, 7), "C": range(1, 26), "H": range(1, 7), "SI": range(1, 12),
    "SK": range(1, 50), "N": range(1, 12), "T": range(1, 2), "W": range(1, 4), "TL": range(1, 18), "FT": range(1, 15),
    "CA": range(1, 13), "RD": range(1, 9), "AR": range(1, 15),
    "EP": range(1, 25), "ER": range(1, 8), "A": range(18, 38),
    "RW": range(1, 13), "QU": range(1, 15), "BK": range(1, 8), "DP": range(1, 5), "PG": range(1, 22),
}  # fmt: skip
REQUIRED_ROWS = {f"{letters}{n:02}" for letters, numbers in RANGES.items() for n in numbers}
CHANGES_FROM_KAZOO = {"KP32", "KP33", "L10", "L14", "L16", "F05", "F06", "E12", "C04", "C18", "C24", "H05", "S05"} | {
    "N05", "N06",
    "EP16", "ER07", "A22", "A24", "A30", "A31", "A33", "A34", "SK15", "SK25",
}  # fmt: skip
"""Rows that differ from Kazoo on purpose."""


def rows() -> dict[str, tuple[str, str]]:
    found: dict[str, tuple[str, str]] = {}
    for line in (ROOT / "docs" / "dev" / "checklist.md").read_text().splitlines():
        if matched := re.fullmatch(r"\| ([A-Z]+\d\d) \| (.*?) \| (.*) \|", line):
            assert matched[1] not in found, f"{matched[1]} is there twice"
            found[matched[1]] = (matched[2], matched[3])
    return found


def named_tests(row: str) -> list[str]:
    """The tests that a row names and that need no Asterisk, as pytest wants them."""
    return [name for name in re.findall(r"tests/[\w/]+\.py::\w+", rows()[row][1]) if "tests/asterisk/" not in name]


@cache
def functions_in(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / path).read_text())
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def test_every_checklist_row_exists() -> None:
    assert set(rows()) == REQUIRED_ROWS


def test_every_row_names_a_test_or_says_why_not() -> None:
    for row, (_, shown_by) in rows().items():
        assert "::test_" in shown_by or shown_by.startswith("not built: "), row


def test_every_named_test_exists() -> None:
    for row, (_, shown_by) in rows().items():
        for path, name in re.findall(r"(tests/[\w/]+\.py)::(\w+)", shown_by):
            assert name in functions_in(path), f"{row}: there is no {path}::{name}"


@pytest.mark.parametrize("document", ["field-reports.md", "install-trial.md", "security-tests.md"])
def test_every_test_that_a_table_names_exists(document: str) -> None:
    named = re.findall(r"(tests/[\w/]+\.py)::(\w+)", (ROOT / "docs" / "dev" / document).read_text())
    assert named
    for path, name in named:
        assert name in functions_in(path), f"{document}: there is no {path}::{name}"


def test_every_field_report_names_a_test() -> None:
    lines = (ROOT / "docs" / "dev" / "field-reports.md").read_text().splitlines()
    reports = [line for line in lines if re.match(r"\| (\d\d|F\d|\u2013)", line)]
    assert len(reports) > 75
    assert [line for line in reports if not re.search(r"\| tests/[\w/]+\.py::test_\w+[^|]*\|$", line)] == []


def test_changes_from_kazoo_are_marked() -> None:
    marked = {row for row, (what, _) in rows().items() if what.startswith("changed: ")}
    assert marked == CHANGES_FROM_KAZOO
