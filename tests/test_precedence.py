"""Calls go first: what a call does waits for one step of requests, whatever their number."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from ivr.api.server import ApiServer, ListenAddress
from ivr.precedence import CallsFirstLoop, background, is_background
from ivr.storage.sqlite.database import SqliteDatabase

REQUESTS = 50


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    with asyncio.Runner(loop_factory=lambda: CallsFirstLoop(slice_s=0)) as runner:
        runner.run(asyncio.wait_for(scenario(), 60))


def test_key_that_arrives_during_a_request_waits_for_one_step() -> None:
    """Its socket is looked at again before the steps of the other requests."""

    async def scenario() -> None:
        steps = 0
        steps_before_key: list[int] = []
        phone, service = socket.socketpair()

        def read_key() -> None:
            service.recv(1)
            steps_before_key.append(steps)

        asyncio.get_running_loop().add_reader(service, read_key)

        async def request() -> None:
            nonlocal steps
            for _ in range(3):
                steps += 1
                if steps == 10:
                    phone.send(b"5")
                await asyncio.sleep(0)

        with background():
            requests = [asyncio.create_task(request()) for _ in range(REQUESTS)]
        await asyncio.gather(*requests)
        asyncio.get_running_loop().remove_reader(service)
        phone.close()
        service.close()
        assert steps == 3 * REQUESTS
        assert steps_before_key[0] <= 12

    run(scenario)


def test_key_waits_for_what_one_connection_of_the_api_has_received() -> None:
    """Also where many connections have received something at the same moment, and more arrives all the time."""

    async def scenario() -> None:
        loop, reads, done = asyncio.get_running_loop(), [0] * REQUESTS, asyncio.Event()
        reads_before_key: list[int] = []
        phone, service = socket.socketpair()
        connections = [socket.socketpair() for _ in range(REQUESTS)]

        def read_key() -> None:
            service.recv(1)
            reads_before_key.append(sum(reads))

        def read_request(number: int) -> None:
            reads[number] += 1
            if sum(reads) == 10:
                phone.send(b"5")
            if all(count >= 2 for count in reads):
                done.set()

        loop.add_reader(service, read_key)
        with background():
            for number, (client, server) in enumerate(connections):
                loop.add_reader(server, read_request, number)
                client.send(b"never read, so the socket stays ready")
        await done.wait()
        for one in (service, *(server for _, server in connections)):
            loop.remove_reader(one)
        for one in (phone, service, *(one for pair in connections for one in pair)):
            one.close()
        assert reads_before_key[0] <= 12
        assert max(reads) - min(reads) <= 2, "each has its turn"

    run(scenario)


def test_tasks_of_requests_are_background_and_those_of_calls_are_not() -> None:
    async def state() -> bool:
        return await asyncio.to_thread(is_background)

    async def scenario() -> None:
        seen: list[bool] = []

        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            seen.append(await state())
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body"})

        server = ApiServer(application, ListenAddress("127.0.0.1", 0))
        url = await server.start()
        async with httpx.AsyncClient() as client:
            await client.get(url)
            await client.get(url)
        await server.stop()
        assert seen == [True, True]
        assert not await state()

    run(scenario)


def test_call_has_a_thread_while_requests_occupy_theirs() -> None:
    async def scenario() -> None:
        release = threading.Event()
        with background():
            requests = [asyncio.create_task(asyncio.to_thread(release.wait, 60)) for _ in range(REQUESTS)]
        await asyncio.sleep(0)
        try:
            assert await asyncio.wait_for(asyncio.to_thread(threading.get_ident), 60)
        finally:
            release.set()
        assert all(await asyncio.gather(*requests))

    run(scenario)


@pytest.fixture
def database(tmp_path: Path) -> SqliteDatabase:
    return SqliteDatabase(tmp_path / "ivr.db", sync=False)


def test_change_of_a_call_is_made_before_those_of_requests(database: SqliteDatabase) -> None:
    async def scenario() -> None:
        order: list[str] = []
        began, release = threading.Event(), threading.Event()

        def occupy(_: object) -> None:
            began.set()
            release.wait(60)

        blocked = asyncio.create_task(database.write(occupy))
        await asyncio.to_thread(began.wait, 60)
        with background():
            requests = [asyncio.create_task(database.write(lambda _: order.append("request"))) for _ in range(REQUESTS)]
        for _ in range(2 * REQUESTS):
            await asyncio.sleep(0)
        call = asyncio.create_task(database.write(lambda _: order.append("call")))
        await asyncio.sleep(0)
        release.set()
        await asyncio.gather(blocked, call, *requests)
        database.close()
        assert order == ["call"] + ["request"] * REQUESTS

    run(scenario)


def test_call_reads_while_requests_occupy_the_database(database: SqliteDatabase) -> None:
    async def scenario() -> None:
        release = threading.Event()
        with background():
            requests = [asyncio.create_task(database.read(lambda _: release.wait(60))) for _ in range(REQUESTS)]
        await asyncio.sleep(0)
        try:
            assert await asyncio.wait_for(database.read(lambda c: c.execute("SELECT 1").fetchone()[0]), 60) == 1
        finally:
            release.set()
            await asyncio.gather(*requests)
            database.close()

    run(scenario)
