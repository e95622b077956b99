"""People files in CSV: a header, then a line for each person. An empty cell changes nothing."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ivr.directory.models import User
from ivr.errors import BadInput
from ivr.mailbox.box_settings import BoxSettings
from ivr.mailbox.text_values import (
    parse_value,
    reject_unknown_keys,
    reject_unknown_settings,
    set_at_path,
    split_list,
    suggest,
)
from ivr.provisioning import freepbx
from ivr.provisioning.people import BoxEntry, PeopleFile, PeopleRow, RowError, UserEntry

DELIMITERS = ",;\t"
COLUMN_NAMES = {
    "account": "account",
    "name": "user.name",
    "user": "user.name",
    "email": "user.email",
    "language": "user.language",
    "timezone": "user.timezone",
    "endpoint": "endpoints",
    "endpoints": "endpoints",
    "phone": "endpoints",
    "phones": "endpoints",
    "mailbox": "box.mailbox",
    "box": "box.mailbox",
    "number": "box.mailbox",
    "extension": "box.mailbox",
    "box_name": "box.name",
    "pin": "pin",
}
"""Column: its path. Any other column is a key of the mailbox, as of 'ivr box set', or begins with `user.` or `box.`."""
USER_KEYS = frozenset(User.model_fields) - {"id", "account_id", "revision", "username", "voicemail_id"}
BOX_KEYS = frozenset(BoxSettings.model_fields) - {"owner_id"}


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    cells: Mapping[str, str]


def parse_csv(text: str, *, allow_unknown_keys: bool = False) -> PeopleFile:
    """Return the rows of a CSV file, ours or of the bulk handler of FreePBX.

    Raises `BadInput` for a header that cannot be used; errors of lines are in the result.
    """
    people = PeopleFile()
    lines = _read_lines(text, people.errors)
    header = next(lines, None)
    if header is None:
        raise BadInput("the file is empty: its first line names the columns, such as name,email,mailbox,pin")
    if freepbx.is_header(header.cells):
        for line in lines:
            row, notes = freepbx.parse_row(line.number, line.cells)
            people.rows.append(row)
            people.notes.extend(RowError(line.number, note) for note in notes)
        return people
    paths = _parse_header(header.cells, allow_unknown_keys=allow_unknown_keys)
    for line in lines:
        try:
            people.rows.append(_parse_row(line, paths))
        except BadInput as error:
            people.errors.append(RowError(line.number, str(error)))
    return people


def _read_lines(text: str, errors: list[RowError]) -> Iterator[_Line]:
    """Yield the header, with its columns as cells, then each line that is not empty. Raises `BadInput`."""
    first_line = text.lstrip("\ufeff").partition("\n")[0]
    delimiter = max(DELIMITERS, key=first_line.count)
    reader = csv.reader(io.StringIO(text.lstrip("\ufeff"), newline=""), delimiter=delimiter, strict=True)
    header: list[str] | None = None
    line_number = 1
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise BadInput(f"line {line_number} is not CSV ({error}): is a quote missing?") from None
        started_at, line_number = line_number, reader.line_num + 1
        cells = [cell.strip() for cell in cells]
        if not any(cells):
            continue
        if header is None:
            header = [cell.lower().replace(" ", "_") for cell in cells]
            repeated = sorted(name for name, count in Counter(header).items() if name and count > 1)
            if repeated:
                raise BadInput(f"column {repeated[0]} is there twice: remove one of them")
            yield _Line(started_at, {name: name for name in header if name})
        elif len(cells) > len(header) and any(cells[len(header) :]):
            message = f"{len(cells)} cells, but {len(header)} columns: put values that contain {delimiter!r} in quotes"
            errors.append(RowError(started_at, message))
        else:
            yield _Line(started_at, {name: cell for name, cell in zip(header, cells, strict=False) if name})


def _parse_header(columns: Mapping[str, str], *, allow_unknown_keys: bool) -> dict[str, list[str]]:
    """Return the path of each column. Raises `BadInput` for unknown columns, and for two of the same meaning."""
    paths = {column: _column_path(column, allow_unknown_keys=allow_unknown_keys) for column in columns}
    meanings = Counter(map(tuple, paths.values()))
    for column, path in paths.items():
        if meanings[tuple(path)] > 1:
            others = ", ".join(other for other in paths if paths[other] == path and other != column)
            raise BadInput(f"columns {column} and {others} mean the same: remove one of them")
    return paths


def _column_path(column: str, *, allow_unknown_keys: bool) -> list[str]:
    path = COLUMN_NAMES.get(column, column).split(".")
    if path[0] not in ("user", "box") and path not in (["account"], ["endpoints"], ["pin"]):
        path = ["box", *path]
    known = {"user": USER_KEYS, "box": BOX_KEYS}.get(path[0])
    if known is not None and not allow_unknown_keys and (len(path) < 2 or path[1] not in known):
        hint = suggest(path[-1], [*COLUMN_NAMES, *sorted(BOX_KEYS)]) or suggest(column, [*COLUMN_NAMES])
        raise BadInput(f"unknown column {column}: {hint}docs/commands.md lists the columns")
    if known is not None and not allow_unknown_keys:
        document: dict[str, Any] = {}
        set_at_path(document, path[1:], "")
        if path[0] == "user":
            reject_unknown_settings(document, User)
        else:
            reject_unknown_keys(document, BoxSettings)
    return path


def _parse_row(line: _Line, paths: Mapping[str, list[str]]) -> PeopleRow:
    values: dict[str, Any] = {"user": {}, "box": {}, "account": None, "endpoints": (), "pin": None}
    for column, cell in line.cells.items():
        path = paths[column]
        if not cell:
            continue
        if path in (["account"], ["pin"]):
            values[path[0]] = cell
        elif path == ["endpoints"]:
            values["endpoints"] = tuple(split_list(cell))
        elif path[1:] in (["name"], ["mailbox"]):
            values[path[0]][path[1]] = cell
        else:
            set_at_path(values, path, parse_value(path[1:], cell))
    name, number = values["user"].pop("name", None), values["box"].pop("mailbox", None)
    if name is None and (values["user"] or values["endpoints"]):
        raise BadInput("the user has no name: fill the column name")
    if number is None and (values["box"] or values["pin"]):
        raise BadInput("the mailbox has no number: fill the column mailbox")
    if name is None and number is None:
        raise BadInput("there is neither a user nor a mailbox: fill the column name or mailbox")
    user = UserEntry(name, values["user"], values["endpoints"]) if name else None
    box = BoxEntry(number, name, values["box"], values["pin"]) if number else None
    return PeopleRow(line.number, values["account"], user, box)
