"""A real FastAGI server with real menus behind it, to be called over a socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from ivr.clock import SystemClock
from ivr.service.service import Service, start_service
from ivr.terminal.fake_asterisk import AgiRequest, FakeAsterisk, Handset
from tests.support.app_fixture import AppFixture
from tests.support.fake_ari_server import FakeAriServer
from tests.support.tone_prompts import write_tone_prompts

SECRET = "5ec2e7"


@pytest.fixture(scope="session")
def tone_prompts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tone_prompts(tmp_path_factory.mktemp("hum") / "sounds")


@pytest.fixture
async def ari_server() -> AsyncIterator[FakeAriServer]:
    """A peer that speaks ARI, and listens."""
    peer = FakeAriServer()
    await peer.start_listening()
    yield peer
    await peer.stop()


class FakePbx:
    """The running service and the calls that reach it."""

    def __init__(self, app: AppFixture, service: Service) -> None:
        self.app = app
        self.service = service
        self.address = service.fastagi_address

    def new_call(
        self, handset: Handset, *arguments: str, path: str = "check", channel: str = "PJSIP/alice-00000001",
        secret: str = SECRET, auth: str = "yes", diversion_count: str = "0",
    ) -> FakeAsterisk:  # fmt: skip
        """A call that our own Asterisk would put through, unless something about it is changed."""
        functions = {
            "GLOBAL(IVR_SECRET)": secret, "REDIRECTING(count)": diversion_count,
            "PJSIP_ENDPOINT(alice,auth)": auth, "PJSIP_ENDPOINT(bob,auth)": auth,
        }  # fmt: skip
        return FakeAsterisk(AgiRequest(path, ("account=demo", *arguments), channel, "5550100", functions), handset)

    async def run_call(self, handset: Handset, *arguments: str, **options: str) -> str:
        """The whole call; gives IVR_STATUS."""
        return await self.new_call(handset, *arguments, **options).connect_and_run(*self.address)

    async def call_record_steps(self) -> list[dict[str, Any]]:
        """What the record of the only call says, which is written when the call is over."""
        question = "SELECT steps FROM calls"
        while (row := await self.app.container.database.read(lambda c: c.execute(question).fetchone())) is None:
            await asyncio.sleep(0.005)
        steps: list[dict[str, Any]] = json.loads(row[0])
        return steps


@pytest.fixture
async def pbx(tmp_path: Path, tone_prompts: Path) -> AsyncIterator[FakePbx]:
    app = AppFixture(
        tmp_path / "data",
        data={"busy_timeout_ms": 3000},
        sounds={"folder": tone_prompts},
        asterisk={"secret": SECRET},
        fastagi={"port": 0, "max_calls": 20, "header_timeout_s": 0.3},
    )
    app.clock = SystemClock()  # type: ignore[assignment]
    await app.open()
    service = await start_service(app.container, component="calls")
    yield FakePbx(app, service)
    await service.stop()
