"""The log of `ivr-agi` below an Asterisk without standard error, as Debian's unit starts it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import sys
from pathlib import Path
from ivr.service.agi_process import run
sys.exit(run(["leave"], syslog=Path(sys.argv[1])))
"""
ERROR = "ivr-agi: invalid settings"


def run_with_invalid_settings(syslog: Path, stderr: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, str(syslog)],
        input="agi_channel: PJSIP/x-1\n\n", stdout=subprocess.PIPE, stderr=stderr, text=True, check=False, timeout=60,
        env={**os.environ, "IVR_DATA__FOLDR": "x"},
    )  # fmt: skip


@pytest.fixture
def syslog(tmp_path: Path) -> socket.socket:
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    bound.bind(str(tmp_path / "log"))
    bound.settimeout(60)
    return bound


def test_log_goes_to_syslog_where_asterisk_has_no_standard_error(syslog: socket.socket, tmp_path: Path) -> None:
    assert run_with_invalid_settings(tmp_path / "log", subprocess.DEVNULL).returncode == 1
    first, second = syslog.recv(4096).decode(), syslog.recv(4096).decode()
    assert first.startswith("<30>ivr-agi[")
    assert ERROR in first
    assert "data.foldr: unknown setting" in second, "a line of its own"
    syslog.close()


def test_log_goes_to_standard_error_where_there_is_one(syslog: socket.socket, tmp_path: Path) -> None:
    assert ERROR in run_with_invalid_settings(tmp_path / "log", subprocess.PIPE).stderr
    syslog.setblocking(False)
    with pytest.raises(BlockingIOError):
        syslog.recv(4096)
    syslog.close()


def test_missing_syslog_is_no_error(tmp_path: Path) -> None:
    done = run_with_invalid_settings(tmp_path / "nothing", subprocess.DEVNULL)
    assert (done.returncode, done.stdout) == (1, "")
