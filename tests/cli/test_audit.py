"""`ivr audit`: what commands record, and the filters of the list."""

from __future__ import annotations

import getpass
import json
import os
from pathlib import Path
from typing import Any

import pytest

from ivr.audio import wav
from tests.cli.conftest import Ivr


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
    assert [entry["action"] for entry in listed(populated_ivr, "--message", message["id"])] == ["deleted", "exported"]
    assert [entry["box"] for entry in listed(populated_ivr, "--action", "pin-set", "--box", "1000")] == ["1000"] * 2
    assert listed(populated_ivr, "--user", "alice") == []
    assert listed(populated_ivr, "--until", "2h") == []
    assert len(listed(populated_ivr, "--since", "2h", "--limit", "3")) == 3


def test_deleted_box_keeps_its_entries(populated_ivr: Ivr) -> None:
    [box] = json.loads(populated_ivr("box", "list", "--json").stdout)
    populated_ivr("box", "delete", "1000", "--yes")
    assert listed(populated_ivr, "--box", box["id"])[0]["action"] == "deleted"


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
