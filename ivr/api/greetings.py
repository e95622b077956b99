"""Greetings and the owner's name: given, taken and taken away; paths of our own, beside those of the seed."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from ivr.api import openapi
from ivr.api.audio import MISSING_FILE_VIOLATION
from ivr.api.auth import BoxDep, CurrentPrincipal
from ivr.api.envelope import created, if_match_tags, success
from ivr.api.filenames import greeting_filename
from ivr.api.negotiation import best_format
from ivr.api.ranges import audio_response
from ivr.api.upload_body import read_upload
from ivr.errors import Forbidden, InvalidFields, NotFound, PreconditionFailed
from ivr.storage.records import MediaKind, StoredMedia

router = APIRouter(prefix="/v2/accounts/{account_id}/vmboxes/{box_id}/greetings", tags=["Greetings"])


async def require_greeting_kind(greeting: str) -> MediaKind:
    """Raises `NotFound`."""
    if greeting not in list(MediaKind):
        raise NotFound("there is no such greeting", greeting)
    return MediaKind(greeting)


GreetingKindDep = Annotated[MediaKind, Depends(require_greeting_kind)]


@router.get("/{greeting}/raw", **openapi.GET_GREETING)
async def get_greeting(request: Request, principal: CurrentPrincipal, box: BoxDep, kind: GreetingKindDep) -> Response:
    """What callers hear: `unavailable`, `temporary_unavailable` or the owner's `name`."""
    forms, found = principal.services.renditions, await principal.services.greeting_uploads.find(box, kind)
    uploaded = found.media.content_type if found.upload else None
    form = best_format(
        request.headers.get("accept"), forms.formats_for_recording(uploaded, box.settings.media_extension)
    )
    given = await forms.render_recording(found.recording, found.upload, uploaded, form)
    tagged = replace(given, etag=found.media.id)  # Another greeting is another recording: one never changes.
    return audio_response(request, tagged, greeting_filename(box, kind, given.audio_format.extension))


@router.put("/{greeting}/raw", status_code=201, **openapi.PUT_GREETING)
async def put_greeting(request: Request, principal: CurrentPrincipal, box: BoxDep, kind: GreetingKindDep) -> Response:
    """Audio that callers hear from now on; what was recorded at a phone before goes."""
    _require_configurable(principal.user_id, box.settings.not_configurable)
    uploads, greetings = principal.services.uploads, principal.services.greeting_uploads
    instead_of = _expected_media_id(request, greetings.active_media_id(box, kind))
    with uploads.new_draft() as draft:
        if not (await read_upload(request, draft, principal.services.limits)).has_audio:
            raise InvalidFields(MISSING_FILE_VIOLATION)
        media = await greetings.activate(box, kind, await uploads.convert(draft), expected_media_id=instead_of)
    return created(request, _media_document(media), media.id, media.id)


@router.delete("/{greeting}", **openapi.DELETE_GREETING)
async def delete_greeting(
    request: Request, principal: CurrentPrincipal, box: BoxDep, kind: GreetingKindDep
) -> Response:
    """Callers hear what they would without it."""
    _require_configurable(principal.user_id, box.settings.not_configurable)
    greetings = principal.services.greeting_uploads
    instead_of = _expected_media_id(request, greetings.active_media_id(box, kind))
    return success(request, _media_document(await greetings.deactivate(box, kind, expected_media_id=instead_of)))


def _expected_media_id(request: Request, active_media_id: str | None) -> str | None:
    """The recording that alone the asker wants changed, by its id or the ETag of its audio; None: whichever it is.

    Raises `PreconditionFailed` where it is another one already.
    """
    tags = if_match_tags(request)
    if tags is not None and active_media_id not in [tag.partition("-")[0] for tag in tags]:
        raise PreconditionFailed("another recording is in use: read it again")
    return None if tags is None else active_media_id


def _media_document(media: StoredMedia) -> dict[str, Any]:
    return {"media_id": media.id, "kind": media.kind, "length": media.length_ms, "content_type": media.content_type}


def _require_configurable(user_id: str | None, not_configurable: bool) -> None:
    if user_id is not None and not_configurable:
        raise Forbidden("this box can only be changed with a token for the whole account")
