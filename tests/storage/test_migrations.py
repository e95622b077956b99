"""Migrations: the rows of an earlier release are found under the new names."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlite_utils import Database as Tables

from ivr.storage.sqlite.database import SqliteDatabase
from ivr.storage.sqlite.migrations import MIGRATIONS, SCHEMA_VERSION, apply_migrations
from ivr.storage.sqlite.schema import DatabaseSchema

OLD_ROWS: dict[str, list[dict[str, Any]]] = {
    "accounts": [
        {
            "id": "a",
            "account_id": "a",
            "name": "demo",
            "realm": "demo",
            "language": "en",
            "timezone": "UTC",
            "settings": "{}",
            "revision": 1,
        }
    ],
    "users": [
        {
            "id": id_,
            "account_id": "a",
            "name": id_,
            "email": f"{id_}@demo.example",
            "settings": "{}",
            "revision": 1,
            "deleted_at": deleted_at,
        }
        for id_, deleted_at in (("u", None), ("gone", 5))
    ],
    "secrets": [{"account_id": "a", "ref": f"user:{id_}:credentials", "hash": "$2b$"} for id_ in ("u", "gone")],
    "boxes": [{"id": "b", "account_id": "a", "mailbox": "1000", "settings": "{}", "revision": 1}],
    "numbers": [{"account_id": "a", "number": "1000", "box_id": "b", "kind": "mailbox"}],
    "counters": [{"account_id": "a", "box_id": "b", "folder": "new", "urgent": 0, "messages": 3, "bytes": 900}],
    "arrivals": [{"account_id": "a", "last": 7}],
    "messages": [
        {
            "id": "m",
            "account_id": "a",
            "box_id": "b",
            "folder": "saved",
            "folder_before": "new",
            "folder_at": 111,
            "arrival": 7,
            "urgent": 0,
            "time": 100,
            "length_ms": 2000,
            "sample_rate": 8000,
            "bytes": 300,
            "intro_ms": 0,
            "history": "[]",
            "revision": 2,
            "stored_at": 101,
            "audio": "m-12345678",
        }
    ],
    "takes": [
        {
            "id": state,
            "account_id": "a",
            "box_id": "b",
            "purpose": "greeting",
            "state": state,
            "path": "/x",
            "payload": "{}",
            "began_at": 5,
        }
        for state in ("recording", "aside")
    ],
    "outbox": [
        {
            "account_id": "a",
            "box_id": "b",
            "kind": kind,
            "payload": json.dumps(payload),
            "created_at": 1,
            "due_at": 2,
            "attempts": 0,
            "about": "5550100",
        }
        for kind, payload in (
            ("light", {}),
            ("phone", {"system": "asterisk"}),
            ("transcript", {"quiet": True}),
            ("renewed", {"reason": "dtmf"}),
            ("removed", {}),
            ("full", {}),
            ("locked", {}),
            ("after-mail", {}),
            ("new", {"quiet": False}),
            ("call", {"call": 0}),
            ("mail", {"of": "full"}),
        )
    ],
    "told": [{"account_id": "a", "box_id": "b", "kind": "full", "told_at": 50}],
    "failures": [
        {
            "account_id": "a",
            "scope": "box",
            "subject": "b",
            "failed": 6,
            "counted_from": 60,
            "locks": 2,
            "locked_until": 180,
        }
    ],
    "tombstones": [
        {
            "id": "t",
            "account_id": "a",
            "box_id": "b",
            "kind": "audio",
            "made_at": 1,
            "removed_at": 2,
            "why": "other audio came",
            "files": '["a/vm/t"]',
        }
    ],
    "tokens": [
        {"hash": "h1", "account_id": "a", "created_at": 1, "kind": "key", "parent": None},
        {"hash": "h2", "account_id": "a", "created_at": 1, "kind": "session", "parent": "h1"},
        {"hash": "h3", "account_id": "a", "created_at": 1, "kind": None, "parent": None},
    ],
    "live_calls": [
        {"id": "c", "channel": "PJSIP/x-1", "action": "check", "number": "", "began_at": 5, "seen_at": 9}
    ],
}  # fmt: skip


@pytest.fixture
def old_database(tmp_path: Path) -> Path:
    """A database of the release before the renaming, with rows in every renamed table."""
    path = tmp_path / "ivr.db"
    connection = sqlite3.connect(path, isolation_level=None)
    names = [*MIGRATIONS]
    old_migrations = {name: MIGRATIONS[name] for name in names[: names.index("0009-terms-of-the-field")]}
    apply_migrations(Tables(connection), old_migrations)
    for table, rows in OLD_ROWS.items():
        for row in rows:
            columns, marks = ", ".join(row), ", ".join("?" * len(row))
            connection.execute(f"INSERT INTO {table} ({columns}) VALUES ({marks})", tuple(row.values()))
    connection.execute(f"PRAGMA user_version = {len(old_migrations)}")
    connection.close()
    return path


async def test_rows_of_earlier_release_are_found_under_new_names(old_database: Path) -> None:
    DatabaseSchema(old_database, 100).migrate()
    database = SqliteDatabase(old_database)

    async def rows(sql: str) -> list[tuple[Any, ...]]:
        return await database.read(lambda c: [tuple(row) for row in c.execute(sql)])

    assert await rows("SELECT number, box_id FROM box_numbers") == [("1000", "b")]
    assert await rows("SELECT messages, bytes FROM folder_counters") == [(3, 900)]
    assert await rows("SELECT box_id, last_seq FROM arrival_sequences") == [("b", 7)]
    assert await rows("SELECT previous_folder, folder_changed_at, arrival_seq, audio_id FROM messages") == [
        ("new", 111, 7, "m-12345678")
    ]
    assert await rows("SELECT id, state FROM takes ORDER BY id") == [
        ("aside", "awaiting_owner"), ("recording", "recording"),
    ]  # fmt: skip
    assert await rows("SELECT kind, target, payload FROM outbox ORDER BY id") == [
        ("mwi", "", "{}"),
        ("phone_mwi", "5550100", '{"system": "asterisk"}'),
        ("transcription", "5550100", '{"suppress_notifications":true}'),
        ("moved_to_new", "5550100", '{"reason": "dtmf"}'),
        ("soft_deleted", "5550100", "{}"),
        ("box_full", "5550100", "{}"),
        ("box_locked", "5550100", "{}"),
        ("after_mail", "5550100", "{}"),
        ("new", "5550100", '{"suppress_notifications":false}'),
        ("call", "5550100", '{"call": 0}'),
        ("mail", "5550100", '{"template":"box_full"}'),
    ]
    assert await rows("SELECT kind, notified_at FROM notification_throttle") == [("box_full", 50)]
    assert await rows(
        "SELECT failure_count, window_started_at, lock_count, locked_until FROM auth_attempts WHERE subject = 'b'"
    ) == [(6, 60, 2, 180)]
    assert await rows("SELECT kind, created_at, purged_at, reason, pending_unlinks FROM tombstones") == [
        ("replaced_audio", 1, 2, "other audio came", '["a/vm/t"]')
    ]
    assert await rows("SELECT kind, parent_hash FROM tokens ORDER BY hash") == [
        ("api_key", None), ("session", "h1"), (None, None),
    ]  # fmt: skip
    assert await rows("SELECT heartbeat_at FROM live_calls") == [(9,)]
    assert await rows("SELECT id FROM users") == [("u",)], "deleted users are gone"
    assert await rows("SELECT ref FROM secrets WHERE ref LIKE 'user:%'") == [("user:u:credentials",)]
    assert await rows("PRAGMA foreign_key_check") == []
    assert await rows("PRAGMA integrity_check") == [("ok",)]
    database.close()


async def test_upgraded_database_has_the_schema_of_a_new_one(old_database: Path, tmp_path: Path) -> None:
    async def schema(path: Path) -> list[tuple[str, str]]:
        DatabaseSchema(path, 100).migrate()
        database = SqliteDatabase(path)
        rows = await database.read(
            lambda c: [(row[0], row[1]) for row in c.execute("SELECT name, sql FROM sqlite_master ORDER BY name")]
        )
        database.close()
        return rows

    assert await schema(old_database) == await schema(tmp_path / "new.db")


def test_migrated_database_opens_without_importing_sqlite_utils(tmp_path: Path) -> None:
    """Every call over classic AGI opens the database, and the import would delay it."""
    SqliteDatabase(tmp_path / "ivr.db").close()
    connection = sqlite3.connect(tmp_path / "ivr.db")
    applied = connection.execute("SELECT count(*) FROM _sqlite_migrations").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    connection.close()
    assert len(MIGRATIONS) == applied == version == SCHEMA_VERSION
    program = (
        "import sys; from pathlib import Path; from ivr.storage.sqlite.database import SqliteDatabase; "
        f"SqliteDatabase(Path({str(tmp_path)!r}) / 'ivr.db'); print('sqlite_utils' in sys.modules)"
    )
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "False"
