"""`ivr audit`: what commands record, and the filters of the list."""

from __future__ import annotations

import getpass
import json
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ivr.audio import wav
from tests.cli.conftest import Ivr, parse_json
from tests.cli.test_confirmation import all_commands


def listed(ivr: Ivr, *words: str) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = json.loads(ivr("audit", "list", "--json", *words).stdout)
    return entries


def test_commands_are_recorded_and_listed(populated_ivr: Ivr, tmp_path: Path) -> None:
    wav.write(tmp_path / "hello.wav", b"\x10\x20" * 8000)
    populated_ivr("message", "add", "1000", str(tmp_path / "hello.wav"))
    [message] = json.loads(populated_ivr("message", "list", "1000", "--json").stdout)
    populated_ivr("message", "export", "1000", message["id"], str(tmp_path / "out.wav"))
    populated_ivr("box", "pin", "1000", given="739104\n")
    populated_ivr("box", "unlock", "1000")
    populated_ivr("box", "set", "1000", "require_pin=true")
    token = json.loads(populated_ivr("token", "create", "--json").stdout)
    populated_ivr("token", "revoke", token["id"], "--yes")
    populated_ivr("message", "delete", "1000", message["id"], "--yes")
    populated_ivr("backup", str(tmp_path / "backups"))
    entries = listed(populated_ivr)
    recorded = [(entry["action"], entry["subject"]) for entry in reversed(entries)]
    assert recorded[recorded.index(("exported", message["id"])) :] == [
        ("exported", message["id"]),
        ("pin-set", ""),
        ("unlocked", ""),
        ("settings-changed", "require_pin"),
        ("token-created", token["id"]),
        ("token-revoked", token["id"]),
        ("deleted", message["id"]),
        ("exported", "backup"),
    ]
    assert {(entry["door"], entry["proof"]) for entry in entries} == {("command", "login")}
    assert "739104" not in json.dumps(entries)
    assert token["token"] not in json.dumps(entries)
    assert [entry["action"] for entry in listed(populated_ivr, "--message", message["id"])] == [
        "deleted",
        "exported",
        "added",
    ]
    assert [entry["box"] for entry in listed(populated_ivr, "--action", "pin-set", "--box", "1000")] == ["1000"] * 2
    assert listed(populated_ivr, "--user", "alice") == []
    assert listed(populated_ivr, "--until", "2h") == []
    assert len(listed(populated_ivr, "--since", "2h", "--limit", "3")) == 3


def test_deleted_box_keeps_its_entries(populated_ivr: Ivr) -> None:
    [box] = json.loads(populated_ivr("box", "list", "--json").stdout)
    populated_ivr("box", "delete", "1000", "--yes")
    assert listed(populated_ivr, "--box", box["id"])[0]["action"] == "deleted"


def test_filters_that_no_entry_can_have_are_refused(populated_ivr: Ivr) -> None:
    """An empty list would be read as "it was never heard"."""
    for message in ("202611", "xyz"):
        assert "not the id of a message" in populated_ivr("audit", "list", "--message", message, fails=2).output
    assert "no user 'alicia'" in populated_ivr("audit", "list", "--user", "alicia", fails=3).output
    assert listed(populated_ivr, "--user", "alice") == []


def test_unknown_action_is_refused(populated_ivr: Ivr) -> None:
    assert "settings-changed" in populated_ivr("audit", "list", "--action", "looked", fails=2).output


def test_user_without_name_is_recorded_by_number(populated_ivr: Ivr, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_name() -> str:
        raise KeyError("getpwuid(): uid not found: 61002")

    monkeypatch.delenv("SUDO_USER", raising=False)
    monkeypatch.setattr(getpass, "getuser", no_name)
    populated_ivr("box", "set", "1000", "require_pin=true")
    assert listed(populated_ivr)[0]["user"] == f"uid {os.getuid()}"


def test_changes_of_users_phones_and_greetings_are_recorded_without_values(populated_ivr: Ivr, tmp_path: Path) -> None:
    ivr = populated_ivr
    wav.write(tmp_path / "hello.wav", b"\x10\x20" * 8000)
    alice = json.loads(ivr("user", "show", "alice", "--json").stdout)["id"]
    before = len(listed(ivr))
    ivr(
        "user", "set", "alice", "email=alice@new.example", "--username", "login-of-alice", "--password", "correct horse"
    )
    ivr("endpoint", "remove", "alice-desk", "--yes")
    ivr("endpoint", "add", "alice-mobile", "alice")
    ivr("greeting", "set", "1000", "unavailable", str(tmp_path / "hello.wav"))
    ivr("greeting", "export", "1000", "unavailable", str(tmp_path / "out.wav"))
    ivr("greeting", "remove", "1000", "unavailable", "--yes")
    ivr("user", "delete", "alice", "--yes")
    entries = listed(ivr)[:-before]
    assert [(entry["action"], entry["subject"]) for entry in reversed(entries)] == [
        ("settings-changed", f"user {alice}: password, username"),
        ("settings-changed", f"user {alice}: email"),
        ("settings-changed", f"user {alice}: phones"),
        ("settings-changed", f"user {alice}: phones"),
        ("settings-changed", "media.unavailable"),
        ("exported", "media.unavailable"),
        ("settings-changed", "media.unavailable"),
        ("deleted", f"user {alice}"),
    ]
    for value in ("new.example", "login-of-alice", "correct horse", "alice-mobile", "alice-desk"):
        assert value not in json.dumps(entries)


def test_people_file_is_recorded_by_account_user_mailbox_and_pin(populated_ivr: Ivr, tmp_path: Path) -> None:
    people = tmp_path / "people.csv"
    people.write_text(
        "name,email,endpoints,mailbox,pin,require_pin\n"
        "alice,alice@new.example,alice-desk,1000,,true\n"
        "bob,,bob-desk,1001,739104,\n"
    )
    before = len(listed(populated_ivr))
    populated_ivr("apply", str(people), "--dry-run")
    assert len(listed(populated_ivr)) == before
    populated_ivr("apply", str(people))
    populated_ivr("apply", str(people))
    entries = listed(populated_ivr)[:-before]
    ids = {user["name"]: user["id"] for user in json.loads(populated_ivr("user", "list", "--json").stdout)}
    assert sorted((entry["box"] or "", entry["action"], entry["subject"]) for entry in entries) == sorted(
        [
            ("", "settings-changed", f"user {ids['alice']}: email"),
            ("", "settings-changed", f"user {ids['bob']}: created"),
            ("", "settings-changed", f"user {ids['bob']}: phones"),
            ("1000", "settings-changed", "mailbox, owner_id, require_pin"),
            ("1001", "settings-changed", "mailbox, owner_id"),
            ("1001", "pin-set", ""),
        ]
    )
    assert "739104" not in json.dumps(entries)


CHANGING = {
    "account create": "other",
    "account set": "demo timezone=Europe/Oslo",
    "account unlock": "demo",
    "account delete": "other --yes",
    "user create": "bob -a demo",
    "user set": "bob email=bob@demo.example",
    "endpoint add": "bob-desk bob",
    "endpoint secret": "bob-desk",
    "endpoint remove": "bob-desk --yes",
    "user delete": "bob --yes",
    "box create": "1001",
    "box set": "1001 require_pin=true",
    "box move": "1001 --owner alice",
    "box pin": "1001 --generate",
    "box unlock": "1001",
    "box export": "1001 FOLDER/box.zip",
    "box delete": "1001 --yes",
    "box restore": "1001",
    "greeting set": "1000 name AUDIO",
    "greeting export": "1000 name FOLDER/name.wav",
    "greeting remove": "1000 name --yes",
    "message add": "1000 AUDIO",
    "message move": "1000 MESSAGE saved",
    "message mark": "1000 MESSAGE --urgent",
    "message export": "1000 MESSAGE FOLDER/out.wav",
    "message delete": "1000 MESSAGE --yes",
    "message restore": "1000 GONE",
    "purge": "--yes",
    "token create": "--label crm",
    "token revoke": "TOKEN --yes",
    "outbox retry": "TASK",
    "outbox drop": "TASK --yes",
    "person export": "FOLDER/alice.zip --user alice",
    "person erase": "--user alice --yes",
    "apply": "PEOPLE",
    "import app-voicemail": "--conf FOLDER/voicemail.conf --spool FOLDER/spool --only messages",
    "import freepbx": "--conf FOLDER/voicemail.conf --spool FOLDER/spool --only messages",
    "import undo": "IMPORT --yes",
    "export app-voicemail": "--spool FOLDER/spool --context demo=default",
    "node remove": "NODE --yes",
    "pepper rotate": "",
    "pepper accept": "--yes",
    "secret rotate": "asterisk --root FOLDER/machine",
    "backup create": "FOLDER/backups",
    "restore": "FOLDER/backups --replace --root FOLDER/machine --user root",
}
"""The commands that change something or let something out, in an order in which each finds its object."""
SHOWING = {
    "": "doctor watch",
    "account": "list show",
    "user": "list show",
    "endpoint": "list",
    "box": "list show",
    "greeting": "list show",
    "message": "list show",
    "light": "show",
    "calls": "list show",
    "audit": "list",
    "token": "list",
    "pepper": "list",
    "backup": "list verify",
    "outbox": "list",
    "import": "status verify",
    "node": "list",
    "sounds": "check",
}
NOT_RECORDED = {
    "serve": "the service records what is done through it",
    "phone": "a call",
    "demo": "a call",
    "maintain": "what the service does by itself",
    "install": "changes the machine, also before there is a database; it prints each step",
    "sounds build": "recordings of the prompts, which belong to the program",
    "move-store": "recorded in the moved rows: tests/cli/test_move_store.py",
    "migrate": "recorded in the migrated database: tests/upgrade/test_data_folder_upgrade.py",
    "import fusionpbx": "recorded as every import: tests/imports/test_fusionpbx.py",
    "import kazoo": "recorded as every import: tests/imports/test_kazoo.py",
    "import switch": "recorded for each box: tests/imports/test_switch.py",
}


def test_every_command_that_changes_something_leaves_an_entry(populated_ivr: Ivr, tmp_path: Path) -> None:
    """A new command is added to one of the three tables."""
    showing = {f"{group} {name}".strip() for group, names in SHOWING.items() for name in names.split()}
    assert all_commands().keys() == CHANGING.keys() | showing | NOT_RECORDED.keys()
    ivr = populated_ivr
    wav.write(tmp_path / "hello.wav", b"\x10\x20" * 8000)
    (tmp_path / "people.csv").write_text("name,mailbox\ncarol,1002\n")
    (tmp_path / "voicemail.conf").write_text("[default]\n1002 => 4716\n")
    (tmp_path / "spool").mkdir()
    (tmp_path / "machine/etc/asterisk/ivr").mkdir(parents=True)
    ids: dict[str, Callable[[], str]] = {
        "AUDIO": lambda: str(tmp_path / "hello.wav"),
        "PEOPLE": lambda: str(tmp_path / "people.csv"),
        "MESSAGE": lambda: parse_json(ivr("message", "list", "1000", "--json"))[0]["id"],
        "GONE": lambda: parse_json(ivr("message", "list", "1000", "--gone", "--json"))[0]["id"],
        "TOKEN": lambda: parse_json(ivr("token", "list", "--json"))[0]["id"],
        "IMPORT": lambda: parse_json(ivr("import", "status", "--json"))[0]["run"],
        "NODE": lambda: (ivr("maintain"), parse_json(ivr("node", "list", "--json"))[0]["node"])[1],
        "TASK": lambda: str(parse_json(ivr("outbox", "list", "--json"))[0]["id"]),
    }
    silent = []
    for name, words in CHANGING.items():
        if name == "purge":
            ivr("message", "delete", "1000", ids["MESSAGE"](), "--yes")
            _age_deleted_messages(tmp_path)
        if name == "secret rotate":
            (secret,) = (path.read_text() for path in tmp_path.glob("data/state/asterisk-secret"))
            (tmp_path / "machine/etc/asterisk/ivr/secret.conf").write_text(f"IVR_SECRET => {secret}\n")
        arguments = [ids[word]() if word in ids else word.replace("FOLDER", str(tmp_path)) for word in words.split()]
        before = _entries(tmp_path)
        ivr(*name.removesuffix(" create").split() if name.startswith("backup") else name.split(), *arguments)
        if not _entries(tmp_path) - before:
            silent.append(name)
    assert silent == []


def _entries(folder: Path) -> set[tuple[int, str]]:
    with closing(sqlite3.connect(folder / "data" / "state" / "ivr.db")) as connection:
        return set(connection.execute("SELECT id, action FROM audit"))


def _age_deleted_messages(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "data" / "state" / "ivr.db", isolation_level=None)) as connection:
        assert connection.execute("UPDATE messages SET deleted_at = 1 WHERE deleted_at IS NOT NULL").rowcount
