"""Webhooks: each event of an account is posted as signed JSON to the account's URL, and retried until it is accepted.

The URL is set with `ivr account set demo settings.webhook.url=https://... settings.webhook.secret=...`.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from ivr.clock import Clock
from ivr.directory.audit_log import AuditLog
from ivr.directory.directory import Directory
from ivr.errors import NotFound
from ivr.notifications.event import MailboxEvent
from ivr.notifications.webhook_request import WebhookRequest
from ivr.notifications.worker import Handler, HandlerResult
from ivr.storage.protocols import Transaction
from ivr.storage.records import Actor, AuditAction, Door, Message, OutboxTask, TaskKind

MAX_CONCURRENCY = 16
MAX_PER_ACCOUNT = 4
"""Maximum number of requests of one account at a time: a slow receiver delays the webhooks of its account only."""
WEBHOOK_ACTOR = Actor(Door.SERVICE, "", "webhook", "settings of the account")


def subscribed_webhook(settings: Mapping[str, Any], event_name: str) -> tuple[str, str] | None:
    """Return URL and secret of an account's webhook; None when the account does not subscribe to the event.

    The secret is "" when the account has none.
    """
    webhook = settings.get("webhook")
    if not isinstance(webhook, Mapping) or not webhook.get("url"):
        return None
    events = webhook.get("events")
    if isinstance(events, list) and event_name not in events:
        return None
    return str(webhook["url"]), str(webhook.get("secret") or "")


class WebhookSubscriber:
    """Enqueues a webhook for each event that the account subscribes to.

    The body is built now: when the webhook is sent, the message may be in another folder.
    """

    def handle(self, transaction: Transaction, event: MailboxEvent) -> None:
        if subscribed_webhook(event.mailbox.account.settings, event.name):
            transaction.enqueue(
                TaskKind.WEBHOOK,
                account_id=event.mailbox.account_id,
                box_id=event.mailbox.id,
                message_id=event.message.id if event.message else None,
                target=event.name,
                payload=_event_payload(event),
            )


class WebhookSender:
    """Sends webhooks."""

    def __init__(self, directory: Directory, clock: Clock, request: WebhookRequest, audit_log: AuditLog) -> None:
        self._audit_log = audit_log
        self._directory = directory
        self._clock = clock
        self._request = request

    @property
    def handlers(self) -> dict[TaskKind, Handler]:
        return {TaskKind.WEBHOOK: self.send}

    async def send(self, task: OutboxTask) -> HandlerResult:
        """Send one webhook, unless the account has unsubscribed from the event.

        Raises `NotificationFailed` and `NotificationUndeliverable` as `WebhookRequest.post` does.
        """
        try:
            webhook = subscribed_webhook((await self._directory.account(task.account_id)).settings, task.target)
        except NotFound:
            webhook = None
        if webhook:
            url, secret = webhook
            body = json.dumps(dict(task.payload), ensure_ascii=False, sort_keys=True).encode()
            headers = self._headers(task, secret, body)
            await self._request.post(url, body, headers)
            if task.message_id:
                self._audit_log.record_soon(
                    WEBHOOK_ACTOR,
                    AuditAction.SENT,
                    account_id=task.account_id,
                    box_id=task.box_id,
                    subject=task.message_id,
                )
        return None

    def _headers(self, task: OutboxTask, secret: str, body: bytes) -> dict[str, str]:
        """Return the HTTP headers. The signature covers the timestamp, so that an old request cannot be replayed."""
        timestamp = str(int(self._clock.now()))
        headers = {"Content-Type": "application/json", "X-Ivr-Event": task.target, "X-Ivr-Timestamp": timestamp}
        if secret:
            digest = hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()
            headers["X-Ivr-Signature"] = f"sha256={digest}"
        return headers


def _event_payload(event: MailboxEvent) -> dict[str, Any]:
    mailbox = event.mailbox
    return {
        "event": event.name,
        "id": f"{event.uid}.{event.message.id if event.message else mailbox.id}",
        "at": event.occurred_at,
        "reason": event.reason,
        "account": {"id": mailbox.account.id, "name": mailbox.account.name, "realm": mailbox.account.realm},
        "box": {
            "id": mailbox.id,
            "name": mailbox.settings.name,
            "mailbox": mailbox.number,
            "owner_id": mailbox.settings.owner_id,
        },
        "message": _message_payload(event.message) if event.message else None,
    }


def _message_payload(message: Message) -> dict[str, Any]:
    return {
        "media_id": message.id,
        "folder": str(message.folder),
        "timestamp": message.gregorian,
        "time": message.time,
        "length": message.length_ms,
        "urgent": message.urgent,
        "caller_id_number": message.caller.number,
        "caller_id_name": message.caller.name,
        "from": message.from_uri,
        "to": message.to_uri,
        "call_id": message.call_id,
        "forwarded_by": asdict(message.forwarded_by) if message.forwarded_by else None,
    }
