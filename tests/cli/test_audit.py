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
    entries = listed(populated_ivr)
    assert [(entry["action"], entry["subject"]) for entry in reversed(entries)][2:] == [
        ("exported", message["id"]),
        ("pin-set", ""),
        ("unlocked", ""),
        ("settings-changed", "require_pin"),
        ("token-created", token["id"]),
        ("token-revoked", token["id"]),
        ("deleted", message["id"]),
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
