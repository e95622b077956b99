"""Messages: EP07, EP08, EP11 to EP16, EP18 to EP22. Those with audio are in `audio.py`."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from ivr.api import lists, openapi, serializers
from ivr.api.auth import BoxDep, CurrentPrincipal, Principal
from ivr.api.envelope import document_revision, expected_revision, if_match_filter, success
from ivr.api.json_body import BodyDep
from ivr.api.message_commands import is_move_or_copy, parse_folder, parse_ids, resolve_recipients
from ivr.api.query import ListQueryDep
from ivr.errors import InvalidFields, NotFound, PastRetention, PreconditionFailed
from ivr.mailbox.bulk import CONFLICT, BulkResult, Precondition
from ivr.mailbox.mailbox import Mailbox
from ivr.storage.records import ChangeReason, Folder, Message

router = APIRouter(prefix="/v2/accounts/{account_id}/vmboxes", tags=["Messages"])


async def require_message(request: Request, principal: CurrentPrincipal, box: BoxDep, message_id: str) -> Message:
    """The message of the path. Raises `NotFound` with its id; past retention it can neither be read nor changed."""
    try:
        return await principal.services.messages.get(box.id, message_id, principal.retention_cutoff)
    except PastRetention as error:
        if request.method != "POST":
            raise NotFound(str(error), message_id) from error
        rule = {"message": "Message is older than messages are kept", "cause": message_id}
        raise InvalidFields({message_id: {"date_range": rule}}) from error
    except NotFound as error:
        raise NotFound(str(error), message_id) from error


MessageDep = Annotated[Message, Depends(require_message)]


# Before "/{box_id}": the word is no id of a box.
@router.get("/messages", **openapi.LIST_ALL_MESSAGES)
async def list_all_messages(request: Request, principal: CurrentPrincipal, query: ListQueryDep) -> Response:
    """Messages of all boxes that the token reaches, newest first, each under the id of its box."""
    return await lists.messages_response(request, principal, query, None)


@router.get("/{box_id}/messages", **openapi.LIST_MESSAGES)
async def list_messages(request: Request, principal: CurrentPrincipal, box: BoxDep, query: ListQueryDep) -> Response:
    """Messages of a box, newest first."""
    return await lists.messages_response(request, principal, query, box)


@router.post("/{box_id}/messages", **openapi.CHANGE_MESSAGES)
async def change_messages(request: Request, principal: CurrentPrincipal, box: BoxDep, body: BodyDep) -> Response:
    """Many messages: into another folder, or moved (`source_id` a string) or copied (a list) to other boxes."""
    ids = parse_ids(body) or []
    if is_move_or_copy(body):
        outcome = await _move_or_copy(
            principal, box, ids, await resolve_recipients(principal, body), if_match_filter(request)
        )
    else:
        folder = parse_folder(request, body) or Folder.SAVED
        outcome = await principal.services.bulk.move_to_folder(
            box, ids, folder, principal.retention_cutoff, if_match_filter(request)
        )
    return success(request, serializers.outcome_document(outcome))


@router.delete("/{box_id}/messages", **openapi.DELETE_MESSAGES)
async def delete_messages(
    request: Request, principal: CurrentPrincipal, box: BoxDep, body: BodyDep, query: ListQueryDep
) -> Response:
    """Many messages for good: those named, else those of a folder, else all; filters of the query narrow it."""
    ids, folder = parse_ids(body, required=False), parse_folder(request, body)
    delete = partial(
        principal.services.bulk.delete,
        box,
        not_before=principal.retention_cutoff,
        precondition=if_match_filter(request),
    )
    if ids is not None:
        return success(request, serializers.outcome_document(await delete(ids)))
    outcome, after = BulkResult(), None
    while True:
        page = await lists.fetch_page_to_delete(principal, query, box, folder, after)
        outcome.extend(await delete([listed.message.id for listed in page.items]))
        if (after := page.next_key) is None:
            return success(request, serializers.outcome_document(outcome))


@router.get("/{box_id}/messages/{message_id}", **openapi.GET_MESSAGE)
async def get_message(request: Request, message: MessageDep) -> Response:
    """One message, with its transcript where there is one."""
    return success(request, serializers.message_document(message), revision=document_revision(message))


@router.post("/{box_id}/messages/{message_id}", **openapi.CHANGE_MESSAGE)
async def change_message(
    request: Request, principal: CurrentPrincipal, box: BoxDep, message: MessageDep, body: BodyDep
) -> Response:
    """Another folder (`saved`, if none is named), or moved or copied to other boxes."""
    revision = expected_revision(request, message)
    if is_move_or_copy(body):
        where = await resolve_recipients(principal, body)
        if isinstance(where, list):
            outcome = await _move_or_copy(principal, box, [message.id], where, if_match_filter(request))
            if revision is not None and (message.id, CONFLICT) in outcome.failed:
                raise PreconditionFailed("it was changed by somebody else meanwhile: read it again")
            return success(request, serializers.outcome_document(outcome))
        changed = await principal.services.delivery.transfer(message, where, expected_revision=revision)
    else:
        folder = parse_folder(request, body) or Folder.SAVED
        changed = await principal.services.messages.move_to_folder(
            box.id, message.id, folder, ChangeReason.API_REQUEST, expected_revision=revision
        )
    return success(request, serializers.message_document(changed), revision=document_revision(changed))


@router.delete("/{box_id}/messages/{message_id}", **openapi.DELETE_MESSAGE)
async def delete_message(request: Request, principal: CurrentPrincipal, box: BoxDep, message: MessageDep) -> Response:
    """One message for good. (To put it where the phone can restore it, change its folder to `deleted`.)"""
    if not await principal.services.messages.soft_delete(
        box.id, [message.id], expected_revision=expected_revision(request, message)
    ):
        raise NotFound("somebody else deleted it meanwhile", message.id)
    return success(
        request,
        {**serializers.message_document(message), "folder": Folder.DELETED},
        revision=document_revision(message),
    )


async def _move_or_copy(
    principal: Principal,
    box: Mailbox,
    ids: list[str],
    recipients: Mailbox | list[Mailbox],
    precondition: Precondition | None,
) -> BulkResult:
    if isinstance(recipients, list):
        return await principal.services.bulk.copy(box, ids, recipients, principal.retention_cutoff, precondition)
    return await principal.services.bulk.transfer(box, ids, recipients, principal.retention_cutoff, precondition)
