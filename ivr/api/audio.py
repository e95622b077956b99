"""Messages with their audio: EP09, EP10, EP17, EP23, EP24."""

from __future__ import annotations

import re
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from starlette.responses import Response, StreamingResponse

from ivr.api import documents, openapi
from ivr.api.archive import zipped
from ivr.api.asker import TheAsker, TheBox
from ivr.api.body import TheBody
from ivr.api.envelope import created, request_id, revision_of, seen, success
from ivr.api.messages import TheMessage
from ivr.api.names import attachment, file_name
from ivr.api.negotiation import chosen
from ivr.api.ranges import audio
from ivr.api.received import received
from ivr.api.wanted import ids_in
from ivr.errors import InvalidFields, NoSuchForm
from ivr.mailbox.message import GREGORIAN_EPOCH, Caller, Folder
from ivr.mailbox.uploads import Particulars
from ivr.mailbox.violations import refusing_fields

router = APIRouter(prefix="/v2/accounts/{account_id}/vmboxes", tags=["Audio"])
ZIP = "application/zip"
ONE_FILE = {"file": {"required": {"message": "Please provide a media file"}}}

Who = Annotated[str, StringConstraints(max_length=35, pattern=r"^[^\x00-\x1f\x7f]*$")]
Where = Annotated[str, StringConstraints(max_length=256, pattern=r"^[^\x00-\x1f\x7f]*$")]


class MessageDetails(BaseModel):
    """What a program may say of a message (kazoo-behaviour §4.5)."""

    model_config = ConfigDict(extra="ignore", populate_by_name=True, coerce_numbers_to_str=True)

    caller_id_number: Who = ""
    caller_id_name: Who = ""
    from_: Where = Field("", alias="from")
    to: Where = ""
    call_id: Where = ""
    folder: Folder = Folder.NEW
    length: Annotated[int, Field(ge=0, le=10**9)] = 1
    timestamp: Annotated[int, Field(ge=GREGORIAN_EPOCH, le=GREGORIAN_EPOCH + 250_000_000_000)] | None = None


@router.put("/{box_id}/messages", status_code=201, **openapi.CREATE_MESSAGE)
async def create_message(request: Request, asker: TheAsker, box: TheBox) -> Response:
    """A new message: JSON, its audio to follow; or multipart, with JSON and audio; or audio alone."""
    uploads = asker.rooms.uploads
    with uploads.draft() as draft:
        came = await received(request, draft, asker.rooms.limits)
        about = _particulars(came.body.data if not came.has_audio else came.body.data_if_any)
        message = await uploads.add(box, about, await uploads.converted(draft) if came.has_audio else None)
    return created(request, documents.message(message), message.id, revision_of(message))


@router.post("/{box_id}/messages/raw", **openapi.ZIP_MESSAGES)
async def zip_messages(request: Request, asker: TheAsker, box: TheBox, body: TheBody) -> Response:
    """The audio of many messages as one zip; ids that cannot be read are listed in a text file in it."""
    ids = ids_in(body) or []
    if not re.search(r"application/(zip|octet-stream|\*)|\*/\*|^$", request.headers.get("accept", "")):
        raise NoSuchForm(f"this can be given as {ZIP}")
    disposition = attachment(f"{request_id(request)}.zip")
    return StreamingResponse(zipped(asker, box, ids), 200, {"Content-Disposition": disposition}, ZIP)


@router.get("/{box_id}/messages/{message_id}/raw", **openapi.RAW)
async def give_audio(request: Request, asker: TheAsker, box: TheBox, message: TheMessage) -> Response:
    """The audio, with its intro in front where it has one. Fetching it changes no folder."""
    forms = asker.rooms.forms
    form = chosen(request.headers.get("accept"), forms.available(message, box.settings.media_extension))
    given = await forms.give(message, form)
    return audio(request, given, file_name(box, message, given.form.extension))


@router.put("/{box_id}/messages/{message_id}/raw", status_code=201, **openapi.PUT_RAW)
async def take_audio(request: Request, asker: TheAsker, box: TheBox, message: TheMessage) -> Response:
    """The audio of a message: its first, or another instead of what it had.

    `If-Match` may also name the ETag with which its audio was given.
    """
    revision = seen(request, message, await asker.rooms.forms.tags(message))
    uploads = asker.rooms.uploads
    with uploads.draft() as draft:
        if not (await received(request, draft, asker.rooms.limits)).has_audio:
            raise InvalidFields(ONE_FILE)
        changed = await uploads.replace(message, await uploads.converted(draft), seen=revision)
    return success(request, documents.message(changed), status=201, revision=revision_of(changed))


def _particulars(data: dict[str, Any]) -> Particulars:
    with refusing_fields():
        said = MessageDetails.model_validate(data)
    return Particulars(
        caller=Caller(said.caller_id_number, said.caller_id_name), folder=said.folder, from_uri=said.from_,
        to_uri=said.to, call_id=said.call_id, length_ms=said.length,
        time=None if said.timestamp is None else said.timestamp - GREGORIAN_EPOCH,
    )  # fmt: skip
