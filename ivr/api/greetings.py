"""Routes for greetings and the owner's recorded name. Kazoo has no such paths."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from ivr.api import audit, openapi
from ivr.api.audio import MISSING_FILE_VIOLATION
from ivr.api.audio_headers import audio_response, best_format, greeting_filename
from ivr.api.auth import NOT_CONFIGURABLE, BoxDep, CurrentPrincipal
from ivr.api.direct_route import DirectRoute
from ivr.api.envelope import created, if_match_tags, success
from ivr.api.request_body import BodyDep, read_upload
from ivr.errors import Forbidden, InvalidFields, NotFound, PreconditionFailed
from ivr.mailbox.greetings import greeting_setting
from ivr.storage.records import MediaKind, StoredMedia

router = APIRouter(
    prefix="/v2/accounts/{account_id}/vmboxes/{box_id}/greetings", tags=["Greetings"], route_class=DirectRoute
)


async def require_greeting_kind(request: Request) -> MediaKind:
    """Return the greeting of the path. Raises `NotFound`."""
    greeting = request.path_params["greeting"]
    if greeting not in list(MediaKind):
        raise NotFound(f"unknown greeting: use one of {', '.join(MediaKind)}", greeting)
    return MediaKind(greeting)


GreetingKindDep = Annotated[MediaKind, Depends(require_greeting_kind)]


@router.get("/{greeting}/raw", **openapi.GET_GREETING)
async def get_greeting(request: Request, principal: CurrentPrincipal, box: BoxDep, kind: GreetingKindDep) -> Response:
    """Download a greeting: `unavailable`, `temporary_unavailable` or the owner's `name`."""
    renditions = principal.services.audio.renditions
    greeting = await principal.services.audio.greeting_uploads.find(box, kind)
    uploaded_type = greeting.media.content_type if greeting.upload else None
    available = renditions.formats_for_recording(uploaded_type, box.settings.media_extension)
    audio_format = best_format(request.headers.get("accept"), available)
    rendition = await renditions.render_recording(
        box.account_id, greeting.recording, greeting.upload, uploaded_type, audio_format
    )
    # The media id serves as ETag: a recording never changes, another greeting has another id.
    rendition = replace(rendition, etag=greeting.media.id)
    return await audio_response(request, rendition, greeting_filename(box, kind, rendition.audio_format.extension))


@router.put("/{greeting}/raw", status_code=201, **openapi.PUT_GREETING)
async def put_greeting(request: Request, principal: CurrentPrincipal, box: BoxDep, kind: GreetingKindDep) -> Response:
    """Upload a greeting. It replaces a greeting that was recorded at a phone."""
    _require_configurable(principal.user_id, box.settings.not_configurable)
    uploads, greetings = principal.services.audio.uploads, principal.services.audio.greeting_uploads
    expected_media_id = _expected_media_id(request, box.active_media_id(kind))
    with uploads.new_draft() as draft:
        if not (await read_upload(request, draft, principal.services.limits)).has_audio:
            raise InvalidFields(MISSING_FILE_VIOLATION)
        media = await greetings.activate(
            box, kind, await uploads.convert(box.account_id, draft), expected_media_id=expected_media_id
        )
    await audit.record_settings(request, principal, box, [greeting_setting(kind)])
    return created(request, _media_document(media), media.id, media.id)


@router.delete("/{greeting}", **openapi.DELETE_GREETING)
async def delete_greeting(
    request: Request, principal: CurrentPrincipal, box: BoxDep, kind: GreetingKindDep, body: BodyDep
) -> Response:
    """Delete a greeting. Callers hear what they hear without it. The body may not name another method."""
    _require_configurable(principal.user_id, box.settings.not_configurable)
    greetings = principal.services.audio.greeting_uploads
    expected_media_id = _expected_media_id(request, box.active_media_id(kind))
    media = await greetings.deactivate(box, kind, expected_media_id=expected_media_id)
    await audit.record_settings(request, principal, box, [greeting_setting(kind)])
    return success(request, _media_document(media))


def _expected_media_id(request: Request, active_media_id: str | None) -> str | None:
    """Return the recording that `If-Match` requires, by its id or the ETag of its audio; None: any recording.

    Raises `PreconditionFailed` if another recording is active.
    """
    tags = if_match_tags(request)
    if tags is not None and active_media_id not in [tag.partition("-")[0] for tag in tags]:
        raise PreconditionFailed("another recording is in use: read it again")
    return None if tags is None else active_media_id


def _media_document(media: StoredMedia) -> dict[str, Any]:
    return {"media_id": media.id, "kind": media.kind, "length": media.length_ms, "content_type": media.content_type}


def _require_configurable(user_id: str | None, not_configurable: bool) -> None:
    if user_id is not None and not_configurable:
        raise Forbidden(NOT_CONFIGURABLE)
