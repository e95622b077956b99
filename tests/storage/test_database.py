"""The database file: group commit, readers beside the writer, and errors that say what to do."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
import threading
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ivr.errors import Conflict, DiskFull, StoreBusy, StoreError
from ivr.precedence import background
from ivr.storage.read_cache import ReadCache
from ivr.storage.sqlite.database import SqliteDatabase
from ivr.storage.sqlite.directory_changes import DirectoryChanges
from ivr.storage.sqlite.error_translation import translate_sqlite_error
from ivr.storage.sqlite.wal_index import WalIndex


def insert_key(key: str) -> object:
    return lambda c: c.execute("INSERT INTO arrival_sequences VALUES (?, 'a', 1)", (key,)).rowcount


def read_keys(connection: sqlite3.Connection) -> list[str]:
    return [row[0] for row in connection.execute("SELECT box_id FROM arrival_sequences ORDER BY 1")]


@pytest.fixture
def database(tmp_path: Path) -> object:
    database = SqliteDatabase(tmp_path / "ivr.db", busy_timeout_ms=100, sync=False)
    yield database
    database.close()


async def test_written_data_can_be_read(database: SqliteDatabase) -> None:
    await database.write(insert_key("a"))  # type: ignore[arg-type]
    assert await database.read(read_keys) == ["a"]


async def test_queued_writes_share_commit_and_get_own_results(database: SqliteDatabase) -> None:
    def insert_and_raise(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO arrival_sequences VALUES ('half done', 'a', 1)")
        raise Conflict("no")

    transactions = [insert_key(f"{n:03}") for n in range(50)]
    transactions.insert(25, insert_and_raise)
    results = await asyncio.gather(*(database.write(t) for t in transactions), return_exceptions=True)  # type: ignore[arg-type]
    assert [type(result) for result in results].count(Conflict) == 1
    assert isinstance(results[25], Conflict)
    assert await database.read(read_keys) == [f"{n:03}" for n in range(50)]


async def test_programming_error_propagates_without_affecting_other_writes(database: SqliteDatabase) -> None:
    with pytest.raises(ZeroDivisionError):
        await database.write(lambda c: 1 / 0)
    await database.write(insert_key("a"))  # type: ignore[arg-type]
    assert await database.read(read_keys) == ["a"]


async def test_readers_cannot_write(database: SqliteDatabase) -> None:
    with pytest.raises(StoreError):
        await database.read(insert_key("a"))  # type: ignore[arg-type]


async def test_lock_error_names_locking_process(database: SqliteDatabase, tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "ivr.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreBusy, match="another process"):
        await database.write(insert_key("a"))  # type: ignore[arg-type]
    assert await database.read(read_keys) == [], "reading continues"
    other.execute("ROLLBACK")
    await database.write(insert_key("a"))  # type: ignore[arg-type]
    other.close()


async def test_full_disk_raises_and_rolls_back(database: SqliteDatabase) -> None:
    await database.write(insert_key("before"))  # type: ignore[arg-type]
    pages = await database.read(lambda c: c.execute("PRAGMA page_count").fetchone()[0])
    database._writer_connection.execute(f"PRAGMA max_page_count = {pages}")

    def exceed_page_limit(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO arrival_sequences VALUES ('small', 'a', 1)")
        connection.execute("INSERT INTO arrival_sequences VALUES (?, 'a', 1)", ("x" * 10**6,))

    with pytest.raises(DiskFull, match="free space"):
        await database.write(exceed_page_limit)
    assert await database.read(read_keys) == ["before"]


def test_unwritable_folder_raises(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be opened"):
        SqliteDatabase(tmp_path / "missing" / "ivr.db")


async def test_reopening_database_changes_nothing(tmp_path: Path) -> None:
    for _ in range(2):
        database = SqliteDatabase(tmp_path / "ivr.db", sync=False)
        await database.write(
            lambda c: c.execute("INSERT OR REPLACE INTO arrival_sequences VALUES ('a', 'a', 1)").rowcount
        )
        assert await database.read(read_keys) == ["a"]
        database.close()


async def test_every_table_has_an_account_id(database: SqliteDatabase) -> None:
    def columns_by_table(connection: sqlite3.Connection) -> dict[str, list[str]]:
        names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {
            name: [column[1] for column in connection.execute(f"PRAGMA table_info({name})")]
            for name in names
            if not name.startswith(("_", "sqlite_", "message_search"))  # The latter are those of FTS5.
        }

    columns_of = await database.read(columns_by_table)
    assert set(columns_of) >= {
        "accounts",
        "users",
        "endpoints",
        "box_numbers",
        "boxes",
        "folder_counters",
        "messages",
        "media",
        "secrets",
        "takes",
        "outbox",
        "auth_attempts",
        "tokens",
        "calls",
    }
    # A run imports into several accounts; each of its rows in `imported` names one. A node serves all accounts, and
    # so does an Asterisk, which keeps lights by name.
    shared = {"import_runs", "nodes", "leases", "published_lights", "message_texts"}
    """The last has the account in its column `place`, which the search index reads."""
    assert {name for name, columns in columns_of.items() if "account_id" not in columns} == shared


async def test_cancelled_write_does_not_block_later_writes(tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path / "ivr.db")
    started, release = threading.Event(), threading.Event()

    def block(connection: sqlite3.Connection) -> int:
        started.set()
        release.wait(5)
        return 1

    running = asyncio.create_task(database.write(block))
    await asyncio.to_thread(started.wait, 5)
    waiting = asyncio.create_task(database.write(lambda c: 2))
    await asyncio.sleep(0)
    running.cancel()
    waiting.cancel()
    release.set()
    assert await database.write(lambda c: 3) == 3
    database.close()


async def test_fingerprint_changes_on_foreign_commit_but_not_on_read(tmp_path: Path) -> None:
    own, foreign = SqliteDatabase(tmp_path / "ivr.db"), SqliteDatabase(tmp_path / "ivr.db")
    await foreign.write(lambda c: c.execute("CREATE TABLE things (name TEXT)"))
    before = own.change_fingerprint()
    assert await own.read(lambda c: c.execute("SELECT count(*) FROM things").fetchone()[0]) == 0
    assert own.change_fingerprint() == before
    await foreign.write(lambda c: c.execute("INSERT INTO things VALUES ('lamp')"))
    assert own.change_fingerprint() != before
    for database in (own, foreign):
        database.close()


async def test_cached_row_is_never_older_than_last_commit_of_any_process(tmp_path: Path) -> None:
    """Commits follow each other within a tick of the file system's clock, and a checkpoint restarts the WAL."""
    own, foreign = SqliteDatabase(tmp_path / "ivr.db", sync=False), SqliteDatabase(tmp_path / "ivr.db", sync=False)
    await foreign.write(lambda c: c.execute("CREATE TABLE things (n INTEGER)"))
    await foreign.write(lambda c: c.execute("INSERT INTO things VALUES (0)"))
    for n in range(1, 301):
        writer = own if n % 2 else foreign
        await writer.write(lambda c, n=n: c.execute("UPDATE things SET n = ?", (n,)))  # type: ignore[misc]
        if n % 50 == 0:
            await foreign.read(lambda c: c.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone())
        for _ in range(2):
            row = await own.read_row("SELECT n FROM things")
            assert row is not None
            assert row["n"] == n
    for database in (own, foreign):
        database.close()


async def test_row_is_read_again_only_after_a_commit(tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path / "ivr.db")
    await database.write(lambda c: c.execute("CREATE TABLE things (n INTEGER)"))
    assert await database.read_row("SELECT n FROM things WHERE n = ?", 1) is None
    statements: list[str] = []

    def trace(connection: sqlite3.Connection) -> None:
        connection.set_trace_callback(statements.append)

    await asyncio.gather(*(database.read(trace) for _ in range(3)))
    assert await database.read_row("SELECT n FROM things WHERE n = ?", 1) is None
    assert statements == []
    await database.write(lambda c: c.execute("INSERT INTO things VALUES (1)"))
    assert await database.read_row("SELECT n FROM things WHERE n = ?", 1) is not None
    database.close()


async def test_requests_that_want_the_same_row_after_a_commit_share_one_read() -> None:
    committed, reads, release = b"1", 0, asyncio.Event()
    cache = ReadCache(lambda: committed, max_entries=10)

    async def read() -> int:
        nonlocal reads
        reads += 1
        value = reads
        await release.wait()
        return value

    first, *others = (asyncio.create_task(cache.get("row", read)) for _ in range(3))
    with background():
        request = asyncio.create_task(cache.get("row", read))
    await asyncio.sleep(0)
    assert reads == 2, "a call waits for the read of a request, or requests do not share theirs"
    first.cancel()
    await asyncio.sleep(0)
    committed = b"2"
    later = asyncio.create_task(cache.get("row", read))
    await asyncio.sleep(0)
    release.set()
    assert await asyncio.gather(*others, request) == [4, 4, 2], "who waited for a read that was cancelled reads"
    assert await later == 3, "a read from before the commit was reused"


def test_a_database_of_a_newer_version_is_refused_with_the_way_back(tmp_path: Path) -> None:
    SqliteDatabase(tmp_path / "ivr.db").close()
    with sqlite3.connect(tmp_path / "ivr.db") as connection:
        connection.execute("PRAGMA user_version = 999")
    connection.close()
    with pytest.raises(
        StoreError, match=r"newer version of ivr \(schema 999.*restore the backup made before the upgrade"
    ):
        SqliteDatabase(tmp_path / "ivr.db")


# -- commits that leave the directory as it was ------------------------------------------------------------------------


BOX = "INSERT INTO boxes (id, account_id, mailbox, settings, revision) VALUES ('b', 'a', '1', '{}', 1)"
ROWS_OF_DIRECTORY = (
    "INSERT INTO accounts (id, name, realm, language, timezone, settings, revision)"
    " VALUES ('a', 'a', 'a', 'en', 'UTC', '{}', 1)",
    "INSERT INTO users (id, account_id, name, settings, revision) VALUES ('u', 'a', 'u', '{}', 1)",
    "INSERT INTO endpoints (system, name, account_id, user_id) VALUES ('pbx', 'alice', 'a', 'u')",
    BOX,
    "INSERT INTO box_numbers (account_id, number, box_id, kind) VALUES ('a', '1', 'b', 'mailbox')",
    "INSERT INTO tokens (hash, account_id, created_at) VALUES ('t', 'a', 0)",
    "INSERT INTO secrets (account_id, ref, hash) VALUES ('a', 'r', 'h')",
)
CHANGES_OF_DIRECTORY = (
    *ROWS_OF_DIRECTORY,
    "UPDATE accounts SET language = 'es'",
    "UPDATE users SET email = 'alice@example.org'",
    "UPDATE endpoints SET name = 'bob'",
    "UPDATE boxes SET mailbox = '2'",
    "UPDATE tokens SET revoked_at = 1",
    "UPDATE secrets SET hash = 'other'",
    "DELETE FROM tokens",
    "DELETE FROM secrets",
    "DELETE FROM box_numbers",
    "DELETE FROM boxes",
    "DELETE FROM endpoints",
)


async def test_only_a_commit_that_changes_the_directory_changes_its_fingerprint(tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path / "db", sync=False)
    for statement in CHANGES_OF_DIRECTORY:
        before = database.directory_fingerprint()
        await database.write(lambda c, sql=statement: c.execute(sql).rowcount)  # type: ignore[misc]
        assert database.directory_fingerprint() != before, statement
    await database.write(lambda c: c.execute(BOX).rowcount)
    directory = database.directory_fingerprint()
    for statement in (
        "INSERT INTO arrival_sequences VALUES ('a', 'a', 1)",
        "UPDATE boxes SET last_sign_in_at = 1, light_published_at = 2",
    ):
        everything = database.change_fingerprint()
        await database.write(lambda c, sql=statement: c.execute(sql).rowcount)  # type: ignore[misc]
        assert database.directory_fingerprint() == directory, statement
        assert database.change_fingerprint() != everything, statement
    database.close()


async def test_any_commit_of_another_process_may_have_changed_the_directory(tmp_path: Path) -> None:
    own, other = SqliteDatabase(tmp_path / "db", sync=False), SqliteDatabase(tmp_path / "db", sync=False)
    before = own.directory_fingerprint()
    await other.write(lambda c: c.execute("INSERT INTO arrival_sequences VALUES ('a', 'a', 1)"))
    assert own.directory_fingerprint() != before
    own.close()
    other.close()


def test_a_foreign_commit_next_to_an_own_one_is_not_taken_for_it() -> None:
    def header(commits: int) -> bytes:
        return bytes(8) + commits.to_bytes(4, sys.byteorder) + bytes(36)

    state = header(1)
    changes = DirectoryChanges(lambda: state)
    before = changes.fingerprint()
    changes.begin()
    changes.committing()
    state = header(2)
    changes.committed()
    assert changes.fingerprint() == before, "an own commit, without a change of the directory"
    changes.begin()
    changes.committing()
    state = header(4)
    changes.committed()
    after = changes.fingerprint()
    assert after != before, "another process has committed between the commit and the look at it"
    state = header(5)
    changes.begin()
    changes.committing()
    state = header(6)
    changes.committed()
    assert changes.fingerprint() != after, "another process has committed before"


def test_an_own_commit_is_known_before_its_thread_has_noted_it() -> None:
    state = b"\0" * 48

    def commit() -> None:
        nonlocal state
        commits = int.from_bytes(state[8:12], sys.byteorder) + 1
        state = bytes(8) + commits.to_bytes(4, sys.byteorder) + bytes(36)

    changes = DirectoryChanges(lambda: state)
    before = changes.fingerprint()
    changes.begin()
    changes.committing()
    commit()
    assert changes.fingerprint() == before, "a request while the thread waits for its turn reads nothing again"
    changes.committed()
    assert changes.fingerprint() == before
    commit()
    assert changes.fingerprint() != before, "the next commit is that of another process"
    before = changes.fingerprint()
    changes.begin()
    changes.committing()
    changes.failed()
    commit()
    assert changes.fingerprint() != before, "nothing of ours was committed"


async def test_rows_of_other_tables_are_not_kept_as_directory(tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path / "db", sync=False)
    with pytest.raises(ValueError, match="messages"):
        await database.read_directory_row("SELECT * FROM boxes JOIN messages ON box_id = boxes.id")
    database.close()


def test_index_of_the_log_is_opened_once_by_threads_that_ask_at_once(
    database: SqliteDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second descriptor would never be closed; closing it drops the locks of the whole process."""
    index, together, opened = WalIndex(tmp_path / "ivr.db"), threading.Barrier(2), []

    def open_slowly(*arguments: Any) -> int:
        with suppress(threading.BrokenBarrierError):
            together.wait(0.2)  # Both threads are here only if nothing keeps the second one out.
        opened.append(descriptor := os_open(*arguments))
        return descriptor

    os_open = os.open
    monkeypatch.setattr(os, "open", open_slowly)
    threads = [threading.Thread(target=index.header) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    index.close()
    assert len(opened) == 1


def test_full_disk_is_named_where_sqlite_says_io_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without room for the index of the write-ahead log, SQLite says that the disk has an error."""
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR | (19 << 8)  # SQLITE_IOERR_SHMSIZE
    path = tmp_path / "ivr.db"
    assert not isinstance(translate_sqlite_error(error, path), DiskFull)
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=4096))
    assert isinstance(translate_sqlite_error(error, path), DiskFull)
    assert not isinstance(translate_sqlite_error(error), DiskFull)
