"""The HTTP request of a webhook: to a public address, within one deadline, without following redirects."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

import httpcore

from ivr.errors import NotificationFailed, NotificationUndeliverable, describe_error
from ivr.validation.public_addresses import AllowedAddresses, Network

Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
"""Returns the addresses of a host, those to try first at the beginning. Raises OSError."""

DEADLINE_S = 10.0
HTTP_GONE = 410


async def resolve(host: str, port: int) -> list[str]:
    """Return the addresses of a host by the system's resolver. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, proto=6)
    return [str(address[0]) for *_, address in found]


class CheckedNetwork(httpcore.AsyncNetworkBackend):
    """Connects to public addresses, and to those of `allowed_networks`.

    A name is resolved once, and the connection goes to an address that was checked: a name that changes its address
    meanwhile leads nowhere else.
    """

    def __init__(self, allowed_networks: Sequence[Network], resolver: Resolver) -> None:
        self._allowed = AllowedAddresses(allowed_networks)
        self._resolver = resolver
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature of httpcore
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address that accepts. Raises `NotificationFailed` if none is allowed, OSError."""
        addresses = [text for text in await self._resolver(host, port) if self._allowed.permit(text)]
        if not addresses:
            raise NotificationFailed(
                f"{host} has no public address: list its network in notifications.webhook_networks to allow it"
            )
        error: Exception | None = None
        for address in addresses:
            try:
                return await self._network.connect_tcp(address, port, timeout, local_address, socket_options)
            except (OSError, httpcore.ConnectError) as failure:
                error = failure
        raise error or OSError(f"{host} has no address")

    async def connect_unix_socket(self, *_: Any, **__: Any) -> httpcore.AsyncNetworkStream:
        """Webhooks go to no Unix sockets. Raises `NotificationUndeliverable`."""
        raise NotificationUndeliverable("a webhook cannot be sent to a Unix socket")

    async def sleep(self, seconds: float) -> None:
        await self._network.sleep(seconds)


class WebhookRequest:
    """Posts webhooks. `deadline_s`: seconds for a whole request, from the name to the status of the response."""

    def __init__(
        self,
        allowed_networks: Sequence[Network] = (),
        *,
        resolver: Resolver = resolve,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        self._network = CheckedNetwork(allowed_networks, resolver)
        self._deadline_s = deadline_s

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> None:
        """Post a body. The response's body is not read.

        Raises `NotificationFailed` for any status but 2xx, for a receiver that cannot be reached or exceeds the
        deadline; `NotificationUndeliverable` for 410 Gone and for what is no http or https URL.
        """
        try:
            async with asyncio.timeout(self._deadline_s):
                status = await self._status_of(url, body, headers)
        except TimeoutError:
            raise NotificationFailed(f"the webhook did not reply within {self._deadline_s:g} s") from None
        except (httpcore.UnsupportedProtocol, UnicodeError, ValueError):
            raise NotificationUndeliverable(
                f"settings.webhook.url of the account is not an http(s) URL: {url!r}"
            ) from None
        except (OSError, httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException) as error:
            raise NotificationFailed(f"the webhook is unreachable: {describe_error(error)}") from error
        if not 200 <= status < 300:
            kind = NotificationUndeliverable if status == HTTP_GONE else NotificationFailed
            raise kind(f"the webhook replied with status {status}")

    async def _status_of(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        host = httpcore.URL(url).host
        if not host:
            raise ValueError(url)
        async with (
            httpcore.AsyncConnectionPool(
                ssl_context=ssl.create_default_context(), network_backend=self._network, max_keepalive_connections=0
            ) as connections,
            connections.stream("POST", url, headers=[*headers.items()], content=body) as response,
        ):
            return int(response.status)
