"""HTTP connections with limits: a head must arrive soon and be short, and no address holds all connections."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Any

import structlog
from starlette.types import Message
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from ivr.api.envelope import timestamp, to_json
from ivr.clock import Clock, SystemClock
from ivr.ids import IdGenerator
from ivr.precedence import background
from ivr.validation.networks import client_network

MAX_HEADERS = 250
"""Of one request, with its trailers. The service creates an object for each, all in one step."""
MAX_PIPELINED = 100
"""Requests that wait for the responses before theirs. They are parsed in one step, as many as have arrived."""
SINGLE_HEADERS = (b"host", b"authorization", b"x-auth-token", b"content-type", b"origin", b"transfer-encoding")
"""A request with two of one of these could mean one thing here and another to a proxy in front."""
SECURITY_HEADERS = (
    (b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
)
"""Headers of every response. The only page, /docs, runs no script and has its styles within."""
SENDS_FILES = "http.response.zerocopysend"
"""The extension of ASGI for responses whose body the kernel copies from a file. Nothing follows the file here."""
HOLDS_PAGE = "ivr.page"
"""The extension of ASGI by which a stream for an open page says that it has been admitted by its own limits."""
OPEN_PAGES = "open pages"
TOO_MANY_CONNECTIONS = "too many connections: close idle ones and try again later"

log = structlog.get_logger()


class _ParsingStopped(Exception):
    """Ends the parser, which then calls `send_400_response`."""


@dataclass(frozen=True)
class ConnectionLimits:
    """Limits on connections, shared by all connections of a server."""

    head_timeout_s: float = 10.0
    """A connection whose request head is not complete after this many seconds is closed."""
    send_timeout_s: float = 120.0
    """A connection whose client does not take what is buffered for it within this time is closed."""
    max_head_bytes: int = 65_536
    max_connections: int = 500
    max_per_address: int = 50
    """0: no limit by address."""
    exempt_addresses: frozenset[str] = frozenset()
    """Proxies, which connect for many clients."""
    counts: Counter[str] = field(default_factory=Counter)
    """Open connections by address; those of IPv6 by network, and streams of open pages as `OPEN_PAGES`."""
    clock: Clock = field(default_factory=SystemClock)
    ids: IdGenerator = field(default_factory=lambda: IdGenerator(os.urandom))

    def admit(self, address: str) -> bool:
        """Count a connection. Return whether it may be used; if so, it must be released."""
        network = client_network(address)
        has_room = self.counts.total() < self.max_connections
        is_limited = self.max_per_address and address not in self.exempt_addresses
        if not has_room or (is_limited and self.counts[network] >= self.max_per_address):
            return False
        self.counts[network] += 1
        return True

    def release(self, address: str) -> None:
        """Forget a connection that was admitted."""
        self._remove(client_network(address))

    def count_as_page(self, address: str) -> None:
        """Count a connection that was admitted for no address, until `release_page`: an office may have many pages."""
        self._remove(client_network(address))
        self.counts[OPEN_PAGES] += 1

    def release_page(self, address: str) -> None:
        """Count a connection for its address again."""
        self._remove(OPEN_PAGES)
        self.counts[client_network(address)] += 1

    def _remove(self, network: str) -> None:
        self.counts[network] -= 1
        if not self.counts[network]:
            del self.counts[network]


class LimitedHttpProtocol(HttpToolsProtocol):
    """uvicorn's protocol with `ConnectionLimits`.

    uvicorn counts connections only when a request is complete, and waits for a request without end, so silent
    connections could shut everybody out.
    """

    def __init__(self, *arguments: Any, limits: ConnectionLimits, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._limits = limits
        self._address = ""
        self._is_admitted = False
        self._holds_page = False
        self._head_timer: asyncio.TimerHandle | None = None
        self._send_timer: asyncio.TimerHandle | None = None
        self._is_reading_head = False
        self._head_bytes = 0
        self._trailers = 0
        self._is_progressing = False
        """Whether the data being parsed has a body, or begins or completes a head."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._address = self.client[0] if self.client else ""
        self._is_admitted = self._limits.admit(self._address)
        if not self._is_admitted:
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", TOO_MANY_CONNECTIONS)
            return
        self._start_head_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_head_timer()
        self.resume_writing()
        self._end_page()
        if self._is_admitted:
            self._is_admitted = False  # A stream that begins only now counts for nothing.
            self._limits.release(self._address)
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Called when the client has not taken 64 kB. One that never does would hold files and memory for ever."""
        if self._send_timer is None:
            self._send_timer = self.loop.call_later(
                self._limits.send_timeout_s, self._abort, "the client does not take the response"
            )
        super().pause_writing()

    def resume_writing(self) -> None:
        """Called when the client has taken most of what was buffered."""
        if self._send_timer is not None:
            self._send_timer.cancel()
            self._send_timer = None
        super().resume_writing()

    def _abort(self, reason: str) -> None:
        log.info("request.aborted", client=self._address, reason=reason)
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        if self._is_reading_head:
            self._head_bytes += len(data)
            if self._head_bytes > self._limits.max_head_bytes:
                self._refuse_head("the request head is too long")
                return
        self._is_progressing = False
        super().data_received(data)
        if not (self._is_progressing or self._is_reading_head):  # Trailers, extensions of chunks, empty lines.
            self._head_bytes += len(data)
            if self._head_bytes > self._limits.max_head_bytes:
                self._abort("too much around a body")
        self._limit_waiting()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called for each header, and for each trailer. Those behind a body are ignored: no proxy looks at them."""
        if self._is_reading_head:
            super().on_header(name, value.strip(b" \t"))  # RFC 9110, 5.5: blanks around a value do not belong to it.
        else:
            self._trailers += 1
        if len(self.headers) + self._trailers > MAX_HEADERS:
            raise _ParsingStopped

    def on_body(self, body: bytes) -> None:
        self._is_progressing = True
        super().on_body(body)

    def _hold_page(self) -> None:
        if self._is_admitted and not self._holds_page:
            self._holds_page = True
            self._limits.count_as_page(self._address)

    def _end_page(self) -> None:
        if self._holds_page:
            self._holds_page = False
            self._limits.release_page(self._address)

    def on_response_complete(self) -> None:
        """Called when a response was sent, maybe before its request was received."""
        self._end_page()
        super().on_response_complete()
        if not self.transport.is_closing() and self.cycle.response_complete and self.cycle.more_body:
            self._unset_keepalive_if_required()
            self._limit_waiting()

    def on_message_begin(self) -> None:
        if len(self.pipeline) >= MAX_PIPELINED:
            self._abort("too many requests at once")
            raise _ParsingStopped
        self._is_reading_head, self._is_progressing, self._head_bytes, self._trailers = True, True, 0, 0
        self._start_head_timer()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._is_reading_head, self._is_progressing, self._head_bytes = False, True, 0
        self._stop_head_timer()
        names = [name for name, _ in self.headers]
        if any(names.count(name) > 1 for name in SINGLE_HEADERS):
            raise _ParsingStopped
        if any(name == b"transfer-encoding" and value.lower() != b"chunked" for name, value in self.headers):
            raise _ParsingStopped  # RFC 9112, 6.1: nothing decodes another one, and proxies read it otherwise.
        if b"host" not in names and self.parser.get_http_version() == "1.1":  # RFC 9112, 3.2.
            raise _ParsingStopped
        super().on_headers_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        """Called by uvicorn for each request. Calls go first."""
        extensions: dict[str, Any] = {HOLDS_PAGE: self._hold_page}
        cycle.scope["extensions"] = extensions
        if self.scheme == "http":
            extensions[SENDS_FILES] = {}
            cycle.send = partial(_send_or_copy, cycle, cycle.send)  # type: ignore[method-assign]
        with background():
            super()._start_asgi_task(cycle, app)

    def send_400_response(self, msg: str) -> None:
        """Called by uvicorn for bytes that are no request, or where parsing was stopped."""
        if self.transport.is_closing():
            return
        if self.headers and len(self.headers) + self._trailers > MAX_HEADERS:
            if self._is_reading_head:
                self._refuse_head(f"the request has more than {MAX_HEADERS} headers")
            else:
                self._abort("too many trailers")
            return
        self._refuse(HTTPStatus.BAD_REQUEST, "invalid_request", "this is not a valid HTTP request")

    def _refuse_head(self, explanation: str) -> None:
        self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "too_large", explanation)

    def _refuse(self, status: HTTPStatus, message: str, explanation: str) -> None:
        """Send an error for a connection that reaches no route, in the envelope of the API, and close it."""
        request_id = self._limits.ids.new_document_id()
        content = {
            "auth_token": "",
            "data": {"message": explanation},
            "error": str(int(status)),
            "message": message,
            "request_id": request_id,
            "timestamp": timestamp(self._limits.clock.now()),
            "status": "error",
        }
        body = to_json(content)
        head = f"HTTP/1.1 {int(status)} {status.phrase}\r\nContent-Type: application/json\r\n"
        head += f"Content-Length: {len(body)}\r\nX-Request-Id: {request_id}\r\nCache-Control: no-store\r\n"
        head += "".join(f"{name.decode()}: {value.decode()}\r\n" for name, value in SECURITY_HEADERS)
        if status is HTTPStatus.SERVICE_UNAVAILABLE:
            head += "Retry-After: 10\r\n"
        self.transport.write(f"{head}Connection: close\r\n\r\n".encode() + body)
        self.transport.close()
        log.info("request.refused", request=request_id, client=self._address, status=int(status), reason=explanation)

    def _limit_waiting(self) -> None:
        """Close a connection on which nothing is answered and no next request begins.

        uvicorn ends its own limit with the first byte, which may be the rest of a body whose request has been
        answered, or an empty line.
        """
        is_answering = self.cycle is not None and not self.cycle.response_complete
        if not is_answering and self.timeout_keep_alive_task is None:
            self._start_head_timer()

    def _start_head_timer(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(self._limits.head_timeout_s, self.transport.close)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


async def _send_or_copy(cycle: RequestResponseCycle, send: Callable[[Any], Awaitable[None]], message: Message) -> None:
    """Send a message of the application, with uvicorn's `send`, which knows no files."""
    if message["type"] != SENDS_FILES:
        await send(message)
        return
    offset, count = message["offset"], message["count"]
    copied = 0 if cycle.transport.get_write_buffer_size() else _copy(cycle.transport, message["file"], offset, count)
    cycle.expected_content_length -= copied
    # What the client does not take at once waits in the transport, as any other response.
    rest = os.pread(message["file"], count - copied, offset + copied) if copied < count else b""
    await send({"type": "http.response.body", "body": rest, "more_body": False})


def _copy(transport: asyncio.Transport, file: int, offset: int, count: int) -> int:
    """Let the kernel copy a part of a file to a client. Return how many bytes the client has room for."""
    if transport.is_closing():
        return 0
    try:
        return os.sendfile(transport.get_extra_info("socket").fileno(), file, offset, count)
    except OSError:  # No room, or the client has gone: the transport finds out.
        return 0
