"""An installation without a service: `ivr-agi` is started for each call, with a peer that behaves as Asterisk does."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from ivr.clock import SystemClock
from ivr.terminal.fake_asterisk import AgiRequest, FakeAsterisk, Handset
from tests.call.conftest import SECRET
from tests.support.app_fixture import AppFixture

PROGRAM = Path(sys.executable).with_name("ivr-agi")
PROCESS_TIMEOUT_S = 60.0


class AgiInstallation:
    """The installation of `app`; each call runs in a program of its own."""

    def __init__(self, app: AppFixture, sounds: Path) -> None:
        self.app = app
        self.environment = {
            "PATH": os.environ["PATH"], "IVR_DATA__FOLDER": str(app.settings.data.folder), "IVR_DATA__FSYNC": "false",
            "IVR_SOUNDS__FOLDER": str(sounds), "IVR_ASTERISK__SECRET": SECRET, "IVR_PINS__BCRYPT_COST": "4",
        }  # fmt: skip
        self.processes: list[asyncio.subprocess.Process] = []

    async def start_program(self, *words: str) -> asyncio.subprocess.Process:
        """Asterisk starts the program."""
        process = await asyncio.create_subprocess_exec(
            PROGRAM, *words, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE, env=self.environment,
        )  # fmt: skip
        self.processes.append(process)
        return process

    async def run_call(
        self, handset: Handset, *words: str, path: str = "check", channel: str = "PJSIP/alice-00000001",
        secret: str = SECRET, signals: bool = True, header: tuple[str, ...] = (),
    ) -> FakeAsterisk:  # fmt: skip
        """The call, until the dialplan goes on. `signals`: Asterisk may send the program the signal of a hang-up.
        `header`: arguments as Asterisk writes them into the header block."""
        functions = {
            "GLOBAL(IVR_SECRET)": secret, "REDIRECTING(count)": "0", "PJSIP_ENDPOINT(alice,auth)": "yes",
            "PJSIP_ENDPOINT(bob,auth)": "yes",
        }  # fmt: skip
        peer = FakeAsterisk(AgiRequest(path, header, channel, "5550100", functions), handset)
        process = await self.start_program(path, "account=demo", *words)
        assert process.stdin
        assert process.stdout
        stdin = process.stdin
        hung_up = (lambda: process.send_signal(signal.SIGHUP)) if signals else stdin.close
        try:
            await peer.run_session(process.stdout, stdin, {"agi_request": "ivr-agi"}, hung_up)
        finally:
            stdin.close()
            if signals:  # As Asterisk does whenever an AGI is over.
                with contextlib.suppress(ProcessLookupError):
                    process.send_signal(signal.SIGHUP)
        return peer

    async def wait_for_processes(self) -> str:
        """Wait until the last program has ended; return its log."""
        process = self.processes[-1]
        async with asyncio.timeout(PROCESS_TIMEOUT_S):
            _, log = await process.communicate()
        assert b"Traceback" not in log, log.decode()
        return log.decode()

    async def wait_until(self, condition: Callable[[], object]) -> None:
        """Wait until something is so."""
        async with asyncio.timeout(PROCESS_TIMEOUT_S):
            while not condition():
                await asyncio.sleep(0.02)


@pytest.fixture
async def agi_installation(tmp_path: Path, tone_prompts: Path) -> AsyncIterator[AgiInstallation]:
    app = AppFixture(tmp_path / "data", data={"busy_timeout_ms": 3000}, sounds={"folder": tone_prompts})
    app.clock = SystemClock()  # type: ignore[assignment]
    await app.open()
    found = AgiInstallation(app, tone_prompts)
    yield found
    for process in found.processes:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    app.close()
