"""A fake Asterisk manager interface and a client connected to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from ivr.ami.client import AmiClient, AmiTiming
from ivr.ami.settings import AmiSettings
from tests.support.fake_ami_server import FakeAmiServer

TIMING = AmiTiming(min_reconnect_delay_s=0.01, request_timeout_s=2.0)


@pytest.fixture
async def ami_server() -> AsyncIterator[FakeAmiServer]:
    server = await FakeAmiServer().start()
    yield server
    await server.stop()


@pytest.fixture
async def ami_client(ami_server: FakeAmiServer) -> AsyncIterator[AmiClient]:
    client = AmiClient(AmiSettings(port=ami_server.port, secret="word"), timing=TIMING)
    running = asyncio.create_task(client.run_forever())
    while not client.connection_id:
        await client.wait_for_change()
    yield client
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
