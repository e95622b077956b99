"""Wiring of the REST API: the part of the container that only the service needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ivr.api.audio_links import AudioLinks
from ivr.api.dependencies import ApiLimits, ApiServices, AudioServices, AuthServices, MailboxServices, MediaServices
from ivr.directory.rate_limit import RateLimiter
from ivr.mailbox.bulk import BulkOperations
from ivr.mailbox.owner_changes import OwnerChanges
from ivr.storage.read_cache import ReadCache
from ivr.storage.sqlite.edge_recordings import SqliteEdgeRecordings
from ivr.storage.sqlite.listing import SqliteListing

if TYPE_CHECKING:
    from ivr.app import App

MAX_RENDERED_PAGES = 200


def build_api_services(app: App) -> ApiServices:
    """Return the services and limits of the REST API."""
    api, media = app.settings.api, app.settings.media
    return ApiServices(
        auth=AuthServices(
            directory=app.directory,
            tokens=app.tokens,
            credentials=app.credentials,
            rate_limiter=RateLimiter(app.auth_attempts, app.clock, api.failures_per_hour),
            token_rate_limiter=RateLimiter(app.auth_attempts, app.clock, api.failures_per_hour, scope="token"),
        ),
        mailbox=MailboxServices(
            boxes=app.boxes,
            messages=app.messages,
            delivery=app.delivery,
            lists=SqliteListing(app.database),
            undelivered_mail=app.undelivered_mail,
            bulk=BulkOperations(messages=app.messages, delivery=app.delivery),
            owner_changes=OwnerChanges(app.media),
        ),
        audio=AudioServices(
            uploads=app.uploads,
            greeting_uploads=app.voicemail_services.greeting_uploads,
            renditions=app.renditions("renditions"),
            links=AudioLinks(app.peppers, app.clock, lifetime_s=api.link_lifetime_s),
        ),
        media=MediaServices(
            recordings=SqliteEdgeRecordings(app.database),
            edges=tuple(media.edges),
            edge_token=media.edge_token,
            clients=tuple(media.clients),
            x_accel_redirect=media.x_accel_redirect,
        ),
        audit_log=app.audit_log,
        limits=ApiLimits(
            max_json_bytes=api.max_json_bytes,
            max_audio_bytes=api.max_audio_bytes,
            idle_timeout_s=api.body_idle_timeout_s,
            min_bytes_per_s=api.body_min_bytes_per_s,
            own_boxes_only=api.own_boxes_only,
            session_lifetime_s=api.session_lifetime_hours * 3600,
            max_sessions=api.max_sessions,
            allowed_networks=tuple(api.allowed_networks),
            origins=tuple(api.origins),
            is_basic_allowed=api.basic_auth,
            is_token_in_query_allowed=api.token_in_query,
        ),
        rendered_pages=ReadCache(app.database.change_fingerprint, max_entries=MAX_RENDERED_PAGES),
        clock=app.clock,
        ids=app.ids,
        public_pages={} if app.settings.health.port else app.health_pages.pages,
    )
