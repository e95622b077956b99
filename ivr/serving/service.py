"""One running service, from its start to its stop."""

from __future__ import annotations

from dataclasses import dataclass

from ivr.api.application import application
from ivr.api.server import ApiServer, Listening
from ivr.app import App
from ivr.serving.calls import Calls, take_calls
from ivr.serving.following import Following, follow


@dataclass(frozen=True)
class Service:
    """A running service and where it listens for Asterisk."""

    app: App
    calls: Calls | None
    following: Following | None = None
    api: ApiServer | None = None
    url: str | None = None
    """Where REST is spoken."""

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens for Asterisk."""
        assert self.calls, "it takes no calls"
        return self.calls.address

    async def stop(self) -> None:
        """Give the calls in progress back to the dialplan and let go of everything."""
        if self.api:
            await self.api.stop()
        if self.calls:
            await self.calls.stop()
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
        calls = None if only == "api" else await take_calls(app)
        following = None if only == "api" else await follow(app)
    except BaseException:
        if api:
            await api.stop()
        raise
    return Service(app, calls, following, api, url)


async def _serve_rest(app: App) -> tuple[ApiServer, str]:
    where = app.settings.api
    app.rest.forms.clear()
    app.rest.uploads.clear()
    api = ApiServer(
        application(app.rest), Listening(where.host, where.port, where.certificate, where.key, where.proxies)
    )
    return api, await api.start()
