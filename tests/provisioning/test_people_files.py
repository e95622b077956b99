"""People files of any content: every line is a row or an error, and nothing but `BadInput` is raised."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ivr.errors import BadInput
from ivr.provisioning.people_csv import parse_csv
from ivr.provisioning.people_yaml import parse_yaml

COLUMNS = ["name", "mailbox", "pin", "email", "quota_mb", "aliases", "notify.callback.number", "extension"]
CELLS = st.text(st.sampled_from('ab01,; "\n{}[]null.'), max_size=6)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=3),
)
KEYS = st.sampled_from(["accounts", "users", "boxes", "name", "mailbox", "pin", "owner", "endpoints", "settings"])
TREES = st.recursive(
    st.none() | st.text(max_size=5) | st.integers(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(KEYS, children, max_size=4),
)


def quote(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"'


@given(st.lists(st.lists(CELLS, min_size=3, max_size=3), max_size=5), st.permutations(COLUMNS))
def test_every_csv_line_is_a_row_or_an_error(lines: list[list[str]], columns: list[str]) -> None:
    names = [column for column in columns if column != "extension"][:3]
    text = "\n".join([",".join(names), *(",".join(map(quote, cells)) for cells in lines)])
    people = parse_csv(text)
    assert len(people.rows) + len(people.errors) == sum(any(cell.strip() for cell in cells) for cells in lines)


@given(st.text(max_size=200))
def test_any_text_is_csv_or_bad_input(text: str) -> None:
    with contextlib.suppress(BadInput):
        parse_csv(text)


@given(st.text(max_size=200) | st.builds(yaml.safe_dump, TREES | VALUES))
def test_any_text_is_yaml_or_bad_input(text: str) -> None:
    try:
        people = parse_yaml(text)
    except BadInput:
        return
    assert all(row.box is None or isinstance(row.box.number, str) for row in people.rows)


@given(st.text("0123456789", min_size=1, max_size=8))
def test_numbers_and_pins_stay_as_they_are_written(digits: str) -> None:
    [row] = parse_yaml(f"boxes: [{{mailbox: {digits}, pin: {digits}, aliases: [{digits}]}}]").rows
    assert row.box is not None
    assert (row.box.number, row.box.pin, row.box.fields["aliases"]) == (digits, digits, [digits])
    [row] = parse_csv(f"mailbox,pin,aliases\n{digits},{digits},{digits}\n").rows
    assert row.box is not None
    assert (row.box.number, row.box.pin, row.box.fields["aliases"]) == (digits, digits, [digits])


@pytest.mark.parametrize(
    "text", ["boxes: &a [*a]", "users: &a {boxes: [*a]}", "boxes: [{mailbox: 1, notify: &a {x: *a}}]"]
)
def test_yaml_that_contains_itself_is_bad_input_or_an_error(text: str) -> None:
    try:
        people = parse_yaml(text)
    except BadInput:
        return
    assert people.errors


def test_line_of_a_row_is_where_it_begins() -> None:
    people = parse_csv('mailbox,box_name\n1000,"two\nlines"\n\n1001,x\n')
    assert [row.line for row in people.rows] == [2, 5]


@pytest.mark.parametrize("name", ["\U0001f469\u200d\U0001f4bb Ann", "\U0001f1e9\U0001f1ea", "Zo\xeb"])
def test_people_file_that_a_program_wrote_as_json_is_read_as_it_is_meant(name: str) -> None:
    """JSON writes an emoji in two escapes, which YAML reads as two characters that cannot be stored."""
    people = parse_yaml(json.dumps({"boxes": [{"mailbox": "1000", "name": name}]}))
    assert people.errors == []
    assert [row.box and row.box.fields["name"] for row in people.rows] == [name]
