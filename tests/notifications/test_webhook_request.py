"""Requests of webhooks: where they may go, and how long they may take."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.errors import NotificationFailed, NotificationUndeliverable
from ivr.notifications.webhook_request import WebhookRequest
from ivr.storage.records import TaskKind
from ivr.storage.sqlite.events import SqliteTransaction
from ivr.validation.public_addresses import is_public
from tests.support.app_fixture import AppFixture

LOOPBACK = (ip_network("127.0.0.0/8"),)


class Peer:
    """A server on loopback that sends `pieces`, one each 20 ms; the last one again and again."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = pieces
        self.heads: list[bytes] = []
        self.port = 0
        self.finished = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heads.append(await reader.readuntil(b"\r\n\r\n"))
        try:
            for piece in self.pieces:
                writer.write(piece)
            while not reader.at_eof():
                await writer.drain()
                writer.write(self.pieces[-1])
                with suppress(TimeoutError):
                    await asyncio.wait_for(reader.read(1000), 0.02)
        except ConnectionError:
            pass
        finally:
            writer.close()
            self.finished.set()


@asynccontextmanager
async def serving(peer: Peer) -> AsyncIterator[Peer]:
    server = await asyncio.start_server(peer.serve, "127.0.0.1", 0)
    peer.port = server.sockets[0].getsockname()[1]
    yield peer
    if peer.heads:
        await peer.finished.wait()
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("pieces", [(b"H",), (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n")], ids=["status line", "headers"])
async def test_receiver_that_drips_is_given_up_at_the_deadline(pieces: tuple[bytes, ...]) -> None:
    async with serving(Peer(*pieces)) as peer:
        request = WebhookRequest(LOOPBACK, deadline_s=0.3)
        with pytest.raises(NotificationFailed, match="webhook"):
            await request.post(f"http://127.0.0.1:{peer.port}/", b"{}", {})
        assert len(peer.heads) == 1


async def test_body_of_the_response_is_not_awaited() -> None:
    async with serving(Peer(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", b"x")) as peer:
        await WebhookRequest(LOOPBACK).post(f"http://127.0.0.1:{peer.port}/", b"{}", {})


async def test_redirect_is_not_followed() -> None:
    async with serving(Peer(b"HTTP/1.1 204 No Content\r\n\r\n")) as target:
        moved = f"HTTP/1.1 307 Moved\r\nLocation: http://127.0.0.1:{target.port}/\r\nContent-Length: 0\r\n\r\n"
        async with serving(Peer(moved.encode())) as peer:
            with pytest.raises(NotificationFailed, match="status 307"):
                await WebhookRequest(LOOPBACK).post(f"http://127.0.0.1:{peer.port}/", b"{}", {})
        assert target.heads == []


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "192.168.0.1",
        "172.16.0.1",
        "100.64.0.1",
        "169.254.169.254",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fd00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "64:ff9b::a00:1",
        "64:ff9b:1::a00:1",
        "::7f00:1",
        "::8.8.8.8",
        "fec0::1",
        "fe80::1%eth0",
        "5f00::1",
        "192.88.99.1",
        "3fff::1",
        "2002:7f00:1::",
    ],
)
async def test_request_to_address_that_is_not_public_is_refused(address: str) -> None:
    async def resolver(host: str, port: int) -> list[str]:
        return [address]

    with pytest.raises(NotificationFailed, match="webhook_networks"):
        await WebhookRequest(resolver=resolver).post("http://crm.example/", b"{}", {})


async def test_name_is_resolved_once_and_the_checked_address_is_connected_to() -> None:
    resolved_hosts: list[str] = []

    async def resolver(host: str, port: int) -> list[str]:
        resolved_hosts.append(host)
        return ["10.0.0.1", "127.0.0.1"]

    async with serving(Peer(b"HTTP/1.1 204 No Content\r\n\r\n")) as peer:
        request = WebhookRequest(LOOPBACK, resolver=resolver)
        await request.post(f"http://crm.example:{peer.port}/hook", b"{}", {"X-Ivr-Event": "message.new"})
    assert resolved_hosts == ["crm.example"]
    [head] = peer.heads
    assert f"Host: crm.example:{peer.port}".lower().encode() in head.lower()


@pytest.mark.parametrize("url", ["ftp://crm.example/", "file:///etc/passwd", "http://", "http://[::1", "nothing"])
async def test_what_is_no_http_url_is_given_up(url: str) -> None:
    with pytest.raises(NotificationUndeliverable, match="http"):
        await WebhookRequest(LOOPBACK).post(url, b"{}", {})


@given(st.ip_addresses(v=4))
def test_address_is_public_in_each_form_or_in_none(address: object) -> None:
    mapped = ip_address(f"::ffff:{address}")
    nat64 = ip_address(f"64:ff9b::{address}")
    assert is_public(nat64) is is_public(ip_address(str(address)))
    assert not is_public(mapped) or is_public(ip_address(str(address)))


async def test_account_with_many_webhooks_leaves_room_for_another(app: AppFixture) -> None:
    other = "f" * 32

    def enqueue(connection: sqlite3.Connection) -> None:
        transaction = SqliteTransaction(connection, int(app.clock.now()))
        for account_id in [app.account.id] * 30 + [other]:
            transaction.enqueue(TaskKind.WEBHOOK, account_id=account_id, box_id="", target="message.new", payload={})

    await app.container.database.write(enqueue)
    outbox = app.container.outbox
    claimed = await outbox.claim([TaskKind.WEBHOOK], 16, max_per_account=4)
    assert sorted(task.account_id == other for task in claimed) == [False] * 4 + [True]
    assert await outbox.claim([TaskKind.WEBHOOK], 16, max_per_account=4) == [], "until one of the four is finished"
    await outbox.complete([next(task for task in claimed if task.account_id != other)])
    assert len(await outbox.claim([TaskKind.WEBHOOK], 16, max_per_account=4)) == 1
