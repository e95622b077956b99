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
from ivr.terminal.asterisk import Asterisk, Handset, Line
from tests.call.conftest import SECRET
from tests.support.house import House

PROGRAM = Path(sys.executable).with_name("ivr-agi")
LONG_S = 60.0


class NoService:
    """The installation of `house`, which this process only looks at."""

    def __init__(self, house: House, sounds: Path) -> None:
        self.house = house
        self.environment = {
            "PATH": os.environ["PATH"], "IVR_DATA__FOLDER": str(house.settings.data.folder), "IVR_DATA__SYNC": "false",
            "IVR_SOUNDS__FOLDER": str(sounds), "IVR_ASTERISK__SECRET": SECRET, "IVR_PINS__COST": "4",
        }  # fmt: skip
        self.processes: list[asyncio.subprocess.Process] = []

    async def start(self, *words: str) -> asyncio.subprocess.Process:
        """Asterisk starts the program."""
        process = await asyncio.create_subprocess_exec(
            PROGRAM, *words, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE, env=self.environment,
        )  # fmt: skip
        self.processes.append(process)
        return process

    async def call(
        self, handset: Handset, *words: str, path: str = "check", channel: str = "PJSIP/alice-00000001",
        secret: str = SECRET, signals: bool = True, header: tuple[str, ...] = (),
    ) -> Asterisk:  # fmt: skip
        """The call, until the dialplan goes on. `signals`: Asterisk may send the program the signal of a hang-up.
        `header`: arguments as Asterisk writes them into the header block."""
        functions = {
            "GLOBAL(IVR_SECRET)": secret, "REDIRECTING(count)": "0", "PJSIP_ENDPOINT(alice,auth)": "yes",
            "PJSIP_ENDPOINT(bob,auth)": "yes",
        }  # fmt: skip
        peer = Asterisk(Line(path, header, channel, "5550100", functions), handset)
        process = await self.start(path, "account=demo", *words)
        assert process.stdin
        assert process.stdout
        stdin = process.stdin
        hung_up = (lambda: process.send_signal(signal.SIGHUP)) if signals else stdin.close
        try:
            await peer.converse(process.stdout, stdin, {"agi_request": "ivr-agi"}, hung_up)
        finally:
            stdin.close()
            if signals:  # As Asterisk does whenever an AGI is over.
                with contextlib.suppress(ProcessLookupError):
                    process.send_signal(signal.SIGHUP)
        return peer

    async def over(self) -> str:
        """Wait until the last program has done all that it does; gives its log."""
        process = self.processes[-1]
        async with asyncio.timeout(LONG_S):
            _, told = await process.communicate()
        assert b"Traceback" not in told, told.decode()
        return told.decode()

    async def eventually(self, condition: Callable[[], object]) -> None:
        """Wait until something is so."""
        async with asyncio.timeout(LONG_S):
            while not condition():
                await asyncio.sleep(0.02)


@pytest.fixture
async def site(tmp_path: Path, humming: Path) -> AsyncIterator[NoService]:
    house = House(tmp_path / "data", data={"busy_ms": 3000}, sounds={"folder": humming})
    house.clock = SystemClock()  # type: ignore[assignment]
    await house.open()
    found = NoService(house, humming)
    yield found
    for process in found.processes:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    house.close()
