"""Asterisk's database, astdb.sqlite3: it is only read, also while Asterisk runs."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

from ivr.errors import BadInput, NotFound
from ivr.validation.text import reject_utf16

SQLITE_MAGIC = b"SQLite format 3\0"
_SHOWN = re.compile(r"(?P<key>/\S+)\s*: (?P<value>.*?)\s*")


def read_family(path: Path, family: str) -> dict[str, str]:
    """Return the values of a family by the rest of their keys, such as `1001/novmpw` of AMPUSER.

    The file is astdb.sqlite3, or the text that the console command `database show` prints. Raises `NotFound`,
    `BadInput`, OSError.
    """
    if not path.exists():
        raise NotFound(f"{path} does not exist: name Asterisk's database with --astdb")
    with path.open("rb") as file:
        is_database = file.read(len(SQLITE_MAGIC)) == SQLITE_MAGIC
    entries = _read_database(path) if is_database else _read_text(path)
    prefix = f"/{family}/"
    return {key.removeprefix(prefix): value for key, value in entries.items() if key.startswith(prefix)}


def _read_database(path: Path) -> dict[str, str]:
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            return {str(key): str(value) for key, value in connection.execute("SELECT key, value FROM astdb")}
    except sqlite3.Error as error:
        raise BadInput(f"{path} cannot be read as Asterisk's database: {error}") from None


def _read_text(path: Path) -> dict[str, str]:
    lines = reject_utf16(path.read_bytes(), path).decode("utf-8", "replace").splitlines()
    found = {match["key"]: match["value"] for match in map(_SHOWN.fullmatch, lines) if match}
    if not found:
        raise BadInput(f"{path} is neither astdb.sqlite3 nor the output of 'asterisk -rx \"database show\"'")
    return found
