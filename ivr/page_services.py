"""Wiring of the page for owners: a part of the container that only the service needs."""

from __future__ import annotations

from starlette.types import ASGIApp

from ivr.app import App
from ivr.notifications.call_back_call import CallBackCalls
from ivr.notifications.mail.rendering import mail_languages
from ivr.settings import Settings
from ivr.web.desk_phone_app import DESK_PHONE_PREFIX, build_desk_phone_app
from ivr.web.desk_phone_screens import ScreenRenderer
from ivr.web.doctor_process import DoctorProcess
from ivr.web.live_updates import LiveUpdates
from ivr.web.page_app import PREFIX, PathDispatch, build_page_app
from ivr.web.page_dependencies import AdminServices, FindFindings, PageLimits, PageServices
from ivr.web.page_rendering import PageRenderer


class PageApps:
    """The page for owners and the screens of desk phones, as far as they are enabled."""

    def __init__(self, services: PageServices, settings: Settings) -> None:
        self.services = services
        self._settings = settings
        self._page_renderer, self._screen_renderer = PageRenderer(), ScreenRenderer()

    def __call__(self, api: ASGIApp) -> ASGIApp:
        """Return the application that has them beside the REST API."""
        if self._settings.desk_phones.enabled:
            api = PathDispatch(build_desk_phone_app(self.services, self._screen_renderer), DESK_PHONE_PREFIX, "", api)
        if self._settings.page.enabled:
            api = PathDispatch(build_page_app(self.services, self._page_renderer), PREFIX, "/", api)
        return api

    def compile_templates(self) -> None:
        """Compile the templates of what is enabled, so that the first requests do not keep calls waiting."""
        if self._settings.page.enabled:
            self._page_renderer.compile_templates()
        if self._settings.desk_phones.enabled:
            self._screen_renderer.compile_templates()

    def close(self) -> None:
        """End the streams of open pages, which connect again when the service is back."""
        self.services.live_updates.close()


def build_page(app: App, *, find_findings: FindFindings | None = None) -> PageApps:
    """Build page and screens. `find_findings`: what the doctor finds; by default `ivr doctor` is run."""
    settings = app.settings
    services = PageServices(
        api=app.api_services,
        pins=app.pins,
        secret_store=app.secret_store,
        takes=app.takes,
        capacity=app.voicemail_services.capacity,
        live_updates=LiveUpdates(app.mailbox_changes),
        call_backs=CallBackCalls(app.ami_client) if app.ami_client else None,
        languages=sorted({*app.catalogues, *mail_languages()}),
        asterisk_name=settings.asterisk.system_name,
        admin=AdminServices(
            pin_lockout=app.pin_lockout,
            box_usage=app.box_usage,
            calls=app.call_store,
            outbox=app.outbox,
            call_record_days=settings.retention.call_record_days,
            find_findings=find_findings or DoctorProcess().run,
            random_bytes=app.random_bytes,
        ),
        limits=PageLimits(
            session_lifetime_s=settings.page.session_lifetime_hours * 3600,
            public_url=settings.api.public_url or "",
            dial_prefix=settings.desk_phones.dial_prefix,
            phones_without_tls=settings.desk_phones.allow_plain_http,
        ),
    )
    return PageApps(services, settings)
