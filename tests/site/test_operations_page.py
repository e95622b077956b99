"""docs/operations.md is true: all its commands run in order, on a machine with the service, and print what it shows.

On the same machine run the commands that docs/troubleshooting.md names for alerts and for reports of problems.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ivr.audio import wav
from tests.site.machine import CHECKOUT
from tests.site.page import ANY, TypedCommand, read_mentioned_commands
from tests.site.private_machine import follow_page

PAGE = CHECKOUT / "docs" / "operations.md"
TROUBLESHOOTING = CHECKOUT / "docs" / "troubleshooting.md"
OF_THIS_MACHINE = {"NUMBER": "1000", "ID": "$CALL"}
"""What stands for the words of the page that differ from site to site."""


def test_commands_of_the_operations_page_print_what_it_shows(tmp_path: Path) -> None:
    wav.write(tmp_path / "hello.wav", b"\x10\x20" * 16_000)
    alerts = commands_of_troubleshooting()
    assert len(alerts) > 15
    assert follow_page(PAGE, PREPARATION.format(folder=tmp_path), tmp_path, alerts) > 15 + len(alerts)


@pytest.mark.parametrize("name", re.findall(r"`journalctl [^`|]+\| grep ([^`]+)`", TROUBLESHOOTING.read_text()))
def test_what_the_page_looks_for_in_the_log_is_the_name_of_an_event(name: str) -> None:
    sources = "".join(path.read_text() for path in (CHECKOUT / "ivr").rglob("*.py"))
    for word in name.replace("-e ", "").split():
        assert re.search(rf'log\.\w+\(\s*"[\w.]*{re.escape(word)}', sources), word


def commands_of_troubleshooting() -> list[TypedCommand]:
    """The commands of sections in which each is right for a site without the problem, too."""
    lines = [
        line for title in ("Alerts", "Report a problem") for line in read_mentioned_commands(TROUBLESHOOTING, title)
    ]
    for word, here in OF_THIS_MACHINE.items():
        lines = [re.sub(rf"\b{word}\b", here, line) for line in lines]
    return [TypedCommand(line, (ANY,)) for line in lines]


PREPARATION = """
ivr install
ivr account create demo
systemctl start ivr
ivr user create alice
ivr user create bob
ivr endpoint add alice-desk alice
ivr box create 1000 --owner alice --pin 4716 is_setup=true
ivr message add 1000 {folder}/hello.wav
cp {folder}/hello.wav /var/lib/holiday.wav
echo h | ivr phone 1000 --stranger --fast
sed -i 's/^# \\(\\[ami\\]\\|secret = \\)/\\1/' /etc/ivr/ivr.toml
"""
