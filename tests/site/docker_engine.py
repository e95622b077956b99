"""A Docker engine for one test."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.site.machine import CHECKOUT

READY_TIMEOUT_S = 60.0
TABLES = ("filter", "nat")


class DockerEngine:
    """A Docker engine of its own, with its images in a temporary folder, to be used with `with`. It leaves nothing."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="ivr-docker-", dir="/var/tmp"))
        self._environment = {**os.environ, "DOCKER_HOST": f"unix://{self._folder}/socket"}
        self._process: subprocess.Popen[bytes] | None = None
        self._is_first = not any(_firewall_rules(table) for table in TABLES)

    def __enter__(self) -> DockerEngine:
        options = [
            f"--data-root={self._folder}/data",
            f"--exec-root={self._folder}/exec",
            f"--pidfile={self._folder}/pid",
            "--bridge=none",
        ]
        with (self._folder / "log").open("wb") as log:
            command = ["dockerd", *options, "-H", self._environment["DOCKER_HOST"]]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            wait_for(lambda: (self._folder / "socket").exists() and self.run("docker info"), READY_TIMEOUT_S)
        except TimeoutError:
            self.__exit__()
            pytest.skip(f"no Docker engine can run here: {(self._folder / 'log').read_text()[-300:]}")
        return self

    def __exit__(self, *_: object) -> None:
        if self._process:
            self._process.terminate()
            self._process.wait()
        for mounted in self._folder.glob("exec/netns/*"):
            subprocess.run(["umount", "-q", str(mounted)], check=False)
        if self._is_first:
            _remove_firewall_rules()
        shutil.rmtree(self._folder, ignore_errors=True)

    def run(self, line: str) -> str:
        """Run a command that asks the engine. Raises `AssertionError` with what it printed."""
        done = subprocess.run(
            shlex.split(line), capture_output=True, text=True, check=False, cwd=CHECKOUT, env=self._environment
        )
        assert done.returncode == 0, f"{line}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
        return done.stdout


def _firewall_rules(table: str) -> list[str]:
    """Return the rules and chains of Docker in a table."""
    listed = subprocess.run(["iptables", "-t", table, "-S"], capture_output=True, text=True, check=False).stdout
    return [line for line in listed.splitlines() if "DOCKER" in line]


def _remove_firewall_rules() -> None:
    for table in TABLES:
        rules = _firewall_rules(table)
        chains = [rule.split()[1] for rule in rules if rule.startswith("-N ")]
        edits = [["-D", *shlex.split(rule)[1:]] for rule in rules if rule.startswith("-A ")]
        for edit in (*edits, *(["-X", chain] for chain in chains)):
            subprocess.run(["iptables", "-t", table, *edit], check=False)


def wait_for(condition: Callable[[], object], timeout_s: float) -> None:
    """Wait until a condition is true. Raises `TimeoutError`."""
    deadline = time.monotonic() + timeout_s
    while True:
        with suppress(AssertionError):
            if condition():
                return
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.5)
