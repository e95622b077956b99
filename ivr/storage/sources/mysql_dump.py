"""Rows of a dump of MySQL or MariaDB, as mysqldump and mariadb-dump write it.

Only the tables that are asked for are read. The dump is read as it is, not run: no database server is needed.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from ivr.errors import BadInput, NotFound
from ivr.validation.text import reject_utf16

Row = dict[str, str]
"""The columns of a row; NULL is ""."""

GZIP_MAGIC = b"\x1f\x8b"
HEADER = re.compile(rb"^-- (MySQL|MariaDB) dump", re.MULTILINE)
COMPLETED = b"-- Dump completed"
HEAD_BYTES = 4096
_CHARACTER_SET = re.compile(rb"SET NAMES '?(\w+)", re.IGNORECASE)
_OTHER_QUOTES = re.compile(r'^(?:CREATE TABLE|INSERT INTO) (?:(")|\w)', re.MULTILINE | re.IGNORECASE)
_CREATE = re.compile(r"CREATE TABLE (?:IF NOT EXISTS )?`(?P<table>[^`]+)`\s*\(", re.IGNORECASE)
_INSERT = re.compile(
    r"(?:INSERT|REPLACE)\s+(?:IGNORE\s+)?INTO\s+`(?P<table>[^`]+)`\s*(?:\((?P<columns>[^)]*)\)\s*)?VALUES\s*",
    re.IGNORECASE,
)
_COLUMN = re.compile(r"^[^\S\n]*`(?P<name>[^`]+)`\s", re.MULTILINE)
_VALUE = re.compile(
    r"""\s*(?:(?:_\w+\s*)?'(?P<text>(?:[^'\\]++|\\.|'')*+)'|(?P<hex>0x(?:[0-9A-Fa-f]{2})+)|(?P<plain>(?!0x)[\w.+-]+))\s*(?P<end>[,)])""",
    re.DOTALL,
)
_SKIPPED = re.compile(r"(?:\s+|--[^\n]*(?:\n|$)|#[^\n]*(?:\n|$)|/\*.*?\*/;?)+", re.DOTALL)
_STATEMENT = re.compile(r"""(?:[^;'"`]++|'(?:[^'\\]++|\\.|'')*+'|"(?:[^"\\]++|\\.|"")*+"|`[^`]*`)+""", re.DOTALL)
_NUMBER = re.compile(r"-?[0-9]{1,18}")
_ESCAPE = re.compile(r"\\(.)|''", re.DOTALL)
_ESCAPES = {"0": "\0", "n": "\n", "r": "\r", "t": "\t", "b": "\b", "Z": "\x1a"}


class MysqlDump:
    """Tables of a dump, read once. `place`: the dump in words of an error. `binary`: columns that are no text."""

    def __init__(self, path: Path, tables: Collection[str], *, binary: Collection[str] = ()) -> None:
        self.place = str(path)
        self._tables = read_tables(path, tables, binary=binary)
        self._rows_by_values: dict[tuple[str, ...], dict[tuple[str, ...], list[Row]]] = {}

    def columns(self, table: str) -> list[str]:
        """Return the columns of a table; none if it has no rows."""
        return list(self._tables[table][0]) if self._tables.get(table) else []

    def select(
        self, table: str, columns: Sequence[str], where: dict[str, Any] | None = None, *, order: Sequence[str] = ()
    ) -> list[dict[str, Any]]:
        """Return rows. Columns that the table does not have are None, as in older versions of the system.

        Raises `NotFound` if there is no such table, `BadInput` if it has not the columns of `where` and `order`.
        """
        if table not in self._tables:
            raise NotFound(f"{self.place} has no table {table}: is it the dump of another database?")
        rows = self._tables[table]
        known = self.columns(table)
        if missing := [name for name in (*(where or ()), *order) if rows and name not in known]:
            raise BadInput(f"table {table} of {self.place} has no column {missing[0]}: it is another table")
        if where:
            rows = self._index(table, tuple(where)).get(tuple(map(str, where.values())), [])
        chosen = sorted(rows, key=lambda row: [_natural(row[name]) for name in order])
        return [{name: row.get(name) for name in columns} for row in chosen]

    def content(self, value: str | None) -> bytes:
        """Return the bytes of a binary column."""
        return (value or "").encode("utf-8", "surrogateescape")

    def _index(self, table: str, names: tuple[str, ...]) -> dict[tuple[str, ...], list[Row]]:
        if (table, *names) not in self._rows_by_values:
            index = self._rows_by_values[table, *names] = {}
            for row in self._tables[table]:
                index.setdefault(tuple(row[name] for name in names), []).append(row)
        return self._rows_by_values[table, *names]


def read_tables(path: Path, tables: Collection[str], *, binary: Collection[str] = ()) -> dict[str, list[Row]]:
    """Return the rows of the tables that the dump has of `tables`.

    Bytes that are no text are replaced, but in the columns `binary`, where `surrogateescape` keeps them.

    Raises `NotFound` if it has none of them; `BadInput` for a file that is no dump or was cut off; OSError.
    """
    text = _read(path)
    columns: dict[str, list[str]] = {}
    rows: dict[str, list[Row]] = {}
    for statement in _statements(text, path):
        if (match := _CREATE.match(statement)) and match["table"] in tables:
            if match["table"] in columns:
                raise BadInput(f"{path} has table {match['table']} twice: dump one database")
            columns[match["table"]] = _COLUMN.findall(statement, match.end())
            rows.setdefault(match["table"], [])
        elif (match := _INSERT.match(statement)) and match["table"] in tables:
            named = re.findall(r"`([^`]+)`", match["columns"] or "") or columns.get(match["table"])
            if not named:
                raise BadInput(f"{path}: it has no definition of table {match['table']}: dump it with one")
            rows.setdefault(match["table"], []).extend(_rows(statement, match.end(), named, path, binary))
    if not rows and (found := _OTHER_QUOTES.search(text)):
        quotes, option = ("in double", "--compatible=ansi") if found[1] else ("without", "--skip-quote-names")
        raise BadInput(f"{path} has the names of tables {quotes} quotes: dump without {option}")
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
    reject_utf16(content, path)
    if content.startswith(b"<?xml"):
        raise BadInput(f"{path} is XML: dump without --xml")
    if (names := _CHARACTER_SET.search(content[:HEAD_BYTES])) and not names[1].lower().startswith((b"utf8", b"binary")):
        character_set = names[1].decode("ascii", "replace")
        raise BadInput(f"{path} is in {character_set}: dump with --default-character-set=utf8mb4")
    if HEADER.search(content[:HEAD_BYTES]) and COMPLETED not in content[-HEAD_BYTES:]:
        raise _cut_off(path, f"its last line is not '{COMPLETED.decode()}'")
    return content.decode("utf-8", "surrogateescape")


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


def _rows(statement: str, position: int, columns: list[str], path: Path, binary: Collection[str]) -> Iterator[Row]:
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
        row = dict(zip(columns, values, strict=True))
        yield {name: text if name in binary else _readable(text) for name, text in row.items()}
        position += 1


def _text(value: re.Match[str]) -> str:
    if value["hex"]:
        return bytes.fromhex(value["hex"][2:]).decode("utf-8", "surrogateescape")
    if value["plain"]:
        return "" if value["plain"].upper() == "NULL" else value["plain"]
    return _ESCAPE.sub(lambda match: _ESCAPES.get(match[1], match[1]) if match[1] else "'", value["text"])


def _readable(text: str) -> str:
    return text if text.isascii() else text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _natural(text: str) -> tuple[int, str]:
    """Order of numbers as numbers."""
    return (int(text) if _NUMBER.fullmatch(text) else 0, text)
