"""Messages with their audio: EP09, EP10, EP17, EP23, EP24."""

from __future__ import annotations

import re
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from starlette.responses import Response, StreamingResponse

from ivr.api import openapi, serializers
from ivr.api.archive import stream_zip
from ivr.api.auth import BoxDep, CurrentPrincipal
from ivr.api.envelope import created, document_revision, expected_revision, request_id, success
from ivr.api.filenames import content_disposition, message_filename
from ivr.api.json_body import BodyDep
from ivr.api.message_commands import parse_ids
from ivr.api.messages import MessageDep
from ivr.api.negotiation import best_format
from ivr.api.ranges import audio_response
from ivr.api.upload_body import read_upload
from ivr.errors import InvalidFields, NotAcceptable
from ivr.mailbox.uploads import MessageMetadata
from ivr.mailbox.validation import report_violations
from ivr.storage.records import GREGORIAN_OFFSET_S, Caller, Folder

router = APIRouter(prefix="/v2/accounts/{account_id}/vmboxes", tags=["Audio"])
ZIP_TYPE = "application/zip"
MISSING_FILE_VIOLATION = {"file": {"required": {"message": "Please provide a media file"}}}

CallerText = Annotated[str, StringConstraints(max_length=35, pattern=r"^[^\x00-\x1f\x7f]*$")]
SipUriText = Annotated[str, StringConstraints(max_length=256, pattern=r"^[^\x00-\x1f\x7f]*$")]


class MessageDetails(BaseModel):
    """What a program may say of a message (kazoo-behaviour §4.5)."""

    model_config = ConfigDict(extra="ignore", populate_by_name=True, coerce_numbers_to_str=True)

    caller_id_number: CallerText = ""
    caller_id_name: CallerText = ""
    from_: SipUriText = Field("", alias="from")
    to: SipUriText = ""
    call_id: SipUriText = ""
    folder: Folder = Folder.NEW
    length: Annotated[int, Field(ge=0, le=10**9)] = 1
    timestamp: Annotated[int, Field(ge=GREGORIAN_OFFSET_S, le=GREGORIAN_OFFSET_S + 250_000_000_000)] | None = None


@router.put("/{box_id}/messages", status_code=201, **openapi.CREATE_MESSAGE)
async def create_message(request: Request, principal: CurrentPrincipal, box: BoxDep) -> Response:
    """A new message: JSON, its audio to follow; or multipart, with JSON and audio; or audio alone."""
    uploads = principal.services.uploads
    with uploads.new_draft() as draft:
        came = await read_upload(request, draft, principal.services.limits)
        about = _parse_metadata(came.body.data if not came.has_audio else came.body.data_or_empty)
        message = await uploads.add(box, about, await uploads.convert(draft) if came.has_audio else None)
    return created(request, serializers.message_document(message), message.id, document_revision(message))


@router.post("/{box_id}/messages/raw", **openapi.ZIP_MESSAGES)
async def zip_messages(request: Request, principal: CurrentPrincipal, box: BoxDep, body: BodyDep) -> Response:
    """The audio of many messages as one zip; ids that cannot be read are listed in a text file in it."""
    ids = parse_ids(body) or []
    if not re.search(r"application/(zip|octet-stream|\*)|\*/\*|^$", request.headers.get("accept", "")):
        raise NotAcceptable(f"this can be given as {ZIP_TYPE}")
    disposition = content_disposition(f"{request_id(request)}.zip")
    return StreamingResponse(stream_zip(principal, box, ids), 200, {"Content-Disposition": disposition}, ZIP_TYPE)


@router.get("/{box_id}/messages/{message_id}/raw", **openapi.GET_AUDIO)
async def get_audio(request: Request, principal: CurrentPrincipal, box: BoxDep, message: MessageDep) -> Response:
    """The audio, with its intro in front where it has one. Fetching it changes no folder."""
    forms = principal.services.renditions
    form = best_format(request.headers.get("accept"), forms.formats_for(message, box.settings.media_extension))
    given = await forms.render(message, form)
    return audio_response(request, given, message_filename(box, message, given.audio_format.extension))


@router.put("/{box_id}/messages/{message_id}/raw", status_code=201, **openapi.PUT_AUDIO)
async def put_audio(request: Request, principal: CurrentPrincipal, box: BoxDep, message: MessageDep) -> Response:
    """The audio of a message: its first, or another instead of what it had.

    `If-Match` may also name the ETag with which its audio was given.
    """
    revision = expected_revision(request, message, await principal.services.renditions.etags(message))
    uploads = principal.services.uploads
    with uploads.new_draft() as draft:
        if not (await read_upload(request, draft, principal.services.limits)).has_audio:
            raise InvalidFields(MISSING_FILE_VIOLATION)
        changed = await uploads.replace_audio(message, await uploads.convert(draft), expected_revision=revision)
    return success(request, serializers.message_document(changed), status=201, revision=document_revision(changed))


def _parse_metadata(data: dict[str, Any]) -> MessageMetadata:
    with report_violations():
        said = MessageDetails.model_validate(data)
    return MessageMetadata(
        caller=Caller(said.caller_id_number, said.caller_id_name),
        folder=said.folder,
        from_uri=said.from_,
        to_uri=said.to,
        call_id=said.call_id,
        length_ms=said.length,
        time=None if said.timestamp is None else said.timestamp - GREGORIAN_OFFSET_S,
    )
