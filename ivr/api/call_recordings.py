"""Recordings of media edges, by the id of their call: uploaded by edges, fetched by players of listed networks."""

from __future__ import annotations

import hmac
import re
from ipaddress import ip_address
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import structlog
from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from ivr.api import audit, openapi
from ivr.api.audio import MISSING_FILE_VIOLATION, AudioAccess, find_audio, parse_metadata
from ivr.api.audio_headers import (
    STORED_AND_REVALIDATED,
    audio_response,
    content_disposition,
    max_content_bytes,
    message_filename,
    sends_audio,
)
from ivr.api.audio_links import is_signed, media_path
from ivr.api.auth import client_address, extract_token, get_services, require_principal
from ivr.api.dependencies import ApiServices, MediaServices, Network
from ivr.api.direct_route import DirectRoute
from ivr.api.envelope import success
from ivr.api.messages import find_message
from ivr.api.middleware import is_head
from ivr.api.request_body import read_upload
from ivr.audio.formats import WAV
from ivr.errors import BadInput, Conflict, Forbidden, InvalidFields, NotFound, Unauthorized
from ivr.mailbox.mailbox import Mailbox
from ivr.storage.records import Message

router = APIRouter(prefix="/media", tags=["Media"], route_class=DirectRoute)
CALL_ID_PATTERN = re.compile(r"[\x21-\x7e]{1,200}")
MESSAGE_ID_PATTERN = re.compile(r"\d{6}-[0-9a-f]{32}")
SUFFIX = ".wav"
PRESIGNED_URL_LIFETIME_S = 60
"""nginx follows it at once."""

log = structlog.get_logger()


async def require_edge(request: Request) -> MediaServices:
    """Authenticate a media edge by its address and its token. Raises `Forbidden`, `Unauthorized`, `RateLimited`."""
    services, address = get_services(request), client_address(request)
    media = services.media
    _require_network(request, media.edges, "media.edges")
    if not hmac.compare_digest(extract_token(request).encode(), media.edge_token.encode()):
        await services.auth.token_rate_limiter.settle(address, is_right=False)
        raise Unauthorized("wrong or missing edge token: send media.edge_token as X-Auth-Token")
    return media


EdgeDep = Annotated[MediaServices, Depends(require_edge)]


async def require_media_access(request: Request) -> AudioAccess:
    """Find the recording of the path for a client of a listed network that has a link or a token.

    Raises `Forbidden`, `Unauthorized`, `RateLimited`, `NotFound`.
    """
    services, params = get_services(request), request.query_params
    _require_network(request, services.media.clients, "media.clients")
    account_id, name = request.path_params["account_id"], request.path_params["name"].removesuffix(SUFFIX)
    principal = None
    if is_signed(params):
        services.audio.links.verify(media_path(account_id, name), params)
    else:
        principal = await require_principal(request)
    found = None
    if request.path_params["name"].endswith(SUFFIX):
        found = await services.media.recordings.find_message(account_id, name)
    if found is None:
        raise NotFound("unknown recording", name)
    box_id, message_id = found
    if principal is None:
        return await find_audio(request, services, box_id, message_id)
    mailbox = await principal.get_box(box_id)
    return AudioAccess(mailbox, await find_message(request, services, mailbox, message_id, principal.retention_cutoff))


MediaAccessDep = Annotated[AudioAccess, Depends(require_media_access)]


@router.put("/{account_id}/vm/{name}", status_code=201, **openapi.PUT_MEDIA)
async def put_recording(request: Request, media: EdgeDep) -> Response:
    """Store what an edge has recorded as a message of the mailbox `box`. A second request for the call changes nothing.

    The query has the metadata of the message, as `caller_id_number`. Mail, light and all else follow as for a call.
    """
    services, account_id = get_services(request), request.path_params["account_id"]
    call_id = _parse_call_id(request.path_params["name"])
    if stored := await media.recordings.find_message_id(account_id, call_id):
        return success(request, _document(stored, call_id))
    parameters: dict[str, Any] = dict(request.query_params)
    mailbox = await _find_box(services, account_id, parameters.pop("box", ""))
    metadata = parse_metadata({**parameters, "call_id": call_id})
    with services.audio.uploads.new_draft() as draft:
        if not (await read_upload(request, draft, services.limits)).has_audio:
            raise InvalidFields(MISSING_FILE_VIOLATION)
        audio = await services.audio.uploads.convert(account_id, draft)
        try:
            message = await services.audio.uploads.add(mailbox, metadata, audio, edge_call_id=call_id)
        except Conflict:
            stored = await media.recordings.find_message_id(account_id, call_id)
            if stored is None:
                raise
            return success(request, _document(stored, call_id))
    log.info("media.stored", message=message.id, box=mailbox.id, call=call_id)
    audit.record_edge_upload(request, mailbox, message.id)
    return success(request, _document(message.id, call_id), status=201)


@router.get("/{account_id}/vm/{name}", **openapi.GET_MEDIA)
async def get_recording(request: Request, access: MediaAccessDep) -> Response:
    """Fetch a recording as WAV, by the id of its call or of its message, preceded by its intro if it has one."""
    filename = message_filename(access.mailbox, access.message, SUFFIX)
    response = await _redirect_to_store(request, access.message, filename)
    if response is None:
        rendition = await get_services(request).audio.renditions.render(
            access.message, WAV, max_content_bytes=max_content_bytes(request)
        )
        response = await audio_response(request, rendition, filename, is_for_machines=True)
    if sends_audio(request, response):
        audit.record_fetch(request, access.mailbox, access.message.id)
    return response


async def _redirect_to_store(request: Request, message: Message, filename: str) -> Response | None:
    """Build the response that makes nginx fetch a recording from the object store; None: the service sends it."""
    services = get_services(request)
    location = services.media.x_accel_redirect
    # The address of a client has no port if a trusted proxy told it. Others would get the URL themselves.
    if not location or request.client is None or request.client.port:
        return None
    method: Literal["GET", "HEAD"] = "HEAD" if is_head(request) else "GET"
    url = await services.audio.renditions.presigned_url(message, method, PRESIGNED_URL_LIFETIME_S)
    if url is None:
        return None
    target = urlsplit(url)
    headers = {
        "X-Accel-Redirect": f"{location}{target.path.removeprefix('/')}?{target.query}",
        "Content-Disposition": content_disposition(filename),
        "Cache-Control": STORED_AND_REVALIDATED,
    }
    return Response(None, 200, headers, WAV.content_type)


def _require_network(request: Request, networks: tuple[Network, ...], setting: str) -> None:
    """Raise `Forbidden` unless the client is in one of the networks, whatever it has asked for."""
    try:
        address = ip_address(client_address(request))
    except ValueError:
        address = None
    if address is None or not any(address in network for network in networks):
        raise Forbidden(f"your address is not in {setting}")


def _parse_call_id(name: str) -> str:
    """Return the id of a call from the last part of the path. Raises `BadInput`."""
    call_id = name.removesuffix(SUFFIX)
    if call_id == name or not CALL_ID_PATTERN.fullmatch(call_id) or MESSAGE_ID_PATTERN.fullmatch(call_id):
        raise BadInput(
            f"{name!r} is no name of a recording: it is the call id, at most 200 printable ASCII characters that are"
            " no message id, and .wav"
        )
    return call_id


async def _find_box(services: ApiServices, account_id: str, box: str) -> Mailbox:
    """Return a mailbox by its number, an alias or its id. Raises `InvalidFields`, `NotFound`."""
    if not box:
        raise InvalidFields({"box": {"required": {"message": "Field is required but missing"}}})
    await services.auth.directory.account(account_id)
    mailbox = await services.mailbox.boxes.find_by_number(account_id, box)
    if mailbox is None:
        mailbox = await services.mailbox.boxes.get(box)
        if mailbox.account_id != account_id:
            raise NotFound("unknown box", box)
    return mailbox


def _document(message_id: str, call_id: str) -> dict[str, str]:
    return {"media_id": message_id, "call_id": call_id}
