"""Webhooks: every change, signed, repeated until it was taken."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from ivr.mailbox.message import Folder
from ivr.mailbox.store import Because
from tests.notify.conftest import Home

SECRET = "a word between us"


class Receiver:
    """A program that wants to know. `answers`: what it says next; afterwards 204."""

    def __init__(self) -> None:
        self.answers: list[str] = []
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.url = ""
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/hook"

    def stop(self) -> None:
        assert self._server
        self._server.close()

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.got]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        headers = dict(line.lower().split(": ", 1) for line in head.strip().split("\r\n")[1:])
        body = await reader.readexactly(int(headers["content-length"]))
        answer = self.answers.pop(0) if self.answers else "204 No Content"
        if answer.startswith("2"):
            self.got.append((headers, body))
        writer.write(f"HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    await receiver.start()
    yield receiver
    receiver.stop()


@pytest.fixture
async def hooked(home: Home, receiver: Receiver) -> Home:
    await hook(home, url=receiver.url, secret=SECRET)
    return home


async def hook(home: Home, **webhook: Any) -> None:
    account = await home.app.directory.account(home.account.id)
    home.account = await home.app.directory.update_account(
        account.model_copy(update={"settings": {"webhook": webhook}})
    )


async def test_each_change_is_told_with_a_signature(hooked: Home, receiver: Receiver) -> None:
    box = await hooked.box()
    message = await hooked.is_left(box, name="Jane", number="2001")
    await hooked.settle()
    for folder in (Folder.SAVED, Folder.DELETED, Folder.NEW):
        await hooked.app.messages.move_to(box.id, message.id, folder, Because.REQUEST)
        await hooked.settle()
    await hooked.app.messages.remove(box.id, [message.id])
    await hooked.settle()
    await hooked.finds_full(box)
    await hooked.settle()
    assert [told["event"] for told in receiver.events()] == [
        "message.new", "message.saved", "message.deleted", "message.renewed", "message.removed", "box.full",
    ]  # fmt: skip
    headers, body = receiver.got[0]
    signed = hmac.new(SECRET.encode(), f"{headers['x-ivr-timestamp']}.".encode() + body, hashlib.sha256)
    assert headers["x-ivr-signature"] == f"sha256={signed.hexdigest()}"
    told = json.loads(body)
    assert (told["message"]["media_id"], told["message"]["caller_id_name"]) == (message.id, "Jane")
    assert told["box"]["mailbox"] == "1000"
    assert receiver.events()[2]["reason"] == "crossbar_action"


async def test_one_that_is_not_taken_comes_again_with_the_same_id(hooked: Home, receiver: Receiver) -> None:
    receiver.answers = ["500 No", "302 Elsewhere"]
    await hooked.is_left(await hooked.box())
    await hooked.settle()
    for wait_s in (900, 2700):
        assert receiver.got == []
        hooked.clock.advance(s=wait_s)
        await hooked.settle()
    assert len({told["id"] for told in receiver.events()}) == len(receiver.got) == 1


async def test_a_receiver_that_is_gone_for_good_is_left_alone(hooked: Home, receiver: Receiver) -> None:
    receiver.answers = ["410 Gone"]
    await hooked.is_left(await hooked.box())
    await hooked.settle()
    [row] = await hooked.waits()
    assert row.given_up


async def test_an_account_may_want_some_events_only(home: Home, receiver: Receiver) -> None:
    await hook(home, url=receiver.url, events=["message.deleted"])
    box = await home.box()
    message = await home.is_left(box)
    await home.app.messages.move_to(box.id, message.id, Folder.DELETED, Because.KEY)
    await home.settle()
    assert [told["event"] for told in receiver.events()] == ["message.deleted"]
    assert "x-ivr-signature" not in receiver.got[0][0]


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/x", "nonsense"])
async def test_what_is_no_web_address_is_given_up(home: Home, url: str) -> None:
    await hook(home, url=url)
    await home.is_left(await home.box())
    await home.settle()
    [row] = await home.waits()
    assert row.given_up
    assert "no address" in (row.error or "")


async def test_an_account_without_a_webhook_tells_nobody(home: Home) -> None:
    await home.is_left(await home.box())
    await home.settle()
    assert await home.waits() == []
