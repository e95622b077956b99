"""An Asterisk that is none, and our connection to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from ivr.ami import client as module
from ivr.ami.client import AmiClient
from ivr.ami.settings import AmiSettings
from tests.support.fake_ami_server import FakeAmiServer


@pytest.fixture(autouse=True)
def _short_timeouts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MIN_RECONNECT_DELAY_S", 0.01)
    monkeypatch.setattr(module, "REQUEST_TIMEOUT_S", 2.0)


@pytest.fixture
async def ami_server() -> AsyncIterator[FakeAmiServer]:
    fake = await FakeAmiServer().start()
    yield fake
    await fake.stop()


@pytest.fixture
async def ami_client(ami_server: FakeAmiServer) -> AsyncIterator[AmiClient]:
    manager = AmiClient(AmiSettings(port=ami_server.port, secret="word"))
    running = asyncio.create_task(manager.run_forever())
    while not manager.connection_id:
        await manager.wait_for_change()
    yield manager
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
