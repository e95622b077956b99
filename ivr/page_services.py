"""Wiring of the page for owners: a part of the container that only the service needs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from starlette.types import ASGIApp

from ivr.app import App
from ivr.web.page_app import PageDispatch, build_page_app
from ivr.web.page_dependencies import PageLimits, PageServices


def build_page(app: App) -> Callable[[ASGIApp], ASGIApp]:
    """Return the function that puts the page beside the REST API."""
    services = app.voicemail_services
    page = build_page_app(
        PageServices(
            api=app.api_services,
            pins=app.pins,
            secret_store=app.secret_store,
            takes=app.takes,
            capacity=services.capacity,
            limits=PageLimits(
                session_lifetime_s=app.settings.page.session_lifetime_hours * 3600,
                public_url=app.settings.api.public_url or "",
            ),
        )
    )
    return partial(PageDispatch, page)
