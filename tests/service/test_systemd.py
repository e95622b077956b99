"""Notifications to systemd, received on a socket as systemd has one; and reload by SIGHUP."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ivr.service.systemd import ServiceManager

TIMEOUT_S = 30.0


@pytest.fixture
def notify_socket(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(tmp_path / "notify"))
        receiver.settimeout(TIMEOUT_S)
        yield receiver


async def test_ready_watchdog_and_stop_are_reported(notify_socket: socket.socket) -> None:
    environment = {"NOTIFY_SOCKET": notify_socket.getsockname(), "WATCHDOG_USEC": "30000", "WATCHDOG_PID": "7"}
    manager = ServiceManager.from_environment(environment, pid=7)
    manager.notify_ready("agi://127.0.0.1:4573/")
    received = [await asyncio.to_thread(notify_socket.recv, 1000) for _ in range(3)]
    assert received == [b"READY=1\nSTATUS=agi://127.0.0.1:4573/", b"WATCHDOG=1", b"WATCHDOG=1"]
    manager.notify_stopping()
    while (message := await asyncio.to_thread(notify_socket.recv, 1000)) == b"WATCHDOG=1":
        pass
    assert message == b"STOPPING=1"


@pytest.mark.parametrize("period_us", ["", "0", "soon", "30000000"])
async def test_watchdog_of_another_process_or_without_period_gets_no_ping(
    period_us: str, notify_socket: socket.socket
) -> None:
    environment = {"NOTIFY_SOCKET": notify_socket.getsockname(), "WATCHDOG_USEC": period_us, "WATCHDOG_PID": "8"}
    manager = ServiceManager.from_environment(environment, pid=7)
    manager.notify_ready("ready")
    await asyncio.sleep(0)
    manager.notify_stopping()
    assert [notify_socket.recv(1000) for _ in range(2)] == [b"READY=1\nSTATUS=ready", b"STOPPING=1"]


async def test_without_a_service_manager_nothing_is_sent(tmp_path: Path) -> None:
    ServiceManager.from_environment({}, pid=7).notify_ready("ready")
    ServiceManager(str(tmp_path / "missing")).notify_ready("ready")


def test_service_reports_ready_and_reloads_its_log_settings(notify_socket: socket.socket, tmp_path: Path) -> None:
    config = tmp_path / "ivr.toml"
    tmp_path.chmod(0o755)
    settings = f'[data]\nfolder = "{tmp_path / "data"}"\n[fastagi]\nport = 0\n[api]\nport = 0\n'
    config.write_text(f"{settings}[log]\njson_lines = false\n")
    environment = {
        "PATH": os.environ["PATH"], "IVR_CONFIG": str(config), "NOTIFY_SOCKET": notify_socket.getsockname(),
        "WATCHDOG_USEC": "90000",
    }  # fmt: skip
    log = tmp_path / "log"
    with (
        log.open("wb") as log_file,
        subprocess.Popen(
            [sys.executable, "-m", "ivr", "serve"], env=environment, stdout=subprocess.DEVNULL, stderr=log_file
        ) as service,
    ):
        assert re.fullmatch(rb"READY=1\nSTATUS=agi://127.0.0.1:\d+/, http://.*", notify_socket.recv(1000))
        config.write_text(f"{settings}[log]\njson_lines = true\n[metrics]\nport = 9199\n")
        service.send_signal(signal.SIGHUP)
        await_line(log, notify_socket, '"event": "settings.restart_needed"')
        config.write_text("[log\n")
        service.send_signal(signal.SIGHUP)
        await_line(log, notify_socket, '"event": "settings.invalid"')
        service.send_signal(signal.SIGTERM)
        assert service.wait(TIMEOUT_S) == 0
    assert '"sections": ["metrics"]' in log.read_text()


def await_line(log: Path, notify_socket: socket.socket, text: str) -> None:
    """Wait for a line of the log, one watchdog ping after another."""
    while text not in log.read_text():
        assert notify_socket.recv(1000) == b"WATCHDOG=1"
