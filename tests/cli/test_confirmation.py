"""Every command that deletes asks first; without a terminal it refuses and names --yes."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ivr.audio import wav
from tests.cli.conftest import Ivr, parse_json
from tests.cli.test_help import COMMANDS
from tests.support.service_site import Site

DELETING = {
    "account delete": "demo",
    "user delete": "alice",
    "endpoint remove": "alice-desk",
    "box delete": "1000",
    "message delete": "1000 MESSAGE",
    "token revoke": "TOKEN",
    "outbox drop": "TASK",
    "greeting remove": "1000 name",
    "purge": "",
    "pepper accept": "",
    "migrate": "--back",
    "person erase": "--user alice",
    "import undo": "IMPORT",
    "node remove": "NODE",
}
"""The commands that delete or replace something, with their arguments."""
HARMLESS = {
    "": "serve doctor install watch phone demo apply restore maintain move-store",
    "account": "create list show set unlock",
    "user": "create list show set",
    "endpoint": "add list secret",
    "box": "create list show set move export pin unlock restore",
    "greeting": "list show set export",
    "message": "add list show export move mark restore",
    "light": "show",
    "calls": "list show",
    "audit": "list",
    "token": "create list",
    "secret": "rotate",
    "pepper": "rotate list",
    "backup": "create list verify",
    "outbox": "list retry",
    "sounds": "build check",
    "person": "export",
    "import": "app-voicemail freepbx fusionpbx kazoo status switch verify",
    "export": "app-voicemail",
    "node": "list",
}
"""All other commands. `restore --replace` moves aside what is there; `apply` never deletes."""


def all_commands() -> dict[str, Any]:
    return {" ".join(path): found for path, found in COMMANDS.items() if not hasattr(found, "commands")}


def test_every_command_is_known_to_delete_or_not() -> None:
    """A new command is added to one of the two tables."""
    harmless = {f"{group} {name}".strip() for group, names in HARMLESS.items() for name in names.split()}
    assert all_commands().keys() == DELETING.keys() | harmless
    with_yes = {name for name, found in all_commands().items() if any("--yes" in one.opts for one in found.params)}
    assert with_yes == DELETING.keys()


@pytest.fixture
def filled_ivr(populated_ivr: Ivr, tmp_path: Path) -> Ivr:
    """An installation in which each of the commands has something to delete."""
    wav.write(tmp_path / "in.wav", bytes(8000))
    populated_ivr("message", "add", "1000", str(tmp_path / "in.wav"))
    populated_ivr("token", "create", "--label", "crm")
    populated_ivr("greeting", "set", "1000", "name", str(tmp_path / "in.wav"))
    (tmp_path / "voicemail.conf").write_text("[default]\n1001 => 4716\n")
    (tmp_path / "spool").mkdir()
    source = ("--conf", str(tmp_path / "voicemail.conf"), "--spool", str(tmp_path / "spool"))
    populated_ivr("import", "app-voicemail", *source, "--only", "messages")
    return populated_ivr


def words_of(ivr: Ivr, name: str) -> list[str]:
    """The command with ids in the place of the capital words."""
    ids: dict[str, Callable[[], str]] = {
        "MESSAGE": lambda: parse_json(ivr("message", "list", "1000", "--json"))[0]["id"],
        "TOKEN": lambda: parse_json(ivr("token", "list", "--json"))[0]["id"],
        "IMPORT": lambda: parse_json(ivr("import", "status", "--json"))[0]["run"],
        "NODE": lambda: (ivr("maintain"), parse_json(ivr("node", "list", "--json"))[0]["node"])[1],
        "TASK": lambda: str(parse_json(ivr("outbox", "list", "--json"))[0]["id"]),
    }
    return [*name.split(), *(ids[word]() if word in ids else word for word in DELETING[name].split())]


def content(folder: Path) -> list[str]:
    with closing(sqlite3.connect(folder / "state" / "ivr.db")) as connection:
        return list(connection.iterdump())


@pytest.mark.parametrize("name", [name for name in DELETING if name != "migrate"])
def test_without_a_terminal_nothing_is_deleted(filled_ivr: Ivr, tmp_path: Path, name: str) -> None:
    words = words_of(filled_ivr, name)
    before = content(tmp_path / "data")
    for answer in ("", "y\n"):
        error = filled_ivr(*words, fails=2, given=answer).stderr
        assert "repeat it with --yes" in error
    assert content(tmp_path / "data") == before
    filled_ivr(*words, "--yes", fails=4 if name == "account delete" else 0)  # It has users.
    assert content(tmp_path / "data") != before or name in ("purge", "account delete")


def test_what_was_deleted_is_named(filled_ivr: Ivr) -> None:
    [message] = parse_json(filled_ivr("message", "list", "1000", "--json"))
    deleted = filled_ivr("message", "delete", "1000", message["id"], "--yes").stdout
    assert f"'ivr message restore 1000 {message['id']}' brings it back" in deleted
    assert "(crm) is revoked" in filled_ivr(*words_of(filled_ivr, "token revoke"), "--yes").stdout
    assert "phone alice-desk is no longer assigned" in filled_ivr("endpoint", "remove", "alice-desk", "--yes").stdout
    assert "with 0 messages is deleted" in filled_ivr("box", "delete", "1000", "--yes").stdout
    assert "phones no longer assigned: 0" in filled_ivr("user", "delete", "alice", "--yes").stdout
    assert "account demo is deleted" in filled_ivr("account", "delete", "demo", "--yes").stdout


def test_terminal_is_asked_and_only_yes_deletes(site: Site) -> None:
    """At a terminal of its own, as an administrator types."""
    assert "Delete box 1000" in typed_at_terminal(site, "n\n", code=1)
    assert "1000" in site.ivr("box", "list").stdout
    typed_at_terminal(site, "y\n", code=0)
    assert "1000" not in site.ivr("box", "list").stdout


def typed_at_terminal(site: Site, answer: str, *, code: int) -> str:
    """Run `ivr box delete 1000` with a terminal as standard input; return what it prints."""
    master, slave = os.openpty()
    try:
        os.write(master, answer.encode())
        done = subprocess.run(
            [sys.executable, "-m", "ivr", "box", "delete", "1000"],
            stdin=slave, capture_output=True, text=True, check=False, timeout=60, env=site.environment,
        )  # fmt: skip
    finally:
        os.close(master)
        os.close(slave)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr
