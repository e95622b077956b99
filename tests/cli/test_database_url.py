"""Commands on an installation whose rows are in PostgreSQL."""

from __future__ import annotations

import shlex
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest

from ivr.audio import wav
from tests.cli.conftest import Ivr
from tests.support.postgresql_server import PASSWORD, PostgresqlServer, find_program


@pytest.fixture
def ivr_on_postgresql(ivr: Ivr, postgresql: PostgresqlServer, monkeypatch: pytest.MonkeyPatch) -> Ivr:
    """`ivr` on an empty database."""
    with postgresql.connect("postgres") as connection:
        connection.execute("DROP DATABASE IF EXISTS commands WITH (FORCE)")
        connection.execute("CREATE DATABASE commands OWNER ivr")
    monkeypatch.setenv("IVR_DATABASE__URL", postgresql.url("commands"))
    return ivr


def test_first_account_creates_the_tables(ivr_on_postgresql: Ivr) -> None:
    ivr = ivr_on_postgresql
    assert "PostgreSQL contains no database of ivr yet" in ivr("doctor", fails=1).output
    ivr("account", "create", "demo", "--timezone", "Europe/Berlin")
    ivr("user", "create", "alice", "email=alice@demo.example")
    ivr("box", "create", "1000", "--owner", "alice", "--pin", "4716", "is_setup=true")
    assert "alice" in ivr("box", "list").output
    assert "1 accounts, 1 users, 1 boxes" in ivr("doctor", fails=1).output
    assert "there is nothing to migrate" in ivr("migrate").output


def test_commands_for_files_say_what_does_it_on_postgresql(ivr_on_postgresql: Ivr) -> None:
    ivr = ivr_on_postgresql
    ivr("account", "create", "demo")
    assert "restore the dump" in ivr("migrate", "--back", "--yes", fails=2).output
    ivr("box", "create", "1000")
    run_printed(ivr("backup", "copies", fails=2).output, "pg_dump")
    ivr("box", "delete", "1000", "--yes")
    assert "1000" not in ivr("box", "list").output
    run_printed(ivr("restore", "copies", fails=2).output, "pg_restore")
    assert "1000" in ivr("box", "list").output


def test_empty_database_beside_recordings_is_refused_with_what_restores_it(
    ivr_on_postgresql: Ivr, postgresql: PostgresqlServer, tmp_path: Path
) -> None:
    """As after a new server: a service that began anew would hide the loss."""
    ivr = ivr_on_postgresql
    ivr("account", "create", "demo")
    with postgresql.connect("commands") as connection:
        connection.execute("TRUNCATE accounts CASCADE")
    recording = tmp_path / "data" / ("a" * 32) / "vm" / f"202601-{'b' * 32}.wav"
    recording.parent.mkdir(parents=True)
    wav.write(recording, bytes(3200))
    for words, code in (("account create demo", 5), ("doctor", 1)):
        refused = ivr(*words.split(), fails=code).output
        assert f"/commands is empty, but there are recordings, such as {recording}: restore the newest dump" in (
            refused.replace("  → ", ": ")
        )
        assert "systemctl stop ivr.socket ivr && pg_restore --clean --if-exists --single-transaction" in refused
    recording.unlink()
    ivr("account", "create", "demo")


def run_printed(output: str, program: str) -> None:
    """Run a program of PostgreSQL as the output says, up to the next command."""
    words = shlex.split(output[output.index(program) :].partition(" && ")[0])
    subprocess.run([str(find_program(words[0])), *words[1:]], check=True)


def test_doctor_names_what_is_wrong_with_the_database_and_its_remedy(
    ivr_on_postgresql: Ivr, postgresql: PostgresqlServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ivr = ivr_on_postgresql
    ivr("account", "create", "demo")
    url = postgresql.url("commands")
    config = tmp_path / "ivr.toml"
    config.write_text("[database]\n")
    monkeypatch.setenv("IVR_CONFIG", str(config))
    edit = f"${{EDITOR:-editor}} +1 {config} && systemctl restart ivr"
    createdb = "runuser -u postgres -- createdb --owner=ivr other && systemctl restart ivr"
    start = "systemctl start postgresql && systemctl restart ivr"
    for address, what, remedy, command in (
        (url.replace("/commands", "/other"), "PostgreSQL has no such database", "create it: createdb", createdb),
        (f"{url}&port=1", "PostgreSQL does not answer", "start it, or correct database.url", start),
        (f"{url}&host=192.0.2.1&port=x", "PostgreSQL does not answer", "on the machine of PostgreSQL: systemctl", ""),
        (url.replace("ivr@", "site:wrong@"), "PostgreSQL refuses the password", "correct user and password", edit),
        (f"{url}&sslmod=x", "database.url is no address of PostgreSQL", "write it as postgresql://", edit),
        (
            f"{url}&options=-c%20default_transaction_read_only%3Don",
            "PostgreSQL is a read-only",
            "name the primary",
            edit,
        ),
    ):
        monkeypatch.setenv("IVR_DATABASE__URL", address)
        lines = ivr("doctor", fails=1).output.splitlines()
        line, below = next(pair for pair in pairwise(lines) if pair[0].startswith("problem  database"))
        problem, _, advised = line.partition("  → ")
        assert below.strip() == f"# {command}" if command else not below.lstrip().startswith("#")
        assert what in problem
        assert remedy in advised
        assert "wrong@" not in line


@pytest.mark.parametrize(("shift", "what"), [("+", "3600 s behind"), ("-", "3600 s before")])
def test_doctor_compares_the_clock_with_that_of_the_server(
    ivr_on_postgresql: Ivr, postgresql: PostgresqlServer, monkeypatch: pytest.MonkeyPatch, shift: str, what: str
) -> None:
    ivr_on_postgresql("account", "create", "demo")
    assert "that of PostgreSQL" not in ivr_on_postgresql("doctor", fails=1).output
    with postgresql.connect("commands") as connection:
        connection.execute(
            "CREATE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS"
            f" $$SELECT pg_catalog.clock_timestamp() {shift} interval '1 hour'$$".encode()
        )
    url = f"{postgresql.url('commands')}&options=-c%20search_path%3Dpublic,pg_catalog"
    monkeypatch.setenv("IVR_DATABASE__URL", url)
    output = ivr_on_postgresql("doctor", fails=1).output
    line = next(line for line in output.splitlines() if "that of PostgreSQL" in line)
    assert what in line or "3601 s" in line or "3599 s" in line
    assert line.startswith("warning  clock")
    assert "systemctl enable --now systemd-timesyncd || apt install chrony" in line


def test_doctor_names_a_newer_database_and_missing_rights(
    ivr_on_postgresql: Ivr, postgresql: PostgresqlServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    ivr_on_postgresql("account", "create", "demo")
    url = postgresql.url("commands")
    password = PASSWORD.replace(" ", "%20")
    monkeypatch.setenv("IVR_DATABASE__URL", url.replace("ivr@", f"site:{password}@"))
    output = ivr_on_postgresql("doctor", fails=1).output
    assert "PostgreSQL refuses a statement" in output
    assert "ALTER DATABASE name OWNER TO user" in output
    assert PASSWORD not in output
    monkeypatch.setenv("IVR_DATABASE__URL", url)
    with postgresql.connect("commands") as connection:
        connection.execute("INSERT INTO migrations VALUES (999, '0999-later', 0)")
    output = ivr_on_postgresql("doctor", fails=1).output
    assert "was migrated by a newer version of ivr (0999-later" in output
    assert "install the newer version" in output
