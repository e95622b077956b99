"""`ivr import switch`: what it stores in Asterisk's database, and what it refuses. Calls: tests/asterisk/."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Ivr, ivr, parse_json
from tests.imports.spool_maker import SpoolMaker

__all__ = ["ivr"]

CONSOLE = """\
import pathlib, sys
command = sys.argv[-1].split()
database = pathlib.Path(sys.argv[0]).with_name("database")
database.mkdir(exist_ok=True)
if command[:2] == ["database", "put"]:
    (database / command[3]).write_text(command[4])
elif command[:2] == ["database", "del"]:
    (database / command[3]).unlink(missing_ok=True)
for entry in sorted(database.iterdir()) if command[1] == "show" else ():
    print(f"/ivr/moved/{entry.name:<40}: {entry.read_text():<25}")
print("2 results found.")
"""
"""Answers as Asterisk's console does, from files."""


@pytest.fixture
def maker(ivr: Ivr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SpoolMaker:
    maker = SpoolMaker(tmp_path / "pbx")
    maker.write_conf(
        "[default]\n2001 => 4716,Rosa Klein\n2002 => 58391,Sven\nabc => 4716,No Number\n[sales]\n2001 => 4716\n"
    )
    maker.message()
    (tmp_path / "console.py").write_text(CONSOLE)
    monkeypatch.setenv("IVR_ASTERISK__CONSOLE_COMMAND", f"{sys.executable} {tmp_path / 'console.py'}")
    ivr("account", "create", "demo")
    source = ("--conf", str(maker.conf), "--spool", str(maker.spool), "--context", "default=demo,sales=-")
    ivr("import", "app-voicemail", *source, fails=4)
    return maker


def test_switched_box_is_reached_here_and_back_in_app_voicemail(ivr: Ivr, maker: SpoolMaker) -> None:
    maker.message(voice=2)
    assert (
        "2001@default: callers reach ivr; 1 messages imported, 0 moved"
        in ivr("import", "switch", "2001@default").stdout
    )
    rows = {row["box"]: row for row in parse_json(ivr("import", "switch", "--json"))}
    assert rows["2001@default"] == {"box": "2001@default", "reached in": "ivr", "address": "2001@demo"}
    assert rows["2002@default"]["reached in"] == "app_voicemail"
    (new, *_) = parse_json(ivr("message", "list", "2001", "--json"))
    ivr("message", "move", "2001", new["id"], "saved")
    (maker.spool / "default" / "2001" / "tmp").mkdir()
    (maker.spool / "default" / "2001" / "tmp" / "abcdef.wav").touch()
    result = ivr("import", "switch", "2001@default", "--back")
    assert "2001@default: callers reach app_voicemail; 0 messages exported, 1 moved" in result.stdout
    assert "a message is being left in app_voicemail" in result.stderr
    assert len([*maker.spool.glob("default/2001/Old/*.txt")]) == 1
    assert {row["reached in"] for row in parse_json(ivr("import", "switch", "--json"))} == {"app_voicemail"}
    entries = parse_json(ivr("audit", "list", "--box", "2001", "--json"))
    recorded = [(entry["action"], entry["subject"]) for entry in reversed(entries)]
    assert recorded == [
        ("settings-changed", "callers reach ivr"),
        ("moved", new["id"]),
        ("settings-changed", "callers reach app_voicemail"),
        ("exported", ""),
    ]


@pytest.mark.parametrize(
    ("box", "code", "message"),
    [
        ("2001", 3, "there is no box 2001 in"),
        ("7777@default", 3, "there is no box 7777@default in"),
        ("abc@default", 4, "box abc@default was not imported yet"),
        ("--back", 2, "--back moves the boxes that are named"),
    ],
)
def test_box_that_cannot_move_is_named(ivr: Ivr, maker: SpoolMaker, box: str, code: int, message: str) -> None:
    boxes = [box] if box == "--back" else ["2002@default", box]
    assert message in ivr("import", "switch", *boxes, fails=code).stderr
    assert {row["address"] for row in parse_json(ivr("import", "switch", "--json"))} == {None}, "nothing half done"


def test_without_asterisk_nothing_is_switched(ivr: Ivr, maker: SpoolMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IVR_ASTERISK__CONSOLE_COMMAND", "/nonexistent/asterisk")
    assert "/nonexistent/asterisk -rx failed" in ivr("import", "switch", "2001@default", fails=1).stderr
    monkeypatch.setenv("IVR_ASTERISK__CONSOLE_COMMAND", "sh -c 'echo; exit 3'")
    assert "-rx ended with code 3" in ivr("import", "switch", "2001@default", fails=1).stderr
    monkeypatch.setenv("IVR_ASTERISK__CONSOLE_COMMAND", "true")
    assert "has not stored ivr/moved/2001@default" in ivr("import", "switch", "2001@default", fails=1).stderr


def test_box_whose_number_is_an_alias_of_another_is_not_switched(ivr: Ivr, maker: SpoolMaker) -> None:
    """Its callers would reach the other one."""
    with maker.conf.open("a") as conf:
        conf.write("[default](+)\n2005 => 4716\n")
    ivr("box", "create", "3000", "aliases=2005", "--pin", "47163")
    assert "box 2005@default was not imported yet" in ivr("import", "switch", "2005@default", fails=4).stderr
    assert {row["address"] for row in parse_json(ivr("import", "switch", "--json"))} == {None}
