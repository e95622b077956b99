"""Notes in the reports of imports that are about one person. They are free text, and quote what was imported."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ivr.storage.records import ERASED, BoxRecord, PersonQuery

MIN_NAME_LENGTH = 3
NUMBER = re.compile(r"\+?[0-9][0-9 ()/.-]{4,}[0-9]")
"""A number of a caller in a text; shorter ones are those of mailboxes and positions."""

IsAbout = Callable[[Mapping[str, Any], str], bool]


def find(connection: sqlite3.Connection, query: PersonQuery, boxes: Sequence[BoxRecord]) -> list[dict[str, Any]]:
    """Return the notes about a person, and those about the mailboxes that are the person's alone."""
    is_about = _matcher(connection, query, boxes)
    return [
        {"run": run["id"], "at": run["began_at"], "box": report.get("box", ""), "text": note["text"]}
        for run, document in _runs(connection)
        for report, note in _notes(document)
        if is_about(report, note["text"])
    ]


def erase(connection: sqlite3.Connection, query: PersonQuery, boxes: Sequence[BoxRecord]) -> None:
    """Replace the text of these notes. Counts of the reports stay."""
    is_about = _matcher(connection, query, boxes)
    for run, document in _runs(connection):
        found = [note for report, note in _notes(document) if is_about(report, note["text"])]
        for note in found:
            note["text"] = ERASED
        if found:
            connection.execute("UPDATE import_runs SET report = ? WHERE id = ?", (json.dumps(document), run["id"]))


def _runs(connection: sqlite3.Connection) -> Iterator[tuple[sqlite3.Row, dict[str, Any]]]:
    runs = connection.execute("SELECT id, began_at, report FROM import_runs WHERE report IS NOT NULL").fetchall()
    return ((run, json.loads(run["report"])) for run in runs)


def _notes(document: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], dict[str, Any]]]:
    """Yield each note, with the report of its mailbox or that of the whole import."""
    for report in (*document.get("boxes", ()), document):
        for note in report.get("notes", ()):
            yield report, note


def _matcher(connection: sqlite3.Connection, query: PersonQuery, boxes: Sequence[BoxRecord]) -> IsAbout:
    account = connection.execute("SELECT name FROM accounts WHERE id = ?", (query.account_id,)).fetchone()
    user = connection.execute("SELECT name FROM users WHERE id = ?", (query.user_id,)).fetchone()
    numbers = {str(box.settings["mailbox"]) for box in boxes}
    words = [*query.addresses, *([user["name"]] if user and len(user["name"]) >= MIN_NAME_LENGTH else [])]
    words += [str(box.settings["name"]) for box in boxes if len(str(box.settings.get("name", ""))) >= MIN_NAME_LENGTH]
    pattern = re.compile("|".join(rf"(?<!\w){re.escape(word)}(?!\w)" for word in words) or r"(?!)", re.IGNORECASE)

    def is_about(report: Mapping[str, Any], text: str) -> bool:
        is_own = str(report.get("box", "")).partition("@")[0] in numbers and report.get("account") == account["name"]
        return is_own or bool(pattern.search(text)) or any(map(query.is_number, NUMBER.findall(text)))

    return is_about
