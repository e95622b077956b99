"""Rows in PostgreSQL: what is wrong is said with its remedy, broken commits, locks, and the schema of both engines."""

from __future__ import annotations

import asyncio
import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ivr.errors import MigrationRequired, SettingsError, StoreBusy, StoreError, StoreUnsure
from ivr.storage.database import OWN_ROWS
from ivr.storage.postgresql.connection import ROW_NUMBER
from ivr.storage.postgresql.database import DatabasePatience, PostgresqlDatabase
from ivr.storage.postgresql.schema import SCHEMA_LOCK, PostgresqlMigration
from ivr.storage.postgresql.url import DatabaseUrl
from ivr.storage.records import Caller, ChangeReason, Folder, Message, PublishedLights, RecordingPurpose, Take, TaskKind
from ivr.storage.sqlite import message_rows
from ivr.storage.sqlite.counters import ENDPOINTS_SQL, SqliteMwiCounts
from ivr.storage.sqlite.database import SqliteDatabase
from ivr.storage.sqlite.migrations import MIGRATIONS
from ivr.storage.sqlite.takes import SqliteTakes
from tests.support.app_fixture import NOON, AppFixture
from tests.support.postgresql_server import PASSWORD, PostgresqlServer

INSERT = "INSERT INTO arrival_sequences (box_id, account_id, last_seq) VALUES (?, 'a', ?)"
COUNT = "SELECT count(*) FROM arrival_sequences"


@pytest.fixture
def url(postgresql: PostgresqlServer) -> Iterator[str]:
    """A database with our tables and no rows."""
    name = postgresql.create_installation()
    yield name
    postgresql.release(name)


def fetch_count(database: PostgresqlDatabase | SqliteDatabase) -> Callable[[sqlite3.Connection], int]:
    return lambda connection: int(connection.execute(COUNT).fetchone()[0])


def insert(account_id: str) -> Callable[[sqlite3.Connection], int]:
    return lambda connection: connection.execute(INSERT, (account_id, 1)).rowcount


def verify_writable(address: DatabaseUrl) -> None:
    with closing(PostgresqlDatabase(address, connections=2)) as database:
        asyncio.run(database.verify_writable())


# -- what is wrong -----------------------------------------------------------------------------------------------------


def test_wrong_addresses_are_told_with_their_remedies(postgresql: PostgresqlServer, url: str) -> None:
    folder, password = postgresql.socket_folder, PASSWORD.replace(" ", "%20")
    remedies = {
        f"postgresql://ivr@/ivr_1?host={folder}&port=1": "does not answer .*: start it, or correct database.url",
        f"postgresql://ivr@/missing?host={folder}": "no such database .*: create it: createdb",
        f"postgresql://site:wrong@/ivr_1?host={folder}": "refuses the password .*: correct user and password",
        f"postgresql://stranger:x@/ivr_1?host={folder}": "refuses the password .*: correct user and password",
        f"postgresql://site:{password}@/ivr_1?host={folder}": "refuses a statement .*: make its user",
        f"{url}&options=-c%20default_transaction_read_only%3Don": "read-only standby .*: name the primary",
    }
    for address, expected in remedies.items():
        with pytest.raises(StoreError, match=expected) as raised:
            verify_writable(DatabaseUrl(address))
        assert "wrong@" not in str(raised.value)
        assert PASSWORD not in str(raised.value)


def test_address_that_is_none_is_told(postgresql: PostgresqlServer) -> None:
    with pytest.raises(SettingsError, match="postgresql://user:password@host/database"):
        DatabaseUrl("postgresql://host/x?sslmod=require")


async def test_database_of_a_newer_version_is_not_written(url: str) -> None:
    with closing(PostgresqlDatabase(DatabaseUrl(url), connections=2)) as database:
        await database.write(lambda c: c.execute("INSERT INTO migrations VALUES (999, '0999-later', 0)").rowcount)
        try:
            with pytest.raises(StoreError, match=r"newer version of ivr \(0999-later"):
                await database.verify_writable()
            with pytest.raises(StoreError, match="install the newer version"):
                PostgresqlDatabase(DatabaseUrl(url), connections=2)
            with pytest.raises(StoreError, match="install the newer version"):
                PostgresqlMigration(DatabaseUrl(url)).plan()
        finally:
            await database.write(lambda c: c.execute("DELETE FROM migrations WHERE number = 999").rowcount)


def test_node_waits_for_another_that_creates_the_tables(postgresql: PostgresqlServer) -> None:
    """However long that takes: it failed after the time in which a lock must come."""
    with postgresql.connect("postgres") as connection:
        connection.execute("CREATE DATABASE nodes OWNER ivr")

    def start_node() -> None:
        patience = DatabasePatience(lock_timeout_ms=50)
        PostgresqlDatabase(DatabaseUrl(postgresql.url("nodes")), connections=2, patience=patience).close()

    waits = "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'advisory' AND now() - query_start > interval '0.2 s'"
    with postgresql.connect("nodes") as first, postgresql.connect("postgres") as observer, ThreadPoolExecutor() as pool:
        with first.transaction():
            first.execute("SELECT pg_advisory_xact_lock(%s)", (SCHEMA_LOCK,))
            node = pool.submit(start_node)
            while not node.done() and observer.execute(waits).fetchone() is None:
                time.sleep(0.01)
        node.result()


def test_database_of_an_earlier_version_is_migrated_only_when_asked(postgresql: PostgresqlServer) -> None:
    with postgresql.connect("postgres") as connection:
        connection.execute("CREATE DATABASE earlier OWNER ivr")
    address = DatabaseUrl(postgresql.url("earlier"))
    PostgresqlDatabase(address, connections=2).close()
    with postgresql.connect("earlier") as connection:
        connection.execute("DROP INDEX box_numbers_by_number")
        connection.execute("DELETE FROM migrations WHERE name = '0019-boxes-by-number'")
    with pytest.raises(MigrationRequired, match="run 'ivr migrate'"):
        PostgresqlDatabase(address, connections=2)
    migration = PostgresqlMigration(address)
    assert migration.plan().pending == ("0019-boxes-by-number",)
    assert migration.run() is not None
    assert migration.run() is None
    PostgresqlDatabase(address, connections=2).close()


def add_column(tables: Any) -> None:
    tables.execute("ALTER TABLE arrival_sequences ADD COLUMN later TEXT")


async def test_node_with_newer_code_migrates_while_another_node_goes_on(postgresql: PostgresqlServer) -> None:
    """What only adds to the schema leaves the older node at work, and lets it start again."""
    with postgresql.connect("postgres") as connection:
        connection.execute("CREATE DATABASE rolling OWNER ivr")
    address = DatabaseUrl(postgresql.url("rolling"))
    later, addition = {**MIGRATIONS, "0999-later": add_column}, frozenset({"0999-later"})
    with closing(PostgresqlDatabase(address, connections=2)) as older:
        await older.write(insert("a"))
        for _ in range(10):  # psycopg prepares a statement that it has seen five times.
            await older.read(lambda c: c.execute("SELECT * FROM arrival_sequences").fetchall())
        with pytest.raises(StoreBusy, match="stop the services of all nodes"):
            PostgresqlMigration(address, later, frozenset()).run()
        assert PostgresqlMigration(address, later, addition).run() is not None

        rows = await older.read(lambda c: c.execute("SELECT * FROM arrival_sequences").fetchall())
        assert [row["box_id"] for row in rows] == ["a"]
        await older.write(insert("b"))
        await older.verify_writable()
    with closing(PostgresqlDatabase(address, connections=2)) as again:
        assert await again.read(fetch_count(again)) == 2
        with pytest.raises(StoreBusy):
            PostgresqlMigration(address, {**later, "1000-less": add_column}, addition).run()


# -- commits -----------------------------------------------------------------------------------------------------------


class BreakingUrl(DatabaseUrl):
    """An address whose connections break in their next commit, if `breaks` says so: "before" or "after" the server has
    committed, or "unnoticed": after it, and libpq has not seen the end of the connection yet."""

    breaks: str = ""
    asks = True

    def connect(self) -> psycopg.Connection[Any]:
        if not self.asks and self.breaks == "broken":
            raise StoreError("the server is gone")
        url = self

        class Connection(psycopg.Connection[Any]):
            def execute(self, query: Any, *values: Any, **options: Any) -> psycopg.Cursor[Any]:
                if query == "COMMIT" and url.breaks in ("before", "after", "unnoticed"):
                    if url.breaks != "before":
                        super().execute(query)
                        with self.pipeline():
                            pass  # Waits for the server.
                    if url.breaks != "unnoticed":
                        self.close()
                    url.breaks = "broken"
                    raise psycopg.OperationalError("server closed the connection unexpectedly")
                return super().execute(query, *values, **options)

        return Connection.connect(psycopg.conninfo.make_conninfo(**self._options), autocommit=True)


@pytest.mark.parametrize("breaks", ["before", "after", "unnoticed"])
async def test_change_whose_commit_breaks_happens_once(url: str, breaks: str) -> None:
    address = BreakingUrl(url)
    with closing(PostgresqlDatabase(address, connections=2)) as database:
        address.breaks = breaks
        assert await database.write(insert("a"), boxes=OWN_ROWS) == 1
        assert address.breaks == "broken", "the commit did not break"
        assert await database.read(fetch_count(database)) == 1


async def test_commit_that_no_server_knows_of_is_not_called_undone(url: str) -> None:
    address = BreakingUrl(url)
    with closing(PostgresqlDatabase(address, connections=2, patience=DatabasePatience(unsure_s=0.3))) as database:
        address.breaks, address.asks = "after", False
        with pytest.raises(StoreUnsure, match="may have happened or not"):
            await database.write(insert("a"), boxes=OWN_ROWS)
        address.asks = True
        assert await database.read(fetch_count(database)) == 1


async def test_lock_that_another_program_holds_is_told_and_nothing_waits_for_ever(
    postgresql: PostgresqlServer, url: str
) -> None:
    with (
        closing(
            PostgresqlDatabase(DatabaseUrl(url), connections=2, patience=DatabasePatience(lock_timeout_ms=200))
        ) as database,
        postgresql.connect(url.partition("?")[0].rpartition("/")[2]) as other,
    ):
        with other.transaction():
            other.execute("LOCK TABLE arrival_sequences IN ACCESS EXCLUSIVE MODE")
            with pytest.raises(
                StoreBusy, match=r"holds a lock in PostgreSQL for too long .*: find it, and end it: SELECT"
            ):
                await database.write(insert("a"), boxes=OWN_ROWS)
            with pytest.raises(StoreBusy):
                await database.read(fetch_count(database))
        assert await database.write(insert("a"), boxes=OWN_ROWS) == 1


async def test_only_changes_that_may_add_work_let_workers_look_for_it_at_once(url: str) -> None:
    """A call changes rows of its own a dozen times; after each of them its node looked for work."""
    with closing(PostgresqlDatabase(DatabaseUrl(url), connections=2, monotonic=lambda: 0.0)) as database:
        before = database.change_signal()
        await database.write(insert("a"), boxes=OWN_ROWS)
        assert database.change_signal() == before
        await database.write(insert("b"), boxes=["b"])
        await database.write(insert("c"))
        assert database.change_signal() == b"2 0"


async def test_connections_that_the_server_ends_are_replaced(postgresql: PostgresqlServer, url: str) -> None:
    with closing(PostgresqlDatabase(DatabaseUrl(url), connections=4)) as database:
        await asyncio.gather(*(database.write(insert(f"a{n}"), boxes=OWN_ROWS) for n in range(4)))
        with postgresql.connect("postgres") as connection:
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'ivr'")
        await asyncio.gather(*(database.write(insert(f"b{n}"), boxes=OWN_ROWS) for n in range(4)))
        assert await database.read(fetch_count(database)) == 8


# -- locks -------------------------------------------------------------------------------------------------------------


async def test_changes_of_other_boxes_happen_meanwhile_and_those_of_the_same_wait(url: str) -> None:
    with (
        closing(PostgresqlDatabase(DatabaseUrl(url), connections=8)) as one,
        closing(PostgresqlDatabase(DatabaseUrl(url), connections=8)) as two,
    ):
        loop, began, may_end = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()
        order: list[str] = []

        def note(connection: sqlite3.Connection, what: str) -> None:
            connection.execute("SELECT 1").fetchone()  # The first answer is that the locks are held.
            order.append(what)

        def hold(connection: sqlite3.Connection) -> None:
            connection.execute("SELECT 1").fetchone()
            loop.call_soon_threadsafe(began.set)
            asyncio.run_coroutine_threadsafe(may_end.wait(), loop).result()
            order.append("held")

        holder = asyncio.create_task(one.write(hold, boxes=["b", "a"]))
        await began.wait()
        same = asyncio.create_task(two.write(lambda c: note(c, "same"), boxes=["a", "c"]))
        await two.write(lambda c: note(c, "other"), boxes=["d"])
        alone = asyncio.create_task(two.write(lambda c: note(c, "alone")))
        may_end.set()
        await asyncio.gather(holder, same, alone)
        assert order[:2] == ["other", "held"]
        assert sorted(order[2:]) == ["alone", "same"]


@contextmanager
def round_trips(app: AppFixture, path: Path, *, at_most: int) -> Iterator[None]:
    """Each message that asks the server for its answers is one."""
    drivers = [connection.driver for connection in app.container.database._connections]  # type: ignore[attr-defined]
    with path.open("w+") as file:
        for driver in drivers:
            driver.pgconn.trace(file.fileno())
        yield
        for driver in drivers:
            driver.pgconn.untrace()
        sent = re.findall(r"\tF\t\d+\t(\w+)", path.read_text())
    waits = [what for before, what in pairwise(["", *sent]) if what in ("Flush", "Sync", "Query") and before != "Sync"]
    assert 0 < len(waits) <= at_most


async def test_hot_changes_take_few_round_trips(url: str, tmp_path: Path) -> None:
    app = await AppFixture(tmp_path / "data", database={"url": url, "connections": 2}).open()
    box, messages, trace = await app.create_box(), app.container.messages, tmp_path / "trace"
    await app.create_message(box)
    take = Take(
        id=app.container.ids.new_message_id(NOON), account_id=box.account_id, box_id=box.id,
        purpose=RecordingPurpose.MESSAGE, channel="PJSIP/a-1", path="takes/a.wav", began_at=NOON,
    )  # fmt: skip
    message = Message(
        id=take.id, account_id=box.account_id, box_id=box.id, folder=Folder.NEW, time=NOON, length_ms=1000,
        bytes=16_044, caller=Caller("2001"),
    )  # fmt: skip
    with round_trips(app, trace, at_most=2):
        await SqliteTakes(app.container.database).begin(take)
    with round_trips(app, trace, at_most=3):
        await messages.add(message, take.id)
    with round_trips(app, trace, at_most=2):
        await messages.move_to_folder(box.id, message.id, Folder.SAVED, ChangeReason.DTMF)
    with round_trips(app, trace, at_most=3):
        assert len(await app.container.outbox.claim([TaskKind.NEW], 5)) == 2
    with round_trips(app, trace, at_most=1):  # As at all nodes but the one that has claimed it.
        assert await app.container.outbox.claim([TaskKind.NEW], 5) == []
    app.close()


async def test_light_of_a_phone_reads_only_the_counters_of_its_mailboxes(url: str) -> None:
    with closing(PostgresqlDatabase(DatabaseUrl(url), connections=2)) as database:

        def explain(connection: sqlite3.Connection) -> list[str]:
            connection.execute("SET LOCAL enable_seqscan = off")  # Of so few rows it reads all.
            sql = ENDPOINTS_SQL.format("endpoints.user_id IN (?)")
            return [str(row[0]) for row in connection.execute(f"EXPLAIN {sql}", ("asterisk", "u")).fetchall()]

        plan = "\n".join(await database.write(explain))
    assert not re.search("Seq Scan on folder_counters", plan), plan
    assert plan.count("Index Cond: (folder_counters.box_id = boxes.id)") + plan.count("(box_id = ") == 2, plan


async def test_messages_of_one_account_do_not_wait_for_each_other(url: str, tmp_path: Path) -> None:
    app = await AppFixture(tmp_path / "data", database={"url": url, "connections": 4}).open()
    boxes, database = [await app.create_box(number) for number in ("1000", "1001")], app.container.database
    loop, began, may_end = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()

    def leave_slowly(connection: sqlite3.Connection) -> int:
        message_rows.advance_arrivals(connection, boxes[0].account_id, boxes[0].id)
        last = message_rows.last_arrival_seq(connection, boxes[0].id)
        loop.call_soon_threadsafe(began.set)
        asyncio.run_coroutine_threadsafe(may_end.wait(), loop).result()
        return last

    slow = asyncio.create_task(database.write(leave_slowly, boxes=[boxes[0].id]))
    await began.wait()
    async with asyncio.timeout(30):
        await app.create_message(boxes[1])
    may_end.set()
    assert await slow == 1
    app.close()


STEPS = st.lists(st.tuples(st.integers(0, 1), st.permutations("abc"), st.integers(1, 3)), min_size=2, max_size=20)


@given(steps=STEPS)
@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_changes_of_several_boxes_by_two_services_never_wait_in_a_circle(
    url: str, steps: list[tuple[int, tuple[str, ...], int]]
) -> None:
    """Each adds 1 to what it has read, so a change that does not wait for another one of the same box is lost."""
    databases = [PostgresqlDatabase(DatabaseUrl(url), connections=8) for _ in range(2)]
    try:
        await databases[0].write(lambda c: c.execute("DELETE FROM arrival_sequences").rowcount)
        await databases[0].write(lambda c: c.executemany(INSERT, [(box, 0) for box in "abc"]).rowcount)

        def add_one(connection: sqlite3.Connection, boxes: tuple[str, ...]) -> None:
            for box in boxes:
                sql = "SELECT last_seq FROM arrival_sequences WHERE box_id = ?"
                (before,) = connection.execute(sql, (box,)).fetchone()
                connection.execute("UPDATE arrival_sequences SET last_seq = ? WHERE box_id = ?", (before + 1, box))

        chosen = [(databases[number], boxes[:count]) for number, boxes, count in steps]
        await asyncio.gather(
            *(db.write(lambda c, boxes=boxes: add_one(c, boxes), boxes=boxes) for db, boxes in chosen)  # type: ignore[misc]
        )
        rows = await databases[1].read(lambda c: dict(c.execute("SELECT box_id, last_seq FROM arrival_sequences")))
        assert rows == {box: sum(box in boxes for _, boxes in chosen) for box in "abc"}
    finally:
        for database in databases:
            database.close()


# -- the schema --------------------------------------------------------------------------------------------------------

COLUMNS_OF_POSTGRESQL = """
SELECT c.relname, a.attname, format_type(a.atttypid, NULL), a.attnotnull
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'public' AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
"""
TYPES = {"text": "TEXT", "bigint": "INTEGER"}
FULL_TEXT = "message_search"
OWN_TABLES = {"migrations", "_sqlite_migrations", "sqlite_sequence"}


def test_both_engines_have_the_same_tables_indexes_and_triggers(
    postgresql: PostgresqlServer, url: str, tmp_path: Path
) -> None:
    SqliteDatabase(tmp_path / "ivr.db", sync=False).close()
    with closing(sqlite3.connect(tmp_path / "ivr.db")) as file, psycopg.connect(url) as server:
        assert schema_of_postgresql(server) == schema_of_sqlite(file)


def schema_of_sqlite(file: sqlite3.Connection) -> dict[str, set[Any]]:
    objects = file.execute("SELECT type, name, tbl_name, sql FROM sqlite_master").fetchall()
    tables = [
        name
        for kind, name, _, _ in objects
        if kind == "table" and name not in OWN_TABLES and not name.startswith(FULL_TEXT)
    ]
    columns = {
        (table, name, type_, bool(not_null or key))
        for table in tables
        for _, name, type_, not_null, _, key in file.execute(f'PRAGMA table_info("{table}")')
    }
    indexes = {
        (name, bool(unique), tuple(row[2] for row in file.execute(f'PRAGMA index_info("{name}")')), bool(partial))
        for table in tables
        for _, name, unique, origin, partial in file.execute(f'PRAGMA index_list("{table}")')
        if origin == "c"
    }
    keys = {
        (table, row[3], row[2], row[4])
        for table in tables
        for row in file.execute(f'PRAGMA foreign_key_list("{table}")')
    }
    triggers = {name for kind, name, _, sql in objects if kind == "trigger" and FULL_TEXT not in sql}
    return {"columns": columns, "indexes": indexes, "keys": keys, "triggers": triggers}


def schema_of_postgresql(server: psycopg.Connection[Any]) -> dict[str, set[Any]]:
    columns = {
        (table, name, TYPES[type_], not_null)
        for table, name, type_, not_null in server.execute(COLUMNS_OF_POSTGRESQL.encode())
        if table not in OWN_TABLES and name != ROW_NUMBER
    }
    indexes = set()
    sql = "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'"
    for table, name, definition in server.execute(sql):
        if table in OWN_TABLES or name == FULL_TEXT or re.search(r"_(pkey|key\d*)$", name):
            continue
        listed = re.search(r"USING btree \((.*?)\)(?: WHERE|$)", definition)
        assert listed, definition
        names = tuple(column.strip('"') for column in listed[1].split(", "))
        indexes.add((name, "UNIQUE" in definition, names, " WHERE " in definition))
    keys = set(
        server.execute(
            "SELECT k.conrelid::regclass::text, a.attname, k.confrelid::regclass::text, f.attname FROM pg_constraint k"
            " JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1]"
            " JOIN pg_attribute f ON f.attrelid = k.confrelid AND f.attnum = k.confkey[1] WHERE k.contype = 'f'"
        )
    )
    triggers = {name for (name,) in server.execute("SELECT tgname FROM pg_trigger WHERE NOT tgisinternal")}
    return {"columns": columns, "indexes": indexes, "keys": keys, "triggers": triggers}


async def test_connection_that_ends_right_after_the_log_in_is_told_with_a_remedy(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that is being stopped ends it there."""
    connect = DatabaseUrl.connect

    def connect_and_end(self: DatabaseUrl) -> psycopg.Connection[Any]:
        with suppress(psycopg.errors.AdminShutdown), (connection := connect(self)).cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        return connection

    with closing(PostgresqlDatabase(DatabaseUrl(url), connections=2)) as database:
        monkeypatch.setattr(DatabaseUrl, "connect", connect_and_end)
        with pytest.raises(StoreError, match="start it, or correct"):
            await database.read(lambda c: c.execute("SELECT 1").fetchone())


# -- a service ---------------------------------------------------------------------------------------------------------


async def test_service_is_not_ready_while_the_server_is_away_and_again_when_it_is_back(
    postgresql: PostgresqlServer, url: str, tmp_path: Path
) -> None:
    app = AppFixture(tmp_path / "data", database={"url": url})
    monitor = app.container.health_monitor
    assert (await monitor.report()).is_ready
    name = url.partition("?")[0].rpartition("/")[2]

    def allow(allowed: bool) -> None:
        with postgresql.connect("postgres") as connection:
            connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS {allowed}".encode())
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))

    allow(False)
    try:
        app.clock.advance(s=60)
        (problem,) = (await monitor.report()).problems
        assert problem.check == "database"
        assert problem.prevents_storing
        with pytest.raises(StoreError, match="start it, or correct"):
            await monitor.verify_storage()
    finally:
        allow(True)
    app.clock.advance(s=60)
    assert (await monitor.report()).is_ready
    app.close()


async def test_lights_that_two_nodes_publish_at_once_are_stored_once(postgresql: PostgresqlServer, url: str) -> None:
    lights = PublishedLights("box", "", ("1000@default",))
    with (
        closing(PostgresqlDatabase(DatabaseUrl(url), connections=2)) as database,
        postgresql.connect(url.partition("?")[0].rpartition("/")[2]) as other,
    ):
        store = SqliteMwiCounts(database)
        with other.transaction():
            other.execute("INSERT INTO published_lights VALUES ('asterisk', 'box', '', '1000@default')")
            second = asyncio.create_task(store.add_published("asterisk", [lights]))
            with postgresql.connect("postgres") as observer:
                waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
                async with asyncio.timeout(30):
                    while not observer.execute(waiting).fetchone()[0]:  # type: ignore[index]
                        await asyncio.sleep(0.01)
        await second
        assert await store.published("asterisk", ["box"], []) == [lights]


async def test_lights_without_subject_are_limited_by_the_database(url: str) -> None:
    with closing(PostgresqlDatabase(DatabaseUrl(url), connections=2)) as database:
        store = SqliteMwiCounts(database)
        await store.add_published("asterisk", [PublishedLights(f"b{i}", "", ("n",)) for i in range(5)])
        fetched = []

        async def read(work: Callable[[sqlite3.Connection], Any]) -> Any:
            fetched.append(rows := await PostgresqlDatabase.read(database, work))
            return rows

        database.read = read  # type: ignore[assignment,method-assign]
        assert len(await store.published_without_subject("asterisk", 2)) == 2
    assert [len(rows) for rows in fetched] == [2]
