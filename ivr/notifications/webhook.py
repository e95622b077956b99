"""Webhooks: each event of an account is posted as signed JSON to the account's URL, and retried until it is accepted.

The URL is set with `ivr account set demo settings.webhook.url=https://... settings.webhook.secret=...`.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import urllib.request
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

from ivr.clock import Clock
from ivr.directory.directory import Directory
from ivr.errors import NotFound, NotificationFailed, NotificationUndeliverable
from ivr.notifications.event import MailboxEvent
from ivr.notifications.worker import Handler, HandlerResult
from ivr.storage.protocols import Transaction
from ivr.storage.records import Message, OutboxTask, TaskKind

MAX_CONCURRENCY = 8
REQUEST_TIMEOUT_S = 10.0
HTTP_GONE = 410


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
    """Sends webhooks. `request_timeout_s`: seconds to wait for the receiver at each step."""

    def __init__(
        self,
        directory: Directory,
        clock: Clock,
        *,
        max_concurrency: int = MAX_CONCURRENCY,
        request_timeout_s: float = REQUEST_TIMEOUT_S,
    ) -> None:
        self._directory = directory
        self._clock = clock
        self._request_timeout_s = request_timeout_s
        self._executor = ThreadPoolExecutor(max_concurrency, "webhook")

    @property
    def handlers(self) -> dict[TaskKind, Handler]:
        return {TaskKind.WEBHOOK: self.send}

    async def send(self, task: OutboxTask) -> HandlerResult:
        """Send one webhook, unless the account has unsubscribed from the event.

        Raises `NotificationFailed` for any status but 2xx, and `NotificationUndeliverable` for 410 Gone and for an
        invalid URL.
        """
        try:
            webhook = subscribed_webhook((await self._directory.account(task.account_id)).settings, task.target)
        except NotFound:
            webhook = None
        if webhook:
            url, secret = webhook
            body = json.dumps(dict(task.payload), ensure_ascii=False, sort_keys=True).encode()
            headers = self._headers(task, secret, body)
            await asyncio.get_running_loop().run_in_executor(
                self._executor, _post, url, body, headers, self._request_timeout_s
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


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """Do not follow redirects: the body is meant for the configured URL only."""


_OPENER = urllib.request.OpenerDirector()
for _handler in (
    urllib.request.HTTPHandler(),
    urllib.request.HTTPSHandler(),
    urllib.request.HTTPDefaultErrorHandler(),
    urllib.request.HTTPErrorProcessor(),
    _NoRedirects(),
):
    _OPENER.add_handler(_handler)


def _post(url: str, body: bytes, headers: dict[str, str], timeout_s: float) -> None:
    if urlsplit(url).scheme not in ("http", "https"):
        raise NotificationUndeliverable(f"settings.webhook.url of the account is not an http(s) URL: {url!r}")
    try:
        request = urllib.request.Request(url, body, headers, method="POST")
        with _OPENER.open(request, timeout=timeout_s):
            return
    except HTTPError as error:
        with error:
            kind = NotificationUndeliverable if error.code == HTTP_GONE else NotificationFailed
            raise kind(f"the webhook replied with status {error.code}") from None
    except URLError as error:
        raise NotificationFailed(f"the webhook is unreachable: {error.reason}") from error
    except (OSError, ValueError) as error:
        raise NotificationFailed(f"the webhook is unreachable: {error}") from error


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
    }
