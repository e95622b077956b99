"""Who may ask at all, by address, before anything is looked at (checklist SI09)."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from ivr.api.envelope import failure

Network = IPv4Network | IPv6Network


class IpAllowlistMiddleware:
    """ASGI middleware; with no `networks` everybody may ask, as far as their token goes."""

    def __init__(self, app: ASGIApp, networks: Sequence[Network]) -> None:
        self._app = app
        self._networks = networks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not self._networks or self._is_allowed(scope):
            await self._app(scope, receive, send)
            return
        answer = failure(Request(scope), 403, "forbidden", {"message": "nobody is answered at this address"})
        await answer(scope, receive, send)

    def _is_allowed(self, scope: Scope) -> bool:
        try:
            asker = ip_address(scope["client"][0])
        except (TypeError, ValueError):
            return False
        return any(asker in network for network in self._networks)
