"""Webhooks: every event is posted with a signature, and retried until it is accepted."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from ivr.storage.records import AuditQuery, ChangeReason, Folder
from tests.notifications.conftest import NotificationAppFixture

SECRET = "a word between us"


class WebhookReceiver:
    """HTTP server of an account. `statuses`: its next responses; afterwards 204."""

    def __init__(self) -> None:
        self.statuses: list[str] = []
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.url = ""
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/hook"

    def stop(self) -> None:
        assert self._server
        self._server.close()

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.requests]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        headers = dict(line.lower().split(": ", 1) for line in head.strip().split("\r\n")[1:])
        body = await reader.readexactly(int(headers["content-length"]))
        status = self.statuses.pop(0) if self.statuses else "204 No Content"
        if status.startswith("2"):
            self.requests.append((headers, body))
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()


@pytest.fixture
async def receiver() -> AsyncIterator[WebhookReceiver]:
    receiver = WebhookReceiver()
    await receiver.start()
    yield receiver
    receiver.stop()


@pytest.fixture
async def webhook_app(tmp_path: Path, receiver: WebhookReceiver) -> AsyncIterator[NotificationAppFixture]:
    app = NotificationAppFixture(tmp_path / "data", notifications={"webhook_networks": ["127.0.0.0/8"]})
    await app.open()
    await set_webhook(app, url=receiver.url, secret=SECRET)
    yield app
    await app.shut_down()


async def set_webhook(app: NotificationAppFixture, **webhook: Any) -> None:
    account = await app.container.directory.account(app.account.id)
    app.account = await app.container.directory.update_account(
        account.model_copy(update={"settings": {"webhook": webhook}})
    )


async def test_each_event_is_posted_with_signature(
    webhook_app: NotificationAppFixture, receiver: WebhookReceiver
) -> None:
    box = await webhook_app.create_box()
    message = await webhook_app.leave_message(box, name="Jane", number="2001")
    await webhook_app.run_until_idle()
    for folder in (Folder.SAVED, Folder.DELETED, Folder.NEW):
        await webhook_app.container.messages.move_to_folder(box.id, message.id, folder, ChangeReason.API_REQUEST)
        await webhook_app.run_until_idle()
    await webhook_app.container.messages.soft_delete(box.id, [message.id])
    await webhook_app.run_until_idle()
    await webhook_app.report_box_full(box)
    await webhook_app.run_until_idle()
    assert [event["event"] for event in receiver.events()] == [
        "message.new",
        "message.saved",
        "message.deleted",
        "message.renewed",
        "message.removed",
        "box.full",
    ]
    headers, body = receiver.requests[0]
    expected = hmac.new(SECRET.encode(), f"{headers['x-ivr-timestamp']}.".encode() + body, hashlib.sha256)
    assert headers["x-ivr-signature"] == f"sha256={expected.hexdigest()}"
    event = json.loads(body)
    assert (event["message"]["media_id"], event["message"]["caller_id_name"]) == (message.id, "Jane")
    assert event["box"]["mailbox"] == "1000"
    assert receiver.events()[2]["reason"] == "crossbar_action"
    await webhook_app.container.audit_log.flush()
    entries = await webhook_app.container.audit_store.find(AuditQuery(subject=message.id), 10)
    assert [(entry.action, entry.actor.door, entry.actor.device) for entry in entries] == [
        ("sent", "service", "webhook")
    ] * 4


async def test_failed_webhook_is_retried_with_same_id(
    webhook_app: NotificationAppFixture, receiver: WebhookReceiver
) -> None:
    receiver.statuses = ["500 No", "302 Elsewhere"]
    await webhook_app.leave_message(await webhook_app.create_box())
    await webhook_app.run_until_idle()
    for wait_s in (900, 2700):
        assert receiver.requests == []
        webhook_app.clock.advance(s=wait_s)
        await webhook_app.run_until_idle()
    assert len({event["id"] for event in receiver.events()}) == len(receiver.requests) == 1


async def test_events_of_one_mailbox_never_share_id(
    webhook_app: NotificationAppFixture, receiver: WebhookReceiver
) -> None:
    box = await webhook_app.create_box()
    for _ in range(3):
        await webhook_app.report_box_full(box)
        await webhook_app.run_until_idle()
        assert await webhook_app.pending_tasks() == []
    assert len({event["id"] for event in receiver.events()}) == len(receiver.requests) == 3


async def test_receiver_answering_gone_is_not_retried(
    webhook_app: NotificationAppFixture, receiver: WebhookReceiver
) -> None:
    receiver.statuses = ["410 Gone"]
    await webhook_app.leave_message(await webhook_app.create_box())
    await webhook_app.run_until_idle()
    [task] = await webhook_app.pending_tasks()
    assert task.is_given_up


async def test_account_can_subscribe_to_selected_events(
    webhook_app: NotificationAppFixture, receiver: WebhookReceiver
) -> None:
    await set_webhook(webhook_app, url=receiver.url, events=["message.deleted"])
    box = await webhook_app.create_box()
    message = await webhook_app.leave_message(box)
    await webhook_app.container.messages.move_to_folder(box.id, message.id, Folder.DELETED, ChangeReason.DTMF)
    await webhook_app.run_until_idle()
    assert [event["event"] for event in receiver.events()] == ["message.deleted"]
    assert "x-ivr-signature" not in receiver.requests[0][0]


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/x", "nonsense"])
async def test_invalid_webhook_url_is_dropped(mail_app: NotificationAppFixture, url: str) -> None:
    await set_webhook(mail_app, url=url)
    await mail_app.leave_message(await mail_app.create_box())
    await mail_app.run_until_idle()
    [task] = await mail_app.pending_tasks()
    assert task.is_given_up
    assert "not an http(s) URL" in (task.error or "")


async def test_account_without_webhook_sends_nothing(mail_app: NotificationAppFixture) -> None:
    await mail_app.leave_message(await mail_app.create_box())
    await mail_app.run_until_idle()
    assert await mail_app.pending_tasks() == []
