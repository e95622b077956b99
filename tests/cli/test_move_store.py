"""`ivr move-store`: all rows from SQLite to PostgreSQL and back, compared; what keeps it from that; interruptions."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from ivr.storage.data_folder import database_path
from ivr.storage.postgresql.rows import PostgresqlRows
from ivr.storage.row_move import Row
from tests.cli.conftest import Ivr, parse_json
from tests.support.postgresql_server import PASSWORD, PostgresqlServer


@pytest.fixture
def filled_ivr(populated_ivr: Ivr, hello: Path) -> Ivr:
    """An installation with a message that is found by its caller, and a deleted one."""
    populated_ivr("message", "add", "1000", str(hello), "--caller", "Bob Ümläut <2001>")
    second = parse_json(populated_ivr("message", "add", "1000", str(hello), "--json"))
    populated_ivr("message", "move", "1000", second["id"], "deleted")
    return populated_ivr


@pytest.fixture
def address(postgresql: PostgresqlServer) -> str:
    """An empty database."""
    with postgresql.connect("postgres") as connection:
        connection.execute("DROP DATABASE IF EXISTS moved WITH (FORCE)")
        connection.execute("CREATE DATABASE moved OWNER ivr")
    return postgresql.url("moved")


def database_file() -> Path:
    return database_path(Path(os.environ["IVR_DATA__FOLDER"]))


def messages(ivr: Ivr) -> str:
    return ivr("message", "list", "1000", "--folder", "new", "--json").stdout


def test_rows_go_to_postgresql_and_back_and_the_old_database_stays(
    filled_ivr: Ivr, address: str, postgresql: PostgresqlServer, hello: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ivr, before = filled_ivr, messages(filled_ivr)
    printed = ivr("move-store", "--to", address).stdout
    assert f'    [database]\n    url = "{address}"\n' in printed
    assert "equal" in printed
    ivr("move-store", "--to", address, "--check")
    assert messages(ivr) == before

    monkeypatch.setenv("IVR_DATABASE__URL", address)
    assert messages(ivr) == before
    with postgresql.connect("moved") as connection:
        search = "search_words(name, number, transcript) @@ to_tsquery('simple', 'umlaut')"
        assert connection.execute(f"SELECT count(*) FROM message_texts WHERE {search}".encode()).fetchone() == (1,)
    ivr("message", "add", "1000", str(hello), "--caller", "2002")
    ivr("box", "create", "1001")
    assert "all rows, to postgresql" in ivr("audit", "list").stdout
    rows = parse_json(ivr("move-store", "--to", "sqlite", "--check", "--json", fails=1))
    assert {row["table"] for row in rows if row["equal"] == "NO"} >= {"messages", "boxes", "outbox"}
    assert "is not empty" in ivr("move-store", "--to", "sqlite", fails=2).output

    database_file().rename(database_file().with_name("ivr.db.before"))
    after = messages(ivr)
    printed = ivr("move-store", "--to", "sqlite").stdout
    assert "remove url from [database]" in printed
    monkeypatch.delenv("IVR_DATABASE__URL")
    assert messages(ivr) == after != before
    with closing(sqlite3.connect(database_file())) as connection:
        found = connection.execute("SELECT count(*) FROM message_search WHERE message_search MATCH 'umlaut'").fetchone()
    assert found == (1,)
    ivr("message", "add", "1000", str(hello))


def test_move_that_has_happened_is_said_and_not_repeated(filled_ivr: Ivr, address: str) -> None:
    filled_ivr("move-store", "--to", address)
    content = database_file().read_bytes()
    again = filled_ivr("move-store", "--to", address).stdout
    assert "all rows are there already, and equal" in again
    assert f'url = "{address}"' in again
    assert database_file().read_bytes() == content
    filled_ivr("box", "create", "1001")
    assert "is not empty" in filled_ivr("move-store", "--to", address, fails=2).output


def test_what_cannot_be_the_target_is_told_with_its_remedy(
    filled_ivr: Ivr, address: str, postgresql: PostgresqlServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ivr = filled_ivr
    with postgresql.connect("moved") as connection:
        connection.execute("CREATE SCHEMA closed")
        connection.execute("ALTER DATABASE postgres CONNECTION LIMIT -1")
    site = address.replace("ivr@", f"site:{PASSWORD.replace(' ', '%20')}@")
    for to, code, expected in (
        (address.replace("/moved", "/other"), 5, "no such database"),
        (f"{address}&port=1", 5, "start it, or correct --to"),
        (address.replace("ivr@", "site:wrong@"), 5, "refuses the password"),
        (f"{address}&sslmod=x", 1, "--to is no address of PostgreSQL"),
        ("mysql://ivr:wrong@host/ivr", 2, "postgresql://user@host/database"),
        (str(tmp_path / "missing"), 2, "no folder"),
        ("sqlite", 2, "in SQLite already"),
        (f"{address}&options=-c%20default_transaction_read_only%3Don", 5, "name the primary"),
        (site, 5, "make its user the owner"),
    ):
        output = ivr("move-store", "--to", to, fails=code).output
        assert expected in output, to
        assert "wrong@" not in output
        assert PASSWORD not in output
    with postgresql.connect("moved") as connection:
        connection.execute("CREATE TABLE theirs (id int)")
    assert "tables of another program (theirs)" in ivr("move-store", "--to", address, fails=2).output
    monkeypatch.setenv("IVR_DATABASE__URL", address)
    assert "in PostgreSQL already" in ivr("move-store", "--to", address, fails=2).output


def test_newer_or_earlier_database_is_not_moved(filled_ivr: Ivr, address: str, postgresql: PostgresqlServer) -> None:
    filled_ivr("move-store", "--to", address)
    with postgresql.connect("moved") as connection:
        connection.execute("INSERT INTO migrations VALUES (999, '0999-later', 0)")
    assert "newer version of ivr (0999-later" in filled_ivr("move-store", "--to", address, fails=5).output
    with closing(sqlite3.connect(database_file())) as connection:
        connection.execute("PRAGMA user_version = 999")
    assert "newer version" in filled_ivr("move-store", "--to", address, "--check", fails=5).output


def test_rows_are_not_moved_while_a_service_uses_them(
    filled_ivr: Ivr, address: str, postgresql: PostgresqlServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(sqlite3.connect(database_file())) as service:
        service.execute("SELECT count(*) FROM boxes").fetchone()
        assert "stop the service" in filled_ivr("move-store", "--to", address, fails=5).output
        filled_ivr("move-store", "--to", address, "--check", fails=5)
    filled_ivr("move-store", "--to", address)
    monkeypatch.setenv("IVR_DATABASE__URL", address)
    database_file().rename(database_file().with_name("ivr.db.before"))
    with postgresql.connect("moved") as service:
        service.execute("SET application_name = 'ivr'")
        assert "in use by 1 connections" in filled_ivr("move-store", "--to", "sqlite", fails=5).output
    assert not database_file().exists()


@pytest.mark.parametrize("direction", ["to PostgreSQL", "to SQLite"])
def test_killed_move_leaves_both_as_they_were_and_is_repeated(
    filled_ivr: Ivr, address: str, direction: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is killed between the first and the last table."""
    to = address
    if direction == "to SQLite":
        filled_ivr("move-store", "--to", address)
        monkeypatch.setenv("IVR_DATABASE__URL", address)
        database_file().rename(database_file().with_name("ivr.db.before"))
        to = "sqlite"
    script = (
        "import os, signal, sys\n"
        "from ivr.storage.postgresql.rows import PostgresqlRows\n"
        "from ivr.storage.sqlite.rows import SqliteRows\n"
        "for rows in (PostgresqlRows, SqliteRows):\n"
        "    def write(self, table, columns, values, before=rows.write):\n"
        "        before(self, table, columns, values)\n"
        "        if table == 'messages': os.kill(os.getpid(), signal.SIGKILL)\n"
        "    rows.write = write\n"
        f"sys.argv = ['ivr', 'move-store', '--to', {to!r}]\n"
        "from ivr.cli import main; main()\n"
    )
    killed = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True)
    assert killed.returncode == -signal.SIGKILL
    assert "equal" in filled_ivr("move-store", "--to", to).stdout
    filled_ivr("move-store", "--to", to, "--check")


def test_rows_that_did_not_arrive_are_noticed_and_nothing_is_committed(
    filled_ivr: Ivr, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = PostgresqlRows.write

    def lose_the_last(self: PostgresqlRows, table: str, columns: Sequence[str], rows: Iterable[Row]) -> None:
        listed = list(rows)
        write(self, table, columns, listed[:-1] if table == "outbox" else listed)

    with monkeypatch.context() as patched:
        patched.setattr(PostgresqlRows, "write", lose_the_last)
        output = filled_ivr("move-store", "--to", address, fails=5).output
    assert "rows were not stored as they were read (outbox)" in output
    filled_ivr("move-store", "--to", address)


def test_counters_that_are_wrong_are_told(filled_ivr: Ivr, address: str) -> None:
    with closing(sqlite3.connect(database_file())) as connection:
        connection.execute("UPDATE folder_counters SET messages = messages + 1 WHERE folder = 'new'")
        connection.commit()
    assert "1 counters of" in filled_ivr("move-store", "--to", address).output
