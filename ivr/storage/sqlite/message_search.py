"""Search in messages: the full-text index, its queries, and the removal of what it still has of purged messages.

`message_texts` has the searched texts of each message; triggers keep it, and the FTS5 table `message_search`, equal to
`messages`. Its ids are in the order of time (the migration explains them), so that a page reads only its own matches.
"""

from __future__ import annotations

import sqlite3
import unicodedata
from collections.abc import Iterator
from itertools import groupby

from ivr.storage.database import is_postgresql
from ivr.storage.records import MessageQuery

MAX_WORDS = 20
ID_BITS = 20
"""Bits of an id below the time."""
MAX_TIME = 2**42 - 1
MERGED_PAGES = 200
"""Pages of the index that one step of `purge_removed` writes: a few milliseconds of the writer."""


_FOUND_BY_SQLITE = (
    "message_search s CROSS JOIN message_texts t ON t.id = s.rowid CROSS JOIN messages m ON m.id = t.message_id"
    " WHERE message_search MATCH ?"
)
_FOUND_BY_POSTGRESQL = (
    "message_texts t JOIN messages m ON m.id = t.message_id"
    " WHERE search_words(t.name, t.number, t.transcript) @@ to_tsquery('simple', ?)"
)


def match_expression(place: str, text: str) -> str:
    """Return the FTS5 expression for messages of a mailbox or an account that have each word of a text.

    A word of at least two characters is found as the beginning of a longer one, a number also without its leading
    zeros. Each word is quoted, so nothing in the text is an operator. "" if the text has no word.
    """
    words = list(dict.fromkeys(_words(text)))[:MAX_WORDS]
    return (
        f"place : {_quote(place)} AND {{name number transcript}} : ({' AND '.join(map(_term, words))})" if words else ""
    )


def iter_matches(
    connection: sqlite3.Connection, place: str, where: dict[str, object], query: MessageQuery
) -> Iterator[sqlite3.Row]:
    """Yield the rows of visible messages that match `query.search`, in the order of time and id."""
    on_postgresql = is_postgresql(connection)
    expression = _tsquery(query.search) if on_postgresql else match_expression(place, query.search)
    if not expression:
        return
    first, last = _clamp(query.since), _clamp(query.until)
    if query.after and query.ascending:
        first = max(first, _clamp(query.after[0]))
    elif query.after:
        last = min(last, _clamp(query.after[0]))
    conditions = "".join(f" AND m.{column} = ?" for column in where)
    found, text_id = (_FOUND_BY_POSTGRESQL, "t.id") if on_postgresql else (_FOUND_BY_SQLITE, "s.rowid")
    sql = (
        f"SELECT m.*, {text_id} AS text_id FROM {found} AND {text_id} >= ? AND {text_id} < ?"
        f"{conditions} AND m.time >= ? AND m.time <= ? AND m.retention_from >= ? AND m.deleted_at IS NULL"
        f" AND m.expired_at IS NULL ORDER BY {text_id} {'ASC' if query.ascending else 'DESC'}"
    )
    bounds = (first << ID_BITS, (last + 1) << ID_BITS)
    rows = connection.execute(sql, (expression, *bounds, *where.values(), query.since, query.until, query.not_before))
    for _, same_second in groupby(rows, key=lambda row: row["text_id"] >> ID_BITS):
        for row in sorted(same_second, key=_sort_key, reverse=not query.ascending):
            if query.after is None or (
                _sort_key(row) > query.after if query.ascending else _sort_key(row) < query.after
            ):
                yield row


def purge_removed(connection: sqlite3.Connection, *, begin: bool) -> bool:
    """Write a part of the index again without the words of removed messages. Return whether there is more to do.

    FTS5 only marks an entry as removed, and drops its words when it merges the segments that have them. `begin`: merge
    all segments; later calls continue.
    """
    if is_postgresql(connection):
        return False  # Its autovacuum does the same.
    before = connection.total_changes
    pages = -MERGED_PAGES if begin else MERGED_PAGES
    connection.execute("INSERT INTO message_search (message_search, rank) VALUES ('merge', ?)", (pages,))
    return connection.total_changes - before > 1


def _sort_key(row: sqlite3.Row) -> tuple[int, str]:
    return row["time"], row["id"]


def _clamp(time: int) -> int:
    return max(0, min(time, MAX_TIME))


def _words(text: str) -> list[str]:
    """Return the runs of letters and digits, as the tokenizer of the index sees them."""
    is_part = [unicodedata.category(character)[0] in "LNM" for character in text]
    return "".join(c if part else " " for c, part in zip(text, is_part, strict=True)).split()


def _forms(word: str) -> list[str]:
    """Return a word, and a number also without its leading zeros."""
    forms = [word, *([word.lstrip("0")] if word.isdigit() and word.startswith("0") and len(word) > 2 else [])]
    return [form for form in forms if form]


def _term(word: str) -> str:
    terms = [f"{_quote(form)}{'*' if len(form) > 1 else ''}" for form in _forms(word)]
    return f"({' OR '.join(terms)})"


def _tsquery(text: str) -> str:
    """Return the expression of PostgreSQL for the same words, without accents, as `search_words` has them."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    words = list(dict.fromkeys(_words(plain)))[:MAX_WORDS]
    terms = [[f"'{form}'{':*' if len(form) > 1 else ''}" for form in _forms(word)] for word in words]
    return " & ".join(f"({' | '.join(forms)})" for forms in terms)


def _quote(word: str) -> str:
    return '"' + word.replace('"', '""') + '"'
