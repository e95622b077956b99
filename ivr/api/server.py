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

GRACE_S = 5
"""Seconds that requests under way have when it stops."""
AT_A_TIME = 500
"""Connections; more are told to come again."""


@dataclass(frozen=True, slots=True)
class Listening:
    """Where, and with which certificate."""

    host: str
    port: int
    certificate: Path | None = None
    key: Path | None = None
    proxies: str = ""


class _Uvicorn(uvicorn.Server):
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

    def __init__(self, app: ASGIApp, where: Listening) -> None:
        self._app = app
        self._where = where
        self._server: _Uvicorn | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> str:
        """Begin to listen; gives its address as a URL. Raises `SettingsError`."""
        where = self._where
        if bool(where.certificate) != bool(where.key):
            raise SettingsError("api.certificate and api.key go together: set both, or none")
        listener = _listener(where)
        try:
            config = uvicorn.Config(
                self._app, log_config=None, access_log=False, lifespan="off", server_header=False,
                limit_concurrency=AT_A_TIME, timeout_graceful_shutdown=GRACE_S, ws="none",
                proxy_headers=bool(where.proxies), forwarded_allow_ips=where.proxies or None,
                ssl_certfile=where.certificate, ssl_keyfile=where.key,
            )  # fmt: skip
            config.load()
        except (OSError, ssl.SSLError) as error:
            listener.close()
            raise SettingsError(f"api.certificate or api.key cannot be used: {error}") from error
        self._server = _Uvicorn(config)
        self._task = asyncio.create_task(self._server.serve(sockets=[listener]))
        await self._server.listening.wait()
        host, port = listener.getsockname()[:2]
        return f"{'https' if where.certificate else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"

    async def stop(self) -> None:
        """Let requests under way end, for a few seconds."""
        if self._server and self._task:
            self._server.should_exit = True
            await self._task


def _listener(where: Listening) -> socket.socket:
    """Of protocol TCP by name: only then are answers sent at once, rather than held back for 40 ms (Nagle)."""
    family = socket.AF_INET6 if ":" in where.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((where.host, where.port))
    except OSError as error:
        listener.close()
        said = f"REST cannot listen at {where.host} port {where.port} ({error.strerror}): change api.host or api.port"
        raise SettingsError(said) from error
    return listener
