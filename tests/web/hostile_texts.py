"""Hostile texts, stored wherever the page shows a text that people, callers or machines have given."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence

from ivr.storage.records import CallRecord, Message
from tests.support.app_fixture import NOON, AppFixture

EVIL = (
    "<script>evil()</script>\"'><img src=x onerror=evil()><svg onload=evil()>{{7*7}}</title></textarea>\u2028`${evil()}"
)
"""What a text must never become: an element, an attribute, a script, a template."""


async def store_hostile_texts(app: AppFixture, message: Message) -> None:
    """Put `EVIL` into names, numbers, labels, transcripts, calls and tasks, past the rules of names."""
    words = [{"word": word, "start_ms": n * 100, "end_ms": n * 100 + 90} for n, word in enumerate(EVIL.split())]
    transcript = json.dumps({"result": "success", "text": EVIL, "words": words})
    forwarder = json.dumps({"box_id": message.box_id, "number": EVIL, "name": EVIL})
    settings = {"name": EVIL[:-13]}  # One line: others are no names of mailboxes.
    steps = [{"at_ms": 1, "what": EVIL, "key": EVIL, "text": EVIL}]
    call = CallRecord(EVIL, EVIL, EVIL, EVIL, NOON - 9, NOON - 1, message.account_id, message.box_id, steps, "evil")
    await app.container.call_store.finish(call)
    statements = [
        ("UPDATE messages SET caller_name = ?, caller_number = ?, transcription = ?, labels = ?, forwarded_by = ?"
         " WHERE id = ?", (EVIL, EVIL, transcript, json.dumps([EVIL, EVIL]), forwarder, message.id)),
        ("UPDATE boxes SET settings = json_patch(settings, ?) WHERE id = ?", (json.dumps(settings), message.box_id)),
        ("UPDATE accounts SET name = ? || id", (EVIL,)),
        ("UPDATE users SET name = ? || id", (EVIL,)),
        ("INSERT INTO outbox (account_id, box_id, kind, payload, created_at, due_at, attempts, target, error)"
         " VALUES (?, ?, 'mail', '{}', 0, 1, 9, ?, ?)", (message.account_id, message.box_id, EVIL, EVIL)),
    ]  # fmt: skip
    await _execute(app, statements)


async def set_languages(app: AppFixture, message: Message, language: str) -> None:
    """Make a language that of accounts, of users, and of the mailbox of a message."""
    await _execute(app, [
        ("UPDATE accounts SET language = ?", (language,)),
        ("UPDATE users SET language = ?", (language,)),
        ("UPDATE boxes SET settings = json_patch(settings, ?) WHERE id = ?",
         (json.dumps({"language": language}), message.box_id)),
    ])  # fmt: skip


async def _execute(app: AppFixture, statements: Sequence[tuple[str, tuple[str, ...]]]) -> None:
    def execute(connection: sqlite3.Connection) -> int:
        return sum(connection.execute(sql, values).rowcount for sql, values in statements)

    await app.container.database.write(execute)
