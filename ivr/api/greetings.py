"""Greetings and the owner's name: given, taken and taken away; paths of our own, beside those of the seed."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from ivr.api import openapi
from ivr.api.asker import TheAsker, TheBox
from ivr.api.audio import ONE_FILE
from ivr.api.envelope import created, success, wanted
from ivr.api.names import greeting_name
from ivr.api.negotiation import chosen
from ivr.api.ranges import audio
from ivr.api.received import received
from ivr.errors import InvalidFields, NotAllowed, NotFound, Outdated
from ivr.mailbox.store import Media, MediaKind

router = APIRouter(prefix="/v2/accounts/{account_id}/vmboxes/{box_id}/greetings", tags=["Greetings"])


async def the_kind(greeting: str) -> MediaKind:
    """Raises `NotFound`."""
    if greeting not in list(MediaKind):
        raise NotFound("there is no such greeting", greeting)
    return MediaKind(greeting)


TheKind = Annotated[MediaKind, Depends(the_kind)]


@router.get("/{greeting}/raw", **openapi.SHOW_GREETING)
async def give_greeting(request: Request, asker: TheAsker, box: TheBox, kind: TheKind) -> Response:
    """What callers hear: `unavailable`, `temporary_unavailable` or the owner's `name`."""
    forms, found = asker.rooms.forms, await asker.rooms.greetings.find(box, kind)
    uploaded = found.media.content_type if found.upload else None
    form = chosen(request.headers.get("accept"), forms.of_recording(uploaded, box.settings.media_extension))
    given = await forms.give_recording(found.recording, found.upload, uploaded, form)
    tagged = replace(given, tag=found.media.id)  # Another greeting is another recording: one never changes.
    return audio(request, tagged, greeting_name(box, kind, given.form.extension))


@router.put("/{greeting}/raw", status_code=201, **openapi.PUT_GREETING)
async def take_greeting(request: Request, asker: TheAsker, box: TheBox, kind: TheKind) -> Response:
    """Audio that callers hear from now on; what was recorded at a phone before goes."""
    _must_be_configurable(asker.user_id, box.settings.not_configurable)
    uploads, greetings = asker.rooms.uploads, asker.rooms.greetings
    instead_of = _seen(request, greetings.in_use(box, kind))
    with uploads.draft() as draft:
        if not (await received(request, draft, asker.rooms.limits)).has_audio:
            raise InvalidFields(ONE_FILE)
        media = await greetings.use(box, kind, await uploads.converted(draft), instead_of=instead_of)
    return created(request, _document(media), media.id, media.id)


@router.delete("/{greeting}", **openapi.DELETE_GREETING)
async def remove_greeting(request: Request, asker: TheAsker, box: TheBox, kind: TheKind) -> Response:
    """Callers hear what they would without it."""
    _must_be_configurable(asker.user_id, box.settings.not_configurable)
    greetings = asker.rooms.greetings
    instead_of = _seen(request, greetings.in_use(box, kind))
    return success(request, _document(await greetings.stop(box, kind, instead_of=instead_of)))


def _seen(request: Request, in_use: str | None) -> str | None:
    """The recording that alone the asker wants changed, by its id or the ETag of its audio; None: whichever it is.

    Raises `Outdated` where it is another one already.
    """
    tags = wanted(request)
    if tags is not None and in_use not in [tag.partition("-")[0] for tag in tags]:
        raise Outdated("another recording is in use: read it again")
    return None if tags is None else in_use


def _document(media: Media) -> dict[str, Any]:
    return {"media_id": media.id, "kind": media.kind, "length": media.length_ms, "content_type": media.content_type}


def _must_be_configurable(user_id: str | None, fixed: bool) -> None:
    if user_id is not None and fixed:
        raise NotAllowed("this box can only be changed with a token for the whole account")
