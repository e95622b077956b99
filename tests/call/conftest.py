"""A real FastAGI server with real menus behind it, to be called over a socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from ivr.clock import SystemClock
from ivr.serving.service import Service, serve
from ivr.terminal.asterisk import Asterisk, Handset, Line
from tests.support.ari import FakeAri
from tests.support.house import House
from tests.support.hum import hum

SECRET = "5ec2e7"


@pytest.fixture(scope="session")
def humming(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return hum(tmp_path_factory.mktemp("hum") / "sounds")


@pytest.fixture
async def asterisk() -> AsyncIterator[FakeAri]:
    """A peer that speaks ARI, and listens."""
    peer = FakeAri()
    await peer.start_listening()
    yield peer
    await peer.stop()


class Exchange:
    """The running service and the calls that reach it."""

    def __init__(self, house: House, service: Service) -> None:
        self.house = house
        self.service = service
        self.address = service.address

    def asterisk(
        self, handset: Handset, *arguments: str, path: str = "check", channel: str = "PJSIP/alice-00000001",
        secret: str = SECRET, auth: str = "yes", forwards: str = "0",
    ) -> Asterisk:  # fmt: skip
        """A call that our own Asterisk would put through, unless something about it is changed."""
        functions = {
            "GLOBAL(IVR_SECRET)": secret, "REDIRECTING(count)": forwards,
            "PJSIP_ENDPOINT(alice,auth)": auth, "PJSIP_ENDPOINT(bob,auth)": auth,
        }  # fmt: skip
        return Asterisk(Line(path, ("account=demo", *arguments), channel, "5550100", functions), handset)

    async def call(self, handset: Handset, *arguments: str, **how: str) -> str:
        """The whole call; gives IVRSTATUS."""
        return await self.asterisk(handset, *arguments, **how).call(*self.address)

    async def steps(self) -> list[dict[str, Any]]:
        """What the record of the only call says, which is written when the call is over."""
        question = "SELECT steps FROM calls"
        while (row := await self.house.app.database.read(lambda c: c.execute(question).fetchone())) is None:
            await asyncio.sleep(0.005)
        steps: list[dict[str, Any]] = json.loads(row[0])
        return steps


@pytest.fixture
async def exchange(tmp_path: Path, humming: Path) -> AsyncIterator[Exchange]:
    house = House(
        tmp_path / "data",
        data={"busy_ms": 3000},
        sounds={"folder": humming},
        asterisk={"secret": SECRET},
        fastagi={"port": 0, "calls": 20, "header_within_s": 0.3},
    )
    house.clock = SystemClock()  # type: ignore[assignment]
    await house.open()
    service = await serve(house.app, only="calls")
    yield Exchange(house, service)
    await service.stop()
