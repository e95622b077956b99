"""An installation that is used by commands and by a service in processes of their own, over real sockets."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.free_port import free_port

IVR = [sys.executable, "-m", "ivr"]
SOURCE_TREE = Path(__file__).parents[2]
TIMEOUT_S = 60.0


@dataclass
class Site:
    """An installation in `folder` with the account demo, alice with a phone, and box 1000."""

    folder: Path
    environment: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        port = free_port()
        self.environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(SOURCE_TREE),
            "LANG": "C.UTF-8",
            "IVR_DATA__FOLDER": str(self.folder),
            "IVR_DATA__FSYNC": "false",
            "IVR_PINS__BCRYPT_COST": "4",
            "IVR_API__PORT": "0",
            "IVR_FASTAGI__PORT": str(port),
        }

    def ivr(self, *words: str, fails: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [*IVR, *words], env=self.environment, capture_output=True, text=True, check=False, timeout=TIMEOUT_S
        )
        assert done.returncode == fails, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
        assert "Traceback" not in done.stderr
        return done

    def create(self) -> Site:
        self.ivr("account", "create", "demo")
        self.ivr("user", "create", "alice")
        self.ivr("endpoint", "add", "alice", "alice")
        self.ivr("box", "create", "1000", "--owner", "alice", "--pin", "4716", "is_setup=true")
        return self

    @contextmanager
    def service(self) -> Iterator[Service]:
        process = subprocess.Popen(
            [*IVR, "serve"], env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert process.stdout
        process.stdout.readline()
        service = Service(self, process, process.stdout.readline().split()[-1])
        try:
            yield service
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(TIMEOUT_S)
            process.stdout.close()

    def recording(self, message_id: str) -> bytes:
        [path] = self.folder.glob(f"*/vm/{message_id}.wav")
        return path.read_bytes()


@dataclass
class Service:
    site: Site
    process: subprocess.Popen[str]
    url: str
    token: str = ""

    def request(self, method: str, path: str, body: bytes | None = None, content_type: str = "application/json") -> Any:
        if not self.token:
            created = json.loads(self.site.ivr("token", "create", "--json").stdout)
            self.token, self.account = created["token"], created["account_id"]
        request = urllib.request.Request(
            f"{self.url}/v2/accounts/{self.account}/{path}", body, method=method,
            headers={"X-Auth-Token": self.token, "Content-Type": content_type, "Accept": "audio/x-wav"},
        )  # fmt: skip
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
            content = response.read()
        return (
            json.loads(content)["data"] if response.headers["Content-Type"].startswith("application/json") else content
        )
