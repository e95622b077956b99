"""One running service, from its start to its stop."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from ivr.api.application import application
from ivr.api.server import ApiServer, Listening
from ivr.app import App
from ivr.call.fastagi.server import FastAgiServer
from ivr.serving.calls import take_calls
from ivr.serving.following import Following, follow


@dataclass(frozen=True)
class Service:
    """A running service and where it listens for Asterisk."""

    app: App
    fastagi: FastAgiServer | None
    agi: tuple[str, int] | None
    background: tuple[asyncio.Task[None], ...]
    following: Following | None = None
    api: ApiServer | None = None
    url: str | None = None
    """Where REST is spoken."""

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens for Asterisk."""
        assert self.agi, "it takes no calls"
        return self.agi

    async def stop(self) -> None:
        """Give the calls in progress back to the dialplan and let go of everything."""
        for task in self.background:
            task.cancel()
        await asyncio.gather(*self.background, return_exceptions=True)
        if self.api:
            await self.api.stop()
        if self.fastagi:
            await self.fastagi.stop()
        if self.following:
            await self.following.stop()
        await self.app.workshop.close()
        self.app.close()


async def serve(app: App, only: str | None = None) -> Service:
    """Begin to take calls and to speak REST, or `only` one of "calls" and "api".

    Raises `SettingsError`, also for an address in use, and `CatalogueError`.
    """
    api, url = (None, None) if only == "calls" else await _serve_rest(app)
    try:
        fastagi, address, background = (None, None, ()) if only == "api" else await take_calls(app)
        following = None if only == "api" else await follow(app)
    except BaseException:
        if api:
            await api.stop()
        raise
    return Service(app, fastagi, address, background, following, api, url)


async def _serve_rest(app: App) -> tuple[ApiServer, str]:
    where = app.settings.api
    app.rest.forms.clear()
    app.rest.uploads.clear()
    api = ApiServer(
        application(app.rest), Listening(where.host, where.port, where.certificate, where.key, where.proxies)
    )
    return api, await api.start()
