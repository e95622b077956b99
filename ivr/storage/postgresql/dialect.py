"""The statements of `ivr/storage/sqlite`, for PostgreSQL.

They are written in what both engines understand. The few expressions that only SQLite has are replaced here, or are
functions of the database (`functions.py`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

MAX_CACHED_STATEMENTS = 2000

_REPLACEMENTS = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"CAST\(strftime\('%s', 'now'\) AS INTEGER\)", "CAST(extract(epoch FROM clock_timestamp()) AS BIGINT)"),
        (r" INDEXED BY \w+", ""),  # Its planner chooses.
        (r" AND \+(\w+) =", r" AND \1 ="),  # So does this sign.
        (r"\bIS NOT (?=[?:]|OLD\b)", "IS DISTINCT FROM "),
        (r"\bIS (?=[?:]|OLD\b)", "IS NOT DISTINCT FROM "),
        (r"\bLIMIT -1\b", "LIMIT ALL"),
        (r"(?<!NOT )\bIN \(\)", "IN (NULL)"),
        (r"(\bjson_extract\([^()]*\)) = (\d+)", r"\1 = '\2'"),
        (r"\bjson\((\?|'\w+')\)", r"CAST(\1 AS json)"),
        (r"/\* (FOR UPDATE SKIP LOCKED) \*/", r"\1"),  # SQLite has one writer, and skips the comment.
    )
)
_PARAMETER = re.compile(r"""'(?:[^']|'')*'|"[^"]*"|\?(\d*)|(?<!:):([a-z_]\w*)""")


class Statement:
    """A statement with the placeholders of PostgreSQL, and where the values of those come from."""

    def __init__(self, sql: str) -> None:
        for pattern, replacement in _REPLACEMENTS:
            sql = pattern.sub(replacement, sql)
        self._sources: list[int | str] = []
        self.text = _PARAMETER.sub(self._number, sql)

    def values(self, values: Sequence[Any] | Mapping[str, Any]) -> list[Any]:
        """Return the values in the order of the placeholders."""
        return [values[source] for source in self._sources]  # type: ignore[index]

    def _number(self, match: re.Match[str]) -> str:
        if match[1] is None and match[2] is None:
            return match[0]  # A text or a quoted name.
        source: int | str = match[2] or (int(match[1]) - 1 if match[1] else len(self._sources))
        if source not in self._sources or not (match[1] or match[2]):
            self._sources.append(source)
        return f"${self._sources.index(source) + 1}"


@lru_cache(MAX_CACHED_STATEMENTS)
def translate(sql: str) -> Statement:
    """Return a statement of `ivr/storage/sqlite` for PostgreSQL."""
    return Statement(sql)
