"""How a page is read as a script."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.site.machine import CHECKOUT
from tests.site.page import FileEdit, TypedCommand, read_steps

SHOWN = ("name  acme", "...", "id    ... of ...")


@pytest.mark.parametrize(
    ("output", "is_shown"),
    [
        ("name  acme\nid    7 of 9\n", True),
        ("name  acme\nx\n\nid    7 of 9\n", True),
        ("name  acme  \nid    7 of 9", True),
        ("name  acme\nid    7\n", False),
        ("name  other\nid    7 of 9\n", False),
        ("name  acme\nid    7 of 9\nan error\n", False),
        ("", False),
    ],
)
def test_output_is_compared_line_by_line(output: str, is_shown: bool) -> None:
    assert TypedCommand("show", SHOWN).has_printed(output) is is_shown


def test_a_command_without_shown_output_prints_nothing() -> None:
    assert TypedCommand("true", ()).has_printed("")
    assert not TypedCommand("true", ()).has_printed("a warning\n")


def test_lines_are_added_at_the_end_of_their_section() -> None:
    edit = FileEdit("/etc/x.conf", {"[globals]": ["A=1"], "[new]": ["include => b"]})
    assert edit.applied_to("[globals]\nB=2\n[other]\nC=3\n") == (
        "[globals]\nB=2\nA=1\n[other]\nC=3\n\n[new]\ninclude => b\n"
    )


def test_commands_of_the_readme_are_on_the_tested_page() -> None:
    typed = {
        action.command
        for step in read_steps(CHECKOUT / "docs" / "install.md")
        for action in step.actions
        if isinstance(action, TypedCommand)
    }
    section = Path(CHECKOUT / "README.md").read_text().split("## Install\n")[1].split("\n## ")[0]
    inline = re.findall(r"`((?:apt|python3|/opt/ivr/bin/\w+|systemctl|asterisk|ivr) [^`]+|ivr doctor)`", section)
    block = [line.split("#")[0].strip() for line in section.splitlines() if line.startswith("       ivr ")]
    assert len(inline) + len(block) >= 10
    assert set(inline + block) - typed == set()
