"""Exit codes are documented on the page and in the manual, and are what commands exit with."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ivr.cli.support import EXIT_CODES, EXIT_STATUS
from tests.cli.conftest import Ivr
from tests.support.service_site import Site

PAGE = Path(__file__).parents[2] / "docs" / "operations.md"


def test_page_has_every_exit_code() -> None:
    section = PAGE.read_text().partition("## Exit codes")[2].partition("\n## ")[0]
    assert {int(code): text for code, text in re.findall(r"^\| (\d+) \| (.*) \|$", section, re.M)} == EXIT_STATUS
    assert {code for _, code in EXIT_CODES} <= EXIT_STATUS.keys()


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("box list", 0),
        ("doctor", 1),
        ("message add 1000 /nowhere.wav", 3),
        ("box list --colour", 2),
        ("box set 1000 quota_mb=many", 2),
        ("box delete 1000", 2),
        ("box show 4711", 3),
        ("message show 1000 nothing", 3),
        ("user create alice", 4),
        ("account delete demo --yes", 4),
    ],
)
def test_command_exits_with_the_code_of_its_kind(populated_ivr: Ivr, words: str, code: int) -> None:
    populated_ivr(*words.split(), fails=code)


def test_data_that_cannot_be_read_exits_with_5(populated_ivr: Ivr, tmp_path: Path) -> None:
    (tmp_path / "data" / "state" / "ivr.db").write_bytes(b"not a database" * 100)
    populated_ivr("box", "list", fails=5)


def test_interrupted_command_exits_with_130(site: Site) -> None:
    master, slave = os.openpty()
    watching = subprocess.Popen(
        [sys.executable, "-m", "ivr", "watch"], stdout=slave, stderr=subprocess.PIPE, env=site.environment
    )
    try:
        os.close(slave)
        os.read(master, 1)  # It shows something, or has ended: then the read fails.
        watching.send_signal(signal.SIGINT)
        _, errors = watching.communicate(timeout=60)
    finally:
        watching.kill()
        os.close(master)
    assert (watching.returncode, errors) == (130, b"")
