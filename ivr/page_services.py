"""Wiring of the page for owners and of the desk phones: a part of the container that only the service needs."""

from __future__ import annotations

from collections.abc import Callable

from starlette.types import ASGIApp

from ivr.app import App
from ivr.web.desk_phone_app import DESK_PHONE_PREFIX, build_desk_phone_app
from ivr.web.page_app import PREFIX, PathDispatch, build_page_app
from ivr.web.page_dependencies import PageLimits, PageServices


def build_page(app: App) -> Callable[[ASGIApp], ASGIApp]:
    """Return the function that puts page and screens of desk phones beside the REST API, if they are enabled."""
    settings = app.settings
    services = PageServices(
        api=app.api_services,
        pins=app.pins,
        secret_store=app.secret_store,
        takes=app.takes,
        capacity=app.voicemail_services.capacity,
        asterisk_name=settings.asterisk.system_name,
        limits=PageLimits(
            session_lifetime_s=settings.page.session_lifetime_hours * 3600,
            public_url=settings.api.public_url or "",
            dial_prefix=settings.desk_phones.dial_prefix,
            phones_without_tls=settings.desk_phones.allow_plain_http,
        ),
    )

    def add(api: ASGIApp) -> ASGIApp:
        if settings.desk_phones.enabled:
            api = PathDispatch(build_desk_phone_app(services), DESK_PHONE_PREFIX, "", api)
        return PathDispatch(build_page_app(services), PREFIX, "/", api) if settings.page.enabled else api

    return add
