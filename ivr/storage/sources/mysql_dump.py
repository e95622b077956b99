"""Rows of a dump of MySQL or MariaDB, as mysqldump and mariadb-dump write it.

Only the tables that are asked for are read. The dump is read as it is, not run: no database server is needed.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Collection, Iterator
from pathlib import Path

from ivr.errors import BadInput, NotFound

Row = dict[str, str]
"""The columns of a row; NULL is ""."""

GZIP_MAGIC = b"\x1f\x8b"
HEADER = re.compile(rb"^-- (MySQL|MariaDB) dump", re.MULTILINE)
COMPLETED = b"-- Dump completed"
HEAD_BYTES = 4096
_CREATE = re.compile(r"CREATE TABLE (?:IF NOT EXISTS )?`(?P<table>[^`]+)`\s*\(", re.IGNORECASE)
_INSERT = re.compile(
    r"(?:INSERT|REPLACE)\s+(?:IGNORE\s+)?INTO\s+`(?P<table>[^`]+)`\s*(?:\((?P<columns>[^)]*)\)\s*)?VALUES\s*",
    re.IGNORECASE,
)
_COLUMN = re.compile(r"^\s*`(?P<name>[^`]+)`\s", re.MULTILINE)
_VALUE = re.compile(
    r"""\s*(?:(?:_\w+\s*)?'(?P<text>(?:[^'\\]++|\\.|'')*+)'|(?P<hex>0x(?:[0-9A-Fa-f]{2})+)|(?P<plain>(?!0x)[\w.+-]+))\s*(?P<end>[,)])""",
    re.DOTALL,
)
_SKIPPED = re.compile(r"(?:\s+|--[^\n]*(?:\n|$)|#[^\n]*(?:\n|$)|/\*.*?\*/;?)+", re.DOTALL)
_STATEMENT = re.compile(r"""(?:[^;'"`]++|'(?:[^'\\]++|\\.|'')*+'|"(?:[^"\\]++|\\.|"")*+"|`[^`]*`)+""", re.DOTALL)
_ESCAPE = re.compile(r"\\(.)|''", re.DOTALL)
_ESCAPES = {"0": "\0", "n": "\n", "r": "\r", "t": "\t", "b": "\b", "Z": "\x1a"}


def read_tables(path: Path, tables: Collection[str]) -> dict[str, list[Row]]:
    """Return the rows of the tables that the dump has of `tables`.

    Raises `NotFound` if it has none of them; `BadInput` for a file that is no dump or was cut off; OSError.
    """
    text = _read(path)
    columns: dict[str, list[str]] = {}
    rows: dict[str, list[Row]] = {}
    for statement in _statements(text, path):
        if (match := _CREATE.match(statement)) and match["table"] in tables:
            columns[match["table"]] = _COLUMN.findall(statement, match.end())
            rows.setdefault(match["table"], [])
        elif (match := _INSERT.match(statement)) and match["table"] in tables:
            named = re.findall(r"`([^`]+)`", match["columns"] or "") or columns.get(match["table"])
            if not named:
                raise BadInput(f"{path}: it has no definition of table {match['table']}: dump it with one")
            rows.setdefault(match["table"], []).extend(_rows(statement, match.end(), named, path))
    if not rows:
        raise NotFound(
            f"{path} has none of the tables {', '.join(sorted(tables))}: is it the dump of another database?"
        )
    return rows


def _read(path: Path) -> str:
    content = path.read_bytes()
    if content.startswith(GZIP_MAGIC):
        try:
            content = gzip.decompress(content)
        except (EOFError, OSError) as error:
            raise _cut_off(path, str(error)) from None
    if HEADER.search(content[:HEAD_BYTES]) and COMPLETED not in content[-HEAD_BYTES:]:
        raise _cut_off(path, f"its last line is not '{COMPLETED.decode()}'")
    return content.decode("utf-8", "replace")


def _cut_off(path: Path, reason: str) -> BadInput:
    return BadInput(f"{path} was cut off ({reason}): dump the database again")


def _statements(text: str, path: Path) -> Iterator[str]:
    """Yield the statements, without comments between them."""
    position = 0
    while True:
        if skipped := _SKIPPED.match(text, position):
            position = skipped.end()
        if position >= len(text):
            return
        found = _STATEMENT.match(text, position)
        end = found.end() if found else position
        if text[end : end + 1] != ";":
            raise _cut_off(path, f"it ends within {text[position : position + 40]!r}")
        yield text[position:end]
        position = end + 1


def _rows(statement: str, position: int, columns: list[str], path: Path) -> Iterator[Row]:
    while position < len(statement):
        if statement[position] != "(":
            position += 1
            continue
        values: list[str] = []
        end = ","
        while end == ",":
            value = _VALUE.match(statement, position + 1)
            if value is None:
                raise BadInput(f"{path}: {statement[position : position + 60]!r} is no row that is understood")
            values.append(_text(value))
            end, position = value["end"], value.end() - 1
        if len(values) != len(columns):
            raise BadInput(f"{path}: a row has {len(values)} values for {len(columns)} columns")
        yield dict(zip(columns, values, strict=True))
        position += 1


def _text(value: re.Match[str]) -> str:
    if value["hex"]:
        return bytes.fromhex(value["hex"][2:]).decode("utf-8", "replace")
    if value["plain"]:
        return "" if value["plain"].upper() == "NULL" else value["plain"]
    return _ESCAPE.sub(lambda match: _ESCAPES.get(match[1], match[1]) if match[1] else "'", value["text"])
