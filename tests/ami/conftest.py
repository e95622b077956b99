"""An Asterisk that is none, and our connection to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from ivr.ami import manager as module
from ivr.ami.manager import Manager
from ivr.ami.settings import AmiSettings
from tests.support.ami import FakeAsterisk


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(module, "WITHIN_S", 2.0)


@pytest.fixture
async def asterisk() -> AsyncIterator[FakeAsterisk]:
    fake = await FakeAsterisk().start()
    yield fake
    await fake.stop()


@pytest.fixture
async def manager(asterisk: FakeAsterisk) -> AsyncIterator[Manager]:
    manager = Manager(AmiSettings(port=asterisk.port, secret="word"))
    running = asyncio.create_task(manager.run())
    while not manager.connection:
        await manager.changed()
    yield manager
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
