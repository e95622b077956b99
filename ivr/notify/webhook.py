"""Tells an account's own program of every change: one signed POST an event, repeated until it was taken.

The account's settings say where: `ivr account set demo settings.webhook.url=https://… settings.webhook.secret=…`.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import sqlite3
import urllib.request
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

from ivr.clock import Clock
from ivr.directory.directory import Directory
from ivr.errors import NotDelivered, NotFound, Undeliverable
from ivr.mailbox.message import Message
from ivr.mailbox.sqlite.outbox import Kind, ask
from ivr.notify.change import Change
from ivr.notify.lane import Done, Handler
from ivr.notify.outbox import Row

AT_ONCE = 8
WITHIN_S = 10.0
GONE = 410


def wanted(settings: Mapping[str, Any], event: str) -> tuple[str, str] | None:
    """Address and secret ("" for none) of an account's webhook, where it wants to know of this event."""
    webhook = settings.get("webhook")
    if not isinstance(webhook, Mapping) or not webhook.get("url"):
        return None
    events = webhook.get("events")
    if isinstance(events, list) and event not in events:
        return None
    return str(webhook["url"]), str(webhook.get("secret") or "")


class WebhookFollower:
    """Asks for a POST where the account wants one. What it says is settled now: later the message may be another."""

    def follow(self, connection: sqlite3.Connection, change: Change, now: int) -> None:
        if wanted(change.mailbox.account.settings, change.event):
            ask(
                connection, Kind.WEBHOOK, now, account_id=change.mailbox.account_id, box_id=change.mailbox.id,
                message_id=change.message.id if change.message else None, about=change.event, payload=_told(change),
            )  # fmt: skip


class Webhooks:
    """Sends them."""

    def __init__(self, directory: Directory, clock: Clock) -> None:
        self._directory = directory
        self._clock = clock
        self._threads = ThreadPoolExecutor(AT_ONCE, "webhook")

    @property
    def handlers(self) -> dict[Kind, Handler]:
        return {Kind.WEBHOOK: self.send}

    async def send(self, row: Row) -> Done:
        """Raises `NotDelivered` for any answer but 2xx; `Undeliverable` for 410 Gone and what is no address."""
        try:
            where = wanted((await self._directory.account(row.account_id)).settings, row.about)
        except NotFound:
            where = None
        if where:
            body = json.dumps(dict(row.payload), ensure_ascii=False, sort_keys=True).encode()
            headers = self._headers(row, where[1], body)
            await asyncio.get_running_loop().run_in_executor(self._threads, _post, where[0], body, headers)
        return None

    def _headers(self, row: Row, secret: str, body: bytes) -> dict[str, str]:
        """The signature covers the time, so that nobody can send it again next week."""
        at = str(int(self._clock.now()))
        headers = {"Content-Type": "application/json", "X-Ivr-Event": row.about, "X-Ivr-Timestamp": at}
        if secret:
            digest = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
            headers["X-Ivr-Signature"] = f"sha256={digest}"
        return headers


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """Nobody is sent elsewhere with what was meant for here."""


_OPENER = urllib.request.OpenerDirector()
for _handler in (
    urllib.request.HTTPHandler(), urllib.request.HTTPSHandler(), urllib.request.HTTPDefaultErrorHandler(),
    urllib.request.HTTPErrorProcessor(), _NoRedirects(),
):  # fmt: skip
    _OPENER.add_handler(_handler)


def _post(url: str, body: bytes, headers: dict[str, str]) -> None:
    if urlsplit(url).scheme not in ("http", "https"):
        raise Undeliverable(f"{url!r} is no address of a web server")
    try:
        request = urllib.request.Request(url, body, headers, method="POST")
        with _OPENER.open(request, timeout=WITHIN_S):
            return
    except HTTPError as error:
        with error:
            kind = Undeliverable if error.code == GONE else NotDelivered
            raise kind(f"the webhook answered {error.code}") from None
    except URLError as error:
        raise NotDelivered(f"the webhook cannot be reached: {error.reason}") from error
    except (OSError, ValueError) as error:
        raise NotDelivered(f"the webhook cannot be reached: {error}") from error


def _told(change: Change) -> dict[str, Any]:
    mailbox = change.mailbox
    return {
        "event": change.event, "id": f"{change.id}.{change.message.id if change.message else mailbox.id}",
        "at": change.at, "reason": change.reason,
        "account": {"id": mailbox.account.id, "name": mailbox.account.name, "realm": mailbox.account.realm},
        "box": {"id": mailbox.id, "name": mailbox.settings.name, "mailbox": mailbox.number,
                "owner_id": mailbox.settings.owner_id},
        "message": _message(change.message) if change.message else None,
    }  # fmt: skip


def _message(message: Message) -> dict[str, Any]:
    return {
        "media_id": message.id, "folder": str(message.folder), "timestamp": message.gregorian, "time": message.time,
        "length": message.length_ms, "urgent": message.urgent, "caller_id_number": message.caller.number,
        "caller_id_name": message.caller.name, "from": message.from_uri, "to": message.to_uri,
        "call_id": message.call_id,
    }  # fmt: skip
