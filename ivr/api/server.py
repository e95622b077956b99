"""uvicorn within our own loop: it listens where it is told, over TLS where there is a certificate."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from ivr.errors import SettingsError

SHUTDOWN_GRACE_S = 5
"""Seconds that requests under way have when it stops."""
MAX_CONNECTIONS = 500
"""Connections; more are told to come again."""


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """Where, and with which certificate."""

    host: str
    port: int
    certificate: Path | None = None
    private_key: Path | None = None
    trusted_proxies: str = ""


class _EmbeddedUvicorn(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # Signals are for `ivr serve`.


class ApiServer:
    """Serves `app` from `start` to `stop`."""

    def __init__(self, app: ASGIApp, address: ListenAddress) -> None:
        self._app = app
        self._address = address
        self._server: _EmbeddedUvicorn | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> str:
        """Begin to listen; gives its address as a URL. Raises `SettingsError`."""
        where = self._address
        if bool(where.certificate) != bool(where.private_key):
            raise SettingsError("api.certificate and api.key go together: set both, or none")
        listener = _bind_socket(where)
        try:
            config = uvicorn.Config(
                self._app,
                log_config=None,
                access_log=False,
                lifespan="off",
                server_header=False,
                limit_concurrency=MAX_CONNECTIONS,
                timeout_graceful_shutdown=SHUTDOWN_GRACE_S,
                ws="none",
                proxy_headers=bool(where.trusted_proxies),
                forwarded_allow_ips=where.trusted_proxies or None,
                ssl_certfile=where.certificate,
                ssl_keyfile=where.private_key,
            )
            config.load()
        except (OSError, ssl.SSLError) as error:
            listener.close()
            raise SettingsError(f"api.certificate or api.key cannot be used: {error}") from error
        self._server = _EmbeddedUvicorn(config)
        self._task = asyncio.create_task(self._server.serve(sockets=[listener]))
        await self._server.listening.wait()
        host, port = listener.getsockname()[:2]
        return f"{'https' if where.certificate else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"

    async def stop(self) -> None:
        """Let requests under way end, for a few seconds."""
        if self._server and self._task:
            self._server.should_exit = True
            await self._task


def _bind_socket(address: ListenAddress) -> socket.socket:
    """Of protocol TCP by name: only then are answers sent at once, rather than held back for 40 ms (Nagle)."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address.host, address.port))
    except OSError as error:
        listener.close()
        said = (
            f"REST cannot listen at {address.host} port {address.port} ({error.strerror}): change api.host or api.port"
        )
        raise SettingsError(said) from error
    return listener
