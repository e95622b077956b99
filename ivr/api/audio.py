"""Audio of messages: one as a stream, many as a zip."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response, StreamingResponse

from ivr.api import audit, openapi, serializers
from ivr.api.audio_headers import (
    audio_response,
    best_format,
    content_disposition,
    max_content_bytes,
    message_filename,
    sends_audio,
)
from ivr.api.audio_links import audio_path, is_signed
from ivr.api.auth import BoxDep, CurrentPrincipal, authenticate, extract_token, get_services, require_box
from ivr.api.dependencies import ApiServices
from ivr.api.direct_route import DirectRoute
from ivr.api.disconnect import run_while_connected
from ivr.api.envelope import created, document_revision, expected_revision, request_id, success
from ivr.api.message_marks import IGNORED_MEMBERS, MAX_LABELS
from ivr.api.messages import MessageDep, find_message, parse_ids, require_message
from ivr.api.misspelling import reject_misspelt_members
from ivr.api.request_body import BodyDep, read_upload
from ivr.api.zip_archive import require_readable, stream_zip
from ivr.errors import InvalidFields, NotAcceptable, NotFound
from ivr.mailbox.box_settings import report_violations
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.uploads import MessageMetadata
from ivr.storage.records import GREGORIAN_OFFSET_S, AuditAction, Caller, Folder, Message
from ivr.validation.fields import CallerText, Label

router = APIRouter(prefix="/v2/accounts/{account_id}/vmboxes", tags=["Audio"], route_class=DirectRoute)
ZIP_TYPE = "application/zip"
MISSING_FILE_VIOLATION = {"file": {"required": {"message": "Please provide a media file"}}}


class MessageDetails(BaseModel):
    """The metadata that a client may set on a new message."""

    model_config = ConfigDict(extra="ignore", populate_by_name=True, coerce_numbers_to_str=True)

    caller_id_number: CallerText = ""
    caller_id_name: CallerText = ""
    from_: CallerText = Field("", alias="from")
    to: CallerText = ""
    call_id: CallerText = ""
    folder: Folder = Folder.NEW
    length: Annotated[int, Field(ge=0, le=10**9)] = 1
    urgent: bool = False
    labels: Annotated[list[Label], Field(max_length=MAX_LABELS)] = Field(default_factory=list)
    timestamp: Annotated[int, Field(ge=GREGORIAN_OFFSET_S, le=GREGORIAN_OFFSET_S + 250_000_000_000)] | None = None


DETAIL_NAMES = tuple(field.alias or name for name, field in MessageDetails.model_fields.items())


@dataclass(frozen=True, slots=True)
class AudioAccess:
    """A message whose audio the client may read."""

    mailbox: Mailbox
    message: Message


async def require_audio_access(request: Request) -> AudioAccess:
    """Authenticate a request for the audio of a message: by a link, or by a token.

    Raises `Unauthorized`, `RateLimited`, `Forbidden`, `NotFound`.
    """
    params, services = request.query_params, get_services(request)
    account_id, box_id, message_id = (request.path_params[name] for name in ("account_id", "box_id", "message_id"))
    if is_signed(params):
        services.audio.links.verify(audio_path(account_id, box_id, message_id), params)
        return await find_audio(request, services, box_id, message_id)
    token = extract_token(request)
    if not token and services.limits.is_token_in_query_allowed:
        token = params.get("auth_token", "")
    request.state.principal = await authenticate(request, services, account_id, token)
    return AudioAccess(await require_box(request), await require_message(request))


async def find_audio(request: Request, services: ApiServices, box_id: str, message_id: str) -> AudioAccess:
    """Return a message that a link opens. Raises `NotFound`, also for a disabled mailbox: its PIN opens none either."""
    mailbox = await services.mailbox.boxes.get(box_id)
    if not mailbox.settings.enabled:
        raise NotFound("the mailbox is disabled", message_id)
    cutoff = mailbox.voicemail_settings.retention_cutoff(services.clock.now())
    return AudioAccess(mailbox, await find_message(request, services, mailbox, message_id, cutoff))


AudioAccessDep = Annotated[AudioAccess, Depends(require_audio_access)]


@router.put("/{box_id}/messages", status_code=201, **openapi.CREATE_MESSAGE)
async def create_message(request: Request, principal: CurrentPrincipal, box: BoxDep) -> Response:
    """Create a message from JSON (its audio follows), from multipart (JSON and audio), or from audio alone."""
    uploads = principal.services.audio.uploads
    with uploads.new_draft() as draft:
        upload = await read_upload(request, draft, principal.services.limits)
        metadata = parse_metadata(upload.body.data if upload.body.is_present or not upload.has_audio else {})
        message = await uploads.add(
            box, metadata, await uploads.convert(box.account_id, draft) if upload.has_audio else None
        )
    audit.record_soon(request, principal, AuditAction.ADDED, box, message.id)
    return created(request, serializers.message_document(message), message.id, document_revision(message))


@router.post("/{box_id}/messages/raw", **openapi.ZIP_MESSAGES)
async def zip_messages(request: Request, principal: CurrentPrincipal, box: BoxDep, body: BodyDep) -> Response:
    """Download the audio of many messages as one ZIP. A text file in it lists the ids that could not be read."""
    ids = parse_ids(body) or []
    if not re.search(r"application/(zip|octet-stream|\*)|\*/\*|^$", request.headers.get("accept", "")):
        raise NotAcceptable(f"only {ZIP_TYPE} is available: change the Accept header")
    await run_while_connected(request, require_readable(principal, box, ids))
    await audit.record(request, principal, AuditAction.EXPORTED, box, ids)
    disposition = content_disposition(f"{request_id(request)}.zip")
    return StreamingResponse(stream_zip(principal, box, ids), 200, {"Content-Disposition": disposition}, ZIP_TYPE)


@router.get("/{box_id}/messages/{message_id}/raw", **openapi.GET_AUDIO)
async def get_audio(request: Request, access: AudioAccessDep) -> Response:
    """Download the audio of a message, preceded by its intro if it has one. The folder stays as it is."""
    box, message, renditions = access.mailbox, access.message, get_services(request).audio.renditions
    available = renditions.formats_for(message, box.settings.media_extension)
    audio_format = best_format(request.headers.get("accept"), available)
    rendition = await renditions.render(message, audio_format, max_content_bytes=max_content_bytes(request))
    filename = message_filename(box, message, rendition.audio_format.extension)
    response = await audio_response(request, rendition, filename)
    if sends_audio(request, response):
        audit.record_fetch(request, box, message.id)
    return response


@router.put("/{box_id}/messages/{message_id}/raw", status_code=201, **openapi.PUT_AUDIO)
async def put_audio(request: Request, principal: CurrentPrincipal, box: BoxDep, message: MessageDep) -> Response:
    """Set or replace the audio of a message.

    `If-Match` may name the revision of the message or the ETag of its audio.
    """
    uploads, renditions = principal.services.audio.uploads, principal.services.audio.renditions
    revision = expected_revision(request, message, await renditions.etags(message))
    with uploads.new_draft() as draft:
        if not (await read_upload(request, draft, principal.services.limits)).has_audio:
            raise InvalidFields(MISSING_FILE_VIOLATION)
        changed = await uploads.replace_audio(
            message, await uploads.convert(box.account_id, draft), expected_revision=revision
        )
    audit.record_soon(request, principal, AuditAction.CHANGED, box, message.id)
    return success(request, serializers.message_document(changed), status=201, revision=document_revision(changed))


def parse_metadata(data: dict[str, Any]) -> MessageMetadata:
    """Return what a client says about a message. Raises `InvalidFields`."""
    reject_misspelt_members(data, DETAIL_NAMES)
    unknown = [name for name in data if name not in (*DETAIL_NAMES, *IGNORED_MEMBERS)]
    if unknown and not {*data} & {*DETAIL_NAMES}:  # A message of an anonymous caller is not what it means.
        violation = {"message": "Unknown key", "target": ", ".join(DETAIL_NAMES)}
        raise InvalidFields({unknown[0]: {"unknown": violation}})
    with report_violations():
        details = MessageDetails.model_validate(data)
    return MessageMetadata(
        caller=Caller(details.caller_id_number, details.caller_id_name),
        folder=details.folder,
        from_uri=details.from_,
        to_uri=details.to,
        call_id=details.call_id,
        length_ms=details.length,
        urgent=details.urgent,
        labels=tuple(details.labels),
        time=None if details.timestamp is None else details.timestamp - GREGORIAN_OFFSET_S,
    )
