"""docs/operations.md is true: all its commands run in order, on a machine with the service, and print what it shows.

On the same machine run the commands that the pages for administrators have in sentences and tables.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from ivr.audio import wav
from tests.site.machine import CHECKOUT
from tests.site.page import ANY, PROGRAMS, TypedCommand, read_commands, read_written_commands
from tests.site.private_machine import follow_page

DOCS = CHECKOUT / "docs"
PAGE = DOCS / "operations.md"
TROUBLESHOOTING = DOCS / "troubleshooting.md"
PAGES = (DOCS / "install.md", PAGE, DOCS / "upgrading.md", TROUBLESHOOTING)
HERE = {
    "NUMBER": "1000", "ID": "$CALL", "NAME": "demo", "PHONE USER": "bob-desk bob", "FOLDER": "/var/backups/ivr",
    "CHANNEL": "PJSIP/alice-desk-00000001",
    "pepper accept": "pepper accept --yes",
}  # fmt: skip
"""What stands for the words of the pages that differ from site to site, and for an answer at the terminal."""
BACK_TO_THE_USUAL_FOLDER = (
    "systemctl stop ivr.socket ivr; sed -i 's|/srv/ivr|/var/lib/ivr|' /etc/ivr/ivr.toml; systemctl start ivr"
)
"""The page has moved the data folder. The other pages name the usual one."""
NO_COMMANDS = {"time zones", "service late"}
"""A check of the doctor, and an entry in the record of a call, that begin like a program."""
ELSEWHERE = {
    "make test-install": ("Makefile", "tests/site/test_install_page.py"),
    "pip wheel .": ("tests/qa/test_wheel.py", '"wheel", "--no-deps"'),
    "promtool test rules ivr-alerts-test.yml": ("tests/monitoring/test_monitoring_files.py", '"test", "rules"'),
}
"""Commands that need what the machine does not have: {command: (file, its words there)}."""


def test_commands_of_the_operations_page_print_what_it_shows(tmp_path: Path) -> None:
    wav.write(tmp_path / "hello.wav", b"\x10\x20" * 16_000)
    further = [TypedCommand(line, (ANY,)) for line in (BACK_TO_THE_USUAL_FOLDER, *other_commands())]
    assert len(further) > 15
    assert follow_page(PAGE, PREPARATION.format(folder=tmp_path), tmp_path, further) > 15 + len(further)


@pytest.mark.parametrize("name", re.findall(r"`journalctl [^`|]+\| grep ([^`]+)`", TROUBLESHOOTING.read_text()))
def test_what_the_page_looks_for_in_the_log_is_the_name_of_an_event(name: str) -> None:
    sources = "".join(path.read_text() for path in (CHECKOUT / "ivr").rglob("*.py"))
    for word in name.replace("-e ", "").split():
        assert re.search(rf'log\.\w+\(\s*"[\w.]*{re.escape(word)}', sources), word


def other_commands() -> list[str]:
    """The commands of all pages that no test of a page and no broken installation runs."""
    followed = [typed.command for page in PAGES for typed in read_commands(page)]
    run = {*followed, *PREPARATION.splitlines(), *map(at_this_site, doctor_commands()), *ELSEWHERE}
    written = dict.fromkeys(at_this_site(line) for page in PAGES for line in read_written_commands(page))
    return [line for line in written if not any(f"{one} ".startswith(f"{line} ") for one in run)]


def at_this_site(line: str) -> str:
    for word, here in HERE.items():
        line = re.sub(rf"\b{word}\b", here, line)
    return line


def doctor_commands() -> list[str]:
    """The commands that `ivr doctor` prints: tests/doctor/cases has a broken installation for each."""
    section = TROUBLESHOOTING.read_text().split("## What `ivr doctor` says")[1].split("\n## ")[0]
    return re.findall(r"^\|.*\| `([^`]+)` \|$", section, re.MULTILINE)


def test_each_program_in_code_of_the_pages_is_known_as_one() -> None:
    for page in PAGES:
        for code in re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)):
            first, *further = code.split()
            if further and code not in NO_COMMANDS and shutil.which(first):
                assert first.rpartition("/")[2] in PROGRAMS, f"{page.name}: {code}"


@pytest.mark.parametrize("command", ELSEWHERE)
def test_command_that_runs_elsewhere_is_there(command: str) -> None:
    file, words = ELSEWHERE[command]
    assert words in (CHECKOUT / file).read_text()
    assert any(command in page.read_text() for page in PAGES), "no page has it any more"


PREPARATION = """
mkdir -p /etc/asterisk/manager.d
printf '[general]\\nenabled = yes\\n#include "manager.d/*.conf"\\n' > /etc/asterisk/manager.conf
ivr install
ivr account create demo
systemctl start ivr
ivr user create alice
ivr user create bob
ivr endpoint add alice-desk alice
echo 4716 | ivr box create 1000 --owner alice --pin - is_setup=true
ivr message add 1000 {folder}/hello.wav
cp {folder}/hello.wav /var/lib/holiday.wav
mkdir -p /opt/ivr/share/ivr/sounds
echo h | ivr phone 1000 --stranger --fast
ivr purge --confirm-clock --yes
"""
