"""Metrics of one service. Every label has a small, fixed set of values: never a number, a mailbox or a person."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, generate_latest

OTHER_LABEL = "other"


class Metrics:
    """Counters and gauges in a registry of their own.

    `actions`, `statuses`: the label values of `ivr_calls`. Any other value is counted as `other`.
    """

    def __init__(self, actions: Iterable[str] = (), statuses: Iterable[str] = ()) -> None:
        self._registry = CollectorRegistry()
        self._actions = frozenset(actions)
        self._statuses = frozenset(statuses)
        self._calls = self._counter("ivr_calls", "Calls that have ended.", "action", "status")
        self._events = self._counter("ivr_events", "Events of messages and mailboxes.", "event")
        self._pin_rejections = self._counter("ivr_pin_rejections", "Rejected PINs.", "reason")
        self._notifications = self._counter("ivr_notifications", "Processed outbox rows.", "kind", "outcome")
        self._ami_connected = self._gauge("ivr_ami_connected", "1 while connected to Asterisk's manager interface.")
        self._outbox_rows = self._gauge("ivr_outbox_rows", "Outbox rows that wait to be processed.", "kind")
        self._outbox_age = self._gauge("ivr_outbox_age_seconds", "Age of the oldest waiting outbox row.", "kind")
        self._given_up = self._gauge(
            "ivr_outbox_given_up", "Outbox rows that were given up: see 'ivr outbox list'.", "kind"
        )
        self._tasks = self._gauge("ivr_asyncio_tasks", "asyncio tasks of the service; constant while idle.")

    def count_call(self, action: str, status: str) -> None:
        action = action if action in self._actions else OTHER_LABEL
        self._calls.labels(action, status if status in self._statuses else OTHER_LABEL).inc()

    def count_event(self, event: str) -> None:
        """Count an event by its name, such as `message.new` (docs/notifications.md lists all names)."""
        self._events.labels(event).inc()

    def count_pin_failure(self, locked: bool) -> None:
        """Count a rejected PIN. `locked`: it was rejected because of a lockout."""
        self._pin_rejections.labels("locked" if locked else "wrong").inc()

    def count_notification(self, kind: str, outcome: str) -> None:
        """Count a processed outbox row. `outcome`: done, failed (a retry follows) or given_up."""
        self._notifications.labels(kind, outcome).inc()

    def set_ami_connected(self, connected: bool) -> None:
        self._ami_connected.set(connected)

    def set_outbox(self, kinds: Iterable[str], waiting: dict[str, tuple[int, int]], given_up: dict[str, int]) -> None:
        """Set the outbox gauges.

        `waiting`: for each kind the number of rows and the age of the oldest in seconds. `given_up`: the number of rows
        that were given up.
        """
        for kind in kinds:
            rows, age_s = waiting.get(kind, (0, 0))
            self._outbox_rows.labels(kind).set(rows)
            self._outbox_age.labels(kind).set(age_s)
            self._given_up.labels(kind).set(given_up.get(kind, 0))

    def set_task_count(self, count: int) -> None:
        """Set the number of asyncio tasks."""
        self._tasks.set(count)

    def render(self) -> bytes:
        """Return all metrics in Prometheus's text format."""
        return generate_latest(self._registry)

    def _counter(self, name: str, description: str, *labels: str) -> Counter:
        return Counter(name, description, labels, registry=self._registry)

    def _gauge(self, name: str, description: str, *labels: str) -> Gauge:
        return Gauge(name, description, labels, registry=self._registry)


REQUEST_TIMEOUT_S = 5.0
MAX_HEAD_BYTES = 8192


class PrometheusServer:
    """The server.

    `render`: returns the response body, called for each request. `request_timeout_s`: seconds for one request.
    """

    def __init__(self, render: Callable[[], Awaitable[bytes]], *, request_timeout_s: float = REQUEST_TIMEOUT_S) -> None:
        self._render = render
        self._request_timeout_s = request_timeout_s
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Start listening and return the port. Raises `OSError` when the address is in use."""
        self._server = await asyncio.start_server(self._serve, host, port, limit=MAX_HEAD_BYTES)
        return int(self._server.sockets[0].getsockname()[1])

    def stop(self) -> None:
        """Close the listening socket."""
        if self._server:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            async with asyncio.timeout(self._request_timeout_s):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(await self._respond(head.split(b"\r\n", 1)[0]))
                await writer.drain()
        writer.close()

    async def _respond(self, request_line: bytes) -> bytes:
        method, _, rest = request_line.partition(b" ")
        if rest.split(b" ")[0].split(b"?")[0] != b"/metrics":
            return _response("404 Not Found", b"not found: only /metrics is served\n")
        if method != b"GET":
            return _response("405 Method Not Allowed", b"method not allowed: use GET\n")
        return _response("200 OK", await self._render(), CONTENT_TYPE_LATEST)


def _response(status: str, body: bytes, content_type: str = "text/plain; charset=utf-8") -> bytes:
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body
