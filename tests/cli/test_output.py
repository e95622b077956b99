"""A command that has done something says what: only silence means that nothing went wrong in a cron job."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Ivr, parse_json
from tests.cli.test_help import COMMANDS

SILENT = {
    ("serve",): "the service has a log",
    ("phone",): "a phone",
    ("demo",): "a phone",
    ("maintain",): "cron mails what a command prints",
}
PRINTING = ("echo(", "print_table(", "print_document(", "_print_", "ImportCommand(")
LEAVES = {path: found for path, found in COMMANDS.items() if not hasattr(found, "commands")}


def prints(callback: Any) -> bool:
    """Whether a command, or a function of its own module that it calls, prints something."""
    function = inspect.unwrap(callback)
    source = inspect.getsource(function)
    helpers = [value for name, value in vars(inspect.getmodule(function)).items() if f"{name}(" in source]
    sources = [source, *(inspect.getsource(one) for one in helpers if inspect.isfunction(one))]
    return any(word in text for text in sources for word in PRINTING)


@pytest.mark.parametrize("path", LEAVES, ids=" ".join)
def test_command_prints_something_or_is_silent_on_purpose(path: tuple[str, ...]) -> None:
    assert prints(LEAVES[path].callback) or path in SILENT


def test_change_is_printed(populated_ivr: Ivr, tmp_path: Path) -> None:
    """The commands that change or write something and print no document."""
    assert populated_ivr("account", "unlock", "demo").stdout == (
        "account demo is unlocked; its wrong PINs are counted from 0 again\n"
    )
    assert populated_ivr("box", "unlock", "1000").stdout == (
        "box 1000 is unlocked (it was not locked); its wrong PINs are counted from 0 again\n"
    )
    printed = populated_ivr("endpoint", "add", "alice-mobile", "alice", "--system", "branch").stdout
    assert printed == "phone alice-mobile on the Asterisk branch belongs to alice\n"


def test_exported_file_is_named(populated_ivr: Ivr, tmp_path: Path, hello: Path) -> None:
    message = parse_json(populated_ivr("message", "add", "1000", str(hello), "--json"))
    target = tmp_path / "message.wav"
    printed = populated_ivr("message", "export", "1000", message["id"], str(target)).stdout
    assert printed == f"message {message['id']} of box 1000 (1.0 s) is in {target}\n"
    populated_ivr("greeting", "set", "1000", "unavailable", str(hello))
    target = tmp_path / "greeting.wav"
    printed = populated_ivr("greeting", "export", "1000", "unavail", str(target)).stdout
    assert printed == f"the recording unavailable of box 1000 (1.0 s) is in {target}\n"


def test_message_is_marked(populated_ivr: Ivr, hello: Path) -> None:
    message = parse_json(populated_ivr("message", "add", "1000", str(hello), "--urgent", "--json"))
    assert message["urgent"] is True
    mark = ("message", "mark", "1000", message["id"])
    assert "nothing to change" in populated_ivr(*mark, fails=2).stderr
    marked = parse_json(populated_ivr(*mark, "--not-urgent", "--label", "Work", "--label", "Offers", "--json"))
    assert (marked["urgent"], marked["labels"]) == (False, ["Work", "Offers"])
    assert parse_json(populated_ivr(*mark, "--no-labels", "--json"))["labels"] == []
