"""The data folder of an earlier version: who converts it, what becomes of it, and the way back."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from ivr.storage.sqlite.migrations import SCHEMA_VERSION
from tests.cli.conftest import Ivr, parse_json
from tests.upgrade.conftest import EarlierMachine

EARLIER_SCHEMA = 8
OTHER_COMMANDS = (
    "account list", "account create acme", "user list", "endpoint list", "box list", "box pin 1000 --generate",
    "message list 1000", "calls list", "token list", "outbox list", "watch --once", "purge --dry-run", "purge",
    "maintain", "pepper accept --yes", "phone *97",
)  # fmt: skip


def rows(database: Path, sql: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(database)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def set_schema(database: Path, version: int) -> None:
    connection = sqlite3.connect(database)
    connection.execute("PRAGMA journal_mode = WAL")  # As a service leaves it.
    connection.execute(f"PRAGMA user_version = {version}")
    connection.close()


def names_in(folder: Path) -> set[str]:
    """Return the names of the files of a data folder that are not in a folder of it; those of an open database not."""
    return {path.name for path in folder.iterdir() if path.is_file() and not path.name.endswith(("-wal", "-shm"))}


def content(database: Path) -> list[str]:
    connection = sqlite3.connect(database)
    try:
        return [f"schema {connection.execute('PRAGMA user_version').fetchone()[0]}", *connection.iterdump()]
    finally:
        connection.close()


@pytest.mark.parametrize("words", OTHER_COMMANDS)
def test_other_commands_change_nothing_and_name_the_one_that_migrates(
    ivr: Ivr, machine: EarlierMachine, words: str
) -> None:
    before = machine.tree()
    error = ivr(*words.split(), fails=5).stderr
    assert f"{machine.earlier_database} was written by an earlier version of ivr" in error
    assert "'ivr migrate'" in error
    assert machine.tree() == before


def test_doctor_names_the_command_that_migrates(ivr: Ivr, machine: EarlierMachine) -> None:
    before = machine.tree()
    findings = parse_json(ivr("doctor", "--json", fails=1))
    [finding] = [one for one in findings if "earlier version" in one["what"]]
    assert finding["level"] == "problem"
    assert finding["remedy"] == "systemctl stop ivr.socket ivr; ivr migrate; systemctl start ivr"
    assert machine.tree() == before


def test_dry_run_prints_versions_and_copy_and_changes_nothing(ivr: Ivr, machine: EarlierMachine) -> None:
    before = machine.tree()
    plan = parse_json(ivr("migrate", "--dry-run", "--json"))
    assert machine.tree() == before
    assert plan["schema"] == EARLIER_SCHEMA
    assert plan["schema_of_this_version"] == SCHEMA_VERSION
    assert plan["migrations"][0] == "0009-terms-of-the-field"
    assert plan["copy"] == f"{machine.database}.schema-{EARLIER_SCHEMA}"
    assert plan["size_mb"] == round(machine.earlier_database.stat().st_size / 2**20, 1)
    assert plan["in_use"] is False
    assert "0009-terms-of-the-field" in ivr("migrate", "--dry-run").stdout


def test_everything_is_there_after_the_migration(ivr: Ivr, machine: EarlierMachine) -> None:
    audio = {path.name: path.read_bytes() for path in machine.data.rglob("*.wav")}
    output = ivr("migrate").stdout
    assert f"from schema {EARLIER_SCHEMA} to {SCHEMA_VERSION}" in output
    assert [box["mailbox"] for box in parse_json(ivr("box", "list", "--json"))] == ["1000", "1001"]
    listed = parse_json(ivr("message", "list", "1000", "--json"))
    assert sorted((m["caller"], m["folder"]) for m in listed) == [
        ("5550101", "new"), ("5550102", "saved"), ("5550103", "saved"), ("5550104", "deleted"),
    ]  # fmt: skip
    exported = machine.root / "exported.wav"
    [heard] = [m["id"] for m in listed if m["caller"] == "5550102"]
    ivr("message", "export", "1000", heard, str(exported))
    assert exported.read_bytes() == audio[f"{heard}.wav"]
    hidden = parse_json(ivr("message", "list", "1000", "--gone", "--json"))
    assert [m["caller"] for m in hidden] == ["5550106"]
    ivr("message", "restore", "1000", hidden[0]["id"])
    assert {e["name"] for e in parse_json(ivr("endpoint", "list", "--json"))} == {"alice-desk", "bob-desk"}
    assert len(parse_json(ivr("token", "list", "--json"))) == 1
    assert [call["box"] for call in parse_json(ivr("calls", "list", "--json"))] == ["1000"]
    now = {path.name: path.read_bytes() for path in machine.data.rglob("*.wav")}
    renamed = {name.replace("alone-", "fallback-"): sound for name, sound in audio.items()}
    assert now == renamed, "no recording is lost, and the dialplan's have their new name"
    assert {path.name for path in machine.data.iterdir() if path.is_file()} == set(), "all in a folder for the service"
    assert {"ivr.db", "ivr.db.schema-8", "pepper"} <= {path.name for path in machine.state.iterdir()}
    assert machine.state.stat().st_mode & 0o7777 == 0o700


def test_second_migration_has_nothing_to_do(ivr: Ivr, machine: EarlierMachine) -> None:
    ivr("migrate")
    before = machine.tree()
    assert "there is nothing to migrate" in ivr("migrate").stdout
    assert machine.tree() == before


def test_the_service_migrates_when_it_starts(ivr: Ivr, machine: EarlierMachine) -> None:
    from ivr import settings
    from ivr.app import App

    app = App(settings.load()).open(migrate=True)
    assert len(asyncio.run(app.directory.accounts())) == 1
    app.close()
    assert rows(machine.database.with_name("ivr.db.schema-8"), "PRAGMA user_version") == [(EARLIER_SCHEMA,)]


def test_database_in_use_is_not_migrated(ivr: Ivr, machine: EarlierMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IVR_DATA__BUSY_TIMEOUT_MS", "50")
    program = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('PRAGMA journal_mode = WAL');"
        "c.execute('SELECT * FROM accounts').fetchall(); print('open', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(machine.earlier_database)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as earlier_service:
        assert earlier_service.stdout
        assert earlier_service.stdout.readline() == b"open\n"
        assert parse_json(ivr("migrate", "--dry-run", "--json"))["in_use"] is True
        error = ivr("migrate", fails=5).stderr
        assert "in use by another process: stop the service (systemctl stop ivr.socket ivr)" in error
        assert rows(machine.earlier_database, "PRAGMA user_version") == [(EARLIER_SCHEMA,)]
        assert not list(machine.data.rglob("*.schema-*"))
        earlier_service.communicate()
    ivr("migrate")


def test_way_back_restores_the_earlier_database_and_keeps_the_newer(ivr: Ivr, machine: EarlierMachine) -> None:
    earlier, files = content(machine.earlier_database), names_in(machine.data)
    ivr("migrate")
    ivr("box", "create", "1002")
    newer = content(machine.database)
    assert parse_json(ivr("migrate", "--back", "--dry-run", "--json"))["restores"] == f"{machine.database}.schema-8"
    assert "repeat it with --yes" in ivr("migrate", "--back", fails=2).stderr
    output = ivr("migrate", "--back", "--yes").stdout
    assert content(machine.earlier_database) == earlier, "where that version looks for it"
    assert names_in(machine.data) - files == {"ivr.db.schema-8", f"ivr.db.schema-{SCHEMA_VERSION}"}
    assert files <= names_in(machine.data), "the pepper too"
    newer_file = machine.data / f"ivr.db.schema-{SCHEMA_VERSION}"
    assert str(newer_file) in output
    assert content(newer_file) == newer


def test_each_upgrade_makes_a_copy_of_its_own(ivr: Ivr, machine: EarlierMachine) -> None:
    """Else the copy of the second upgrade would be that of the first, without what came in between."""
    ivr("migrate")
    ivr("migrate", "--back", "--yes")
    connection = sqlite3.connect(machine.earlier_database)
    connection.execute("UPDATE users SET email = 'later@demo.example' WHERE name = 'alice'")
    connection.commit()
    connection.close()
    ivr("migrate")
    ivr("migrate", "--back", "--yes")
    assert rows(machine.earlier_database, "SELECT email FROM users WHERE name = 'alice'") == [("later@demo.example",)]
    assert (machine.data / "ivr.db.schema-8.2").exists()


def test_interrupted_migration_continues_and_its_copy_stays_whole(ivr: Ivr, machine: EarlierMachine) -> None:
    earlier = content(machine.earlier_database)
    ivr("migrate")
    set_schema(machine.database, EARLIER_SCHEMA)  # As after a crash before the last step.
    assert parse_json(ivr("migrate", "--dry-run", "--json"))["copy"] is None
    output = ivr("migrate").stdout
    assert f"the earlier database is {machine.state}/ivr.db.schema-8;" in output.replace("\n", "")
    assert content(machine.state / "ivr.db.schema-8") == earlier
    assert len(list(machine.data.rglob("*.schema-*"))) == 1
    assert rows(machine.database, "PRAGMA user_version") == [(SCHEMA_VERSION,)]


def test_an_older_version_refuses_newer_data_and_names_the_copy(ivr: Ivr, machine: EarlierMachine) -> None:
    shutil.copy(machine.earlier_database, machine.data / f"ivr.db.schema-{SCHEMA_VERSION}")
    ivr("migrate")
    set_schema(machine.database, SCHEMA_VERSION + 3)  # What a version of next year leaves.
    copy = machine.state / f"ivr.db.schema-{SCHEMA_VERSION}"
    before = machine.tree()
    for words in ("box list", "migrate", "purge"):
        error = ivr(*words.split(), fails=5).stderr
        assert f"newer version of ivr (schema {SCHEMA_VERSION + 3}, this version knows {SCHEMA_VERSION})" in error
        assert f"run 'ivr migrate --back', which restores the copy {copy}" in error
    assert machine.tree() == before
    ivr("migrate", "--back", "--yes")
    assert (machine.state / f"ivr.db.schema-{SCHEMA_VERSION + 3}").exists()


def test_way_back_without_a_copy_is_an_error(ivr: Ivr, machine: EarlierMachine) -> None:
    assert "restore a backup" in ivr("migrate", "--back", "--yes", fails=3).stderr


def test_migration_without_space_for_the_copy_changes_nothing(
    ivr: Ivr, machine: EarlierMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(machine.data)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=machine.earlier_database.stat().st_size))
    before = machine.tree()
    assert "free space, then repeat it" in ivr("migrate", fails=5).stderr
    assert machine.tree() == before


def test_migrate_without_data_is_an_error(ivr: Ivr, tmp_path: Path) -> None:
    assert "contains no database" in ivr("migrate", fails=3).stderr
    assert not (tmp_path / "data").exists()
