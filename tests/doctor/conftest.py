"""A healthy installation, and a fake console with the output of Asterisk 22."""

from __future__ import annotations

import os
import re
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from ivr import __version__
from ivr.directory.models import Account, Endpoint, User
from ivr.doctor.asterisk import REQUIRED_MODULES
from ivr.doctor.console import ConsoleUnavailable
from ivr.doctor.doctor import run_checks
from ivr.doctor.installation import DatabaseSnapshot, HostInfo, Installation
from ivr.health.finding import Finding, Level
from ivr.mailbox.box_settings import BoxSettings
from ivr.settings import Settings
from tests.support.app_fixture import SOUNDS, FakeClock

SECRET = "c0ffee" * 10
REST_PORT = 8000
TODAY = 1_800_000_000
"""A day in January 2027."""
DIALPLAN_CHECK = """[ Context 'ivr-check' created by 'pbx_config' ]
  's' =>            1. Set(IVR_STATUS=)                            [extensions.conf:47]
     [done]         6. Return()                                   [extensions.conf:53]
-= 1 extension (6 priorities) in 1 context. =-
"""


@dataclass
class FakeConsole:
    """A fake console. `can_read` and `can_write`: the access of Asterisk to the data folder."""

    version: str = "Asterisk 22.10.1+dfsg+~cs6.17.60671434-1 built by root @ buildd on a unknown running Linux"
    modules: list[str] = field(default_factory=lambda: [*REQUIRED_MODULES, "res_convert"])
    variables: dict[str, str] = field(
        default_factory=lambda: {
            "IVR_SOUNDS_FOLDER": str(SOUNDS / "en"),
            "IVR_FASTAGI_ADDRESS": "127.0.0.1:4573",
            "IVR_SECRET": SECRET,
            "IVR_ACCOUNT": "",
            "IVR_DIALPLAN_VERSION": __version__,
        }
    )
    endpoints: dict[str, bool] = field(default_factory=lambda: {"alice-desk": True})
    contexts: dict[str, str] = field(default_factory=lambda: {"ivr-check": DIALPLAN_CHECK})
    can_read: bool = True
    can_write: bool = True
    can_read_prompts: bool = True
    takes_mode: int = 0o640
    """Mode of the recordings of Asterisk."""
    down: bool = False
    commands: list[str] = field(default_factory=list)

    def run_command(self, command: str) -> str:
        self.commands.append(command)
        if self.down:
            raise ConsoleUnavailable("Unable to connect to remote asterisk (does /run/asterisk/asterisk.ctl exist?)")
        match command.split():
            case ["core", "show", "version"]:
                return self.version
            case ["module", "show"]:
                head = "Module                         Description            Use Count  Status      Support Level\n"
                lines = (
                    f"{name + '.so':<30} {'Something of it':<40} 0          Running              core"
                    for name in self.modules
                )
                return head + "\n".join(lines) + f"\n{len(self.modules)} modules loaded\n"
            case ["dialplan", "show", "globals"]:
                return (
                    "".join(f"   {name}={value}\n" for name, value in self.variables.items()) + "    -- 4 variable(s)\n"
                )
            case ["dialplan", "show"]:
                return "\n".join(self.contexts.values())
            case ["dialplan", "show", context]:
                gone = f"There is no existence of '{context}' context\nCommand 'dialplan show {context}' failed.\n"
                return self.contexts.get(context, gone)
            case ["pjsip", "show", "endpoints"]:
                return "".join(self._endpoint(name, auth) for name, auth in self.endpoints.items())
            case ["file", "convert", *_]:
                source, target = re.findall(r'"(.*?)"', command)
                return self._convert(Path(source), Path(target))
            case ["manager", "show", "settings"] | ["http", "show", "status"]:
                return ""
        raise AssertionError(command)

    @staticmethod
    def _endpoint(name: str, auth: bool) -> str:
        lines = [f" Endpoint:  {name:<52} Unavailable   0 of inf", *([f"     InAuth:  {name}/{name}"] if auth else [])]
        return "\n".join([*lines, f"        Aor:  {name:<50} 5", "", ""])

    def _convert(self, source: Path, target: Path) -> str:
        is_prompt = source.is_relative_to(SOUNDS)
        if not (self.can_read_prompts if is_prompt else self.can_read) or not source.exists():
            return f"Unable to open input file: {source}\n"
        if not self.can_write:
            return f"Unable to open output file: {target}\n"
        shutil.copy(source, target)
        target.chmod(self.takes_mode)
        return f"Converted {source} to {target} in 0ms\n"


class DoctorFixture:
    """One installation. A test breaks something, then `assert_finding` expects the finding."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "takes").mkdir(parents=True)
        folder.chmod(0o2750)
        (folder / "takes").chmod(0o2770)
        (folder / "state").mkdir(mode=0o700)
        self.asterisk = FakeConsole()
        self._peers: list[socket.socket] = []
        self.asterisk.variables["IVR_TAKES_FOLDER"] = str(folder / "takes")
        self.settings: dict[str, Any] = {"asterisk": {"secret": SECRET}, "sounds": {"folder": SOUNDS}}
        self.config: Path | None = folder.parent / "ivr.toml"
        self.config.touch(0o640)
        self.host = HostInfo(
            clock=FakeClock(TODAY),
            free_bytes=lambda _: 2**40,
            find_program=lambda name: f"/usr/bin/{name}",
            connect=self._service,
            fetch_readiness=self._fetch_readiness,
            unit_properties=lambda _: {},
            missing_protection=lambda: "",
            find_asterisk_start=lambda: None,
        )
        self.readiness: dict[str, Any] = {
            "version": __version__,
            "data_folder": [folder.stat().st_dev, folder.stat().st_ino],
            "checks": {},
            "failing": [],
        }
        self.service: Callable[[], bytes] = lambda: b"SET VARIABLE IVR_STATUS SKIPPED\n"
        self.rest_response = True
        account = Account(id="a", name="demo", timezone="Europe/Berlin")
        self.record_counts: DatabaseSnapshot | None = DatabaseSnapshot(
            [account],
            [User(id="u", account_id="a", name="alice", timezone="America/New_York")],
            [BoxSettings(name="Alice", mailbox="1000", timezone="inherit")],
            [Endpoint(system="asterisk", name="alice-desk", account_id="a", user_id="u")],
            TODAY - 60,
        )

    def _service(self, host: str, port: int) -> socket.socket:
        if port == REST_PORT:
            if not self.rest_response:
                raise ConnectionRefusedError(111, "Connection refused")
            return socket.socket()
        response = self.service()
        ours, theirs = socket.socketpair()
        theirs.sendall(response) if response else theirs.shutdown(socket.SHUT_WR)
        self._peers.append(theirs)
        return ours

    def _fetch_readiness(self, settings: Settings) -> dict[str, Any]:
        if not self.rest_response:
            raise ConnectionRefusedError(111, "Connection refused")
        return self.readiness

    def chown_to_unprivileged_user(self) -> None:
        """Give the data folder to a user without the rights of root."""
        if os.geteuid() == 0:
            above = [path for path in self.folder.parents if path.is_relative_to(tempfile.gettempdir())]
            for path in (*above, self.folder):
                path.chmod(path.stat().st_mode | 0o055)
            for path in (self.folder, self.folder / "takes", self.folder / "state"):
                os.chown(path, 61002, 61000)
            self.folder.chmod(0o2750)

    def close(self) -> None:
        while self._peers:
            self._peers.pop().close()

    def change_host(self, **changes: Any) -> None:
        """Change what the checks read from the host."""
        self.host = replace(self.host, **changes)

    def change_records(self, **changes: Any) -> None:
        """Change the content of the database."""
        assert self.record_counts
        self.record_counts = replace(self.record_counts, **changes)

    def installation(self) -> Installation:
        settings = Settings(data={"folder": self.folder}, **self.settings)
        return Installation(settings, self.config, self.host, self.asterisk, self.record_counts)

    def findings(self) -> list[Finding]:
        return list(run_checks(self.installation()))

    def problems(self) -> list[Finding]:
        return [finding for finding in self.findings() if finding.level is not Level.OK]

    def assert_finding(self, text: str, remedy: str, level: Level = Level.PROBLEM) -> None:
        """Expect a finding with this text, remedy and level."""
        found = self.problems()
        fitting = [f for f in found if text in f.what and remedy in f.remedy and f.level is level]
        assert fitting, f"not said: {level} {text!r} with {remedy!r}; said: {found}"


@pytest.fixture
def doctor(tmp_path: Path) -> Iterator[DoctorFixture]:
    fixture = DoctorFixture(tmp_path / "data")
    yield fixture
    fixture.close()
