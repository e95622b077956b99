"""uvicorn inside the event loop of the service, with or without TLS."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from ivr.api.http_protocol import ConnectionLimits, LimitedHttpProtocol
from ivr.api.tls_protocol import TlsHandshake
from ivr.errors import SettingsError, describe_error
from ivr.precedence import background

SHUTDOWN_GRACE_S = 5
"""Seconds that running requests have to finish when the server stops."""
DATE_INTERVAL_S = 1.0
"""Seconds for which responses have the same Date header."""
KEEP_ALIVE_S = 65
"""Seconds that an idle connection stays open: longer than in the pools of clients and proxies, which use 60 s."""


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """Address, certificate and trusted proxies of the server."""

    host: str
    port: int
    """0: any free port."""
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    trusted_proxies: str = ""
    """Addresses, separated by commas, whose X-Forwarded-For header is believed."""
    connection_limits: ConnectionLimits = field(default_factory=ConnectionLimits)


class _EmbeddedUvicorn(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Stop soon."""
        self.should_exit = True
        self._stopping.set()

    async def main_loop(self) -> None:
        """Refresh the Date header until the server stops.

        uvicorn looks ten times a second whether it should stop, which is a fifth of what a service at rest does.
        """
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), DATE_INTERVAL_S)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # `ivr serve` handles the signals.


class ApiServer:
    """Serves an ASGI application. `on_stop`: called first when the server stops, to end responses without end."""

    def __init__(self, app: ASGIApp, address: ListenAddress, *, on_stop: Callable[[], None] | None = None) -> None:
        self._app = app
        self._address = address
        self._on_stop = on_stop
        self._server: _EmbeddedUvicorn | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self, listener: socket.socket | None = None) -> str:
        """Listen, and return the URL. `listener`: a socket that listens there already. Raises `SettingsError`."""
        address = self._address
        if bool(address.tls_certificate) != bool(address.tls_key):
            raise SettingsError("only one of api.tls_certificate and api.tls_key is set: set both or neither")
        listening_socket = listener or bind_socket(address)
        try:
            config = uvicorn.Config(
                self._app,
                log_config=None,
                access_log=False,
                lifespan="off",
                server_header=False,
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=SHUTDOWN_GRACE_S,
                ws="none",
                proxy_headers=bool(address.trusted_proxies),
                forwarded_allow_ips=address.trusted_proxies or None,
                ssl_certfile=address.tls_certificate,
                ssl_keyfile=address.tls_key,
            )
            config.load()
            config.http_protocol_class = _protocol_class(config, address.connection_limits)  # type: ignore[assignment]
        except (OSError, ssl.SSLError) as error:
            listening_socket.close()
            raise SettingsError(f"cannot use api.tls_certificate or api.tls_key: {describe_error(error)}") from error
        self._server = _EmbeddedUvicorn(config)
        with background():  # Its connections are accepted and read as requests are worked on: calls go first.
            self._task = asyncio.create_task(self._server.serve(sockets=[listening_socket]))
        await self._server.listening.wait()
        return base_url(listening_socket, has_tls=bool(address.tls_certificate))

    async def stop(self) -> None:
        """Stop listening, and wait for running requests, at most `SHUTDOWN_GRACE_S`."""
        if self._server and self._task:
            self._server.stop()
            if self._on_stop:
                self._on_stop()
            await self._task


def _protocol_class(config: uvicorn.Config, limits: ConnectionLimits) -> Callable[..., asyncio.Protocol]:
    """Return what makes the protocol of each connection. TLS is taken from uvicorn, which does not limit handshakes."""
    context, config.ssl = config.ssl, None

    def build_protocol(**options: Any) -> asyncio.Protocol:
        build_http = partial(LimitedHttpProtocol, limits=limits, **options)
        return TlsHandshake(build_http, context, limits) if context else build_http()

    return build_protocol


def base_url(listening_socket: socket.socket, *, has_tls: bool) -> str:
    """Return the URL of what listens at a socket."""
    host, port = listening_socket.getsockname()[:2]
    return f"{'https' if has_tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"


def bind_socket(address: ListenAddress, *, shares_port: bool = False) -> socket.socket:
    """Bind a listening socket. Raises `SettingsError`.

    `shares_port`: further sockets of the same user may be bound to the address, and the kernel distributes connections
    among those that listen.

    The protocol is named explicitly, because asyncio sets TCP_NODELAY only on sockets of IPPROTO_TCP. Without it,
    Nagle's algorithm delays responses by 40 ms.
    """
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    listening_socket = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening_socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shares_port:
            listening_socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listening_socket.bind((address.host, address.port))
    except OSError as error:
        listening_socket.close()
        raise SettingsError(
            f"cannot listen on {address.host} port {address.port} ({error.strerror}): change api.host or api.port"
        ) from error
    return listening_socket
