"""Routes for messages: lists, folders, moving, copying, deleting. Their audio is in `audio.py`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from ivr.api import audit, openapi, serializers
from ivr.api.auth import BoxDep, CurrentPrincipal, Principal, require_box, require_principal
from ivr.api.dependencies import ApiServices
from ivr.api.direct_route import DirectRoute
from ivr.api.disconnect import run_while_connected
from ivr.api.envelope import CHANGED_MEANWHILE, document_revision, expected_revision, if_match_filter, success
from ivr.api.message_marks import MessageMarks, check_change, parse_marks
from ivr.api.query import (
    ListQueryDep,
    boolean_parameter,
    parse_folder_name,
    reject_misspelt_parameters,
    reject_other_subject,
    reject_unknown_parameters,
)
from ivr.api.request_body import Body, BodyDep
from ivr.errors import InvalidFields, NotFound, PastRetention, PreconditionFailed
from ivr.mailbox.bulk import CONFLICT, BulkResult, Precondition
from ivr.mailbox.mailbox import Mailbox
from ivr.storage.records import AuditAction, ChangeReason, Folder, Message

MAX_BULK_IDS = 10_000
"""Messages that one request may change, and copies that it may make."""
MAX_RECIPIENTS = 500
"""Boxes to which one request may copy: all copies of a message are stored at once, while calls wait."""

router = APIRouter(prefix="/v2/accounts/{account_id}/vmboxes", tags=["Messages"], route_class=DirectRoute)


async def require_message(request: Request) -> Message:
    """Return the message of the path. Raises `NotFound`, `InvalidFields`, and what `require_box` raises."""
    principal, mailbox = await require_principal(request), await require_box(request)
    message_id = request.path_params["message_id"]
    return await find_message(request, principal.services, mailbox, message_id, principal.retention_cutoff)


async def find_message(
    request: Request, services: ApiServices, mailbox: Mailbox, message_id: str, retention_cutoff: int
) -> Message:
    """Return a message of a mailbox.

    Raises `NotFound` with its id as the cause, also for a message past retention; a POST to such a message gets
    Kazoo's `InvalidFields` instead.
    """
    with name_missing_message(request, message_id):
        return await services.mailbox.messages.get(mailbox.id, message_id, retention_cutoff)


@contextmanager
def name_missing_message(request: Request, message_id: str) -> Iterator[None]:
    """Give the errors of a message that cannot be read the form that `find_message` promises."""
    try:
        yield
    except PastRetention as error:
        if request.method != "POST":
            raise NotFound(str(error), message_id) from error
        violation = {"message": "Message is past its retention period", "cause": message_id}
        raise InvalidFields({message_id: {"date_range": violation}}) from error
    except NotFound as error:
        raise NotFound(str(error), message_id) from error


MessageDep = Annotated[Message, Depends(require_message)]


# This route precedes "/{box_id}", which would match "messages" as a box id.
@router.get("/messages", **openapi.LIST_ALL_MESSAGES)
async def list_all_messages(request: Request, principal: CurrentPrincipal, query: ListQueryDep) -> Response:
    """List the messages of all accessible boxes, newest first, each under the id of its box."""
    return await serializers.messages_response(request, principal, query, None)


@router.get("/{box_id}/messages", **openapi.LIST_MESSAGES)
async def list_messages(request: Request, principal: CurrentPrincipal, box: BoxDep, query: ListQueryDep) -> Response:
    """List the messages of a box, newest first."""
    return await serializers.messages_response(request, principal, query, box)


@router.post("/{box_id}/messages", **openapi.CHANGE_MESSAGES)
async def change_messages(request: Request, principal: CurrentPrincipal, box: BoxDep, body: BodyDep) -> Response:
    """Change the folder of many messages, move them (`source_id` is a string) or copy them (`source_id` is a list)."""
    await asyncio.sleep(0)  # Ten thousand ids may have been parsed: calls go first.
    check_change(request, body)
    parse_marks(body).reject("messages")
    ids = parse_ids(body) or []
    if is_move_or_copy(body):
        _reject_second_change(body, None)
        recipients = await resolve_recipients(principal, body, len(ids))
        action = AuditAction.COPIED if isinstance(recipients, list) else AuditAction.MOVED
        work = _move_or_copy(principal, box, ids, recipients, if_match_filter(request))
    else:
        folder = parse_folder(request, body) or Folder.SAVED
        action = AuditAction.DELETED if folder is Folder.DELETED else AuditAction.MOVED
        work = principal.services.mailbox.bulk.move_to_folder(
            box, ids, folder, principal.retention_cutoff, if_match_filter(request)
        )
    outcome = await run_while_connected(request, work)
    failed = {message_id for message_id, _ in outcome.failed}
    # The results of copying are the copies.
    await audit.record(request, principal, action, box, [id for id in dict.fromkeys(ids) if id not in failed])
    return await serializers.outcome_response(request, outcome)


@router.delete("/{box_id}/messages", **openapi.DELETE_MESSAGES)
async def delete_messages(
    request: Request, principal: CurrentPrincipal, box: BoxDep, body: BodyDep, query: ListQueryDep
) -> Response:
    """Delete many messages for good: those listed, else those of a folder, else all. Filters narrow a folder or all.

    All messages are deleted only without a body: one that names neither ids nor a folder is a mistake.
    """
    await asyncio.sleep(0)  # As above.
    reject_unknown_parameters(request)
    ids, folder = parse_ids(body, required=False), parse_folder(request, body)
    if ids is not None and (query.is_narrowed or folder is not None):
        message = "Messages are named by ids or by folder and filters: send only one of them"
        raise InvalidFields({"messages": {"maxItems": {"message": message}}})
    if ids is None and folder is None and body.is_present:
        message = "No array of message ids are specified: send messages, ?folder=, or no body to delete all"
        raise InvalidFields({"messages": {"required": {"message": message}}})
    delete = partial(
        principal.services.mailbox.bulk.delete,
        box,
        not_before=principal.retention_cutoff,
        precondition=if_match_filter(request),
    )

    async def delete_selected() -> BulkResult:
        outcome, after = BulkResult(), None
        while True:
            page = await serializers.fetch_page_to_delete(principal, query, box, folder, after)
            outcome.extend(await delete([listed.message.id for listed in page.items]))
            if (after := page.next_key) is None:
                return outcome

    work = delete_selected() if ids is None else delete(ids)
    outcome = await run_while_connected(request, work)
    await audit.record(request, principal, AuditAction.DELETED, box, outcome.succeeded)
    return await serializers.outcome_response(request, outcome)


@router.get("/{box_id}/messages/{message_id}", **openapi.GET_MESSAGE)
async def get_message(request: Request, principal: CurrentPrincipal, message: MessageDep) -> Response:
    """Return one message, with its transcript if it has one, and with `?links=true` a link to its audio."""
    reject_misspelt_parameters(request.query_params, ("links", "pretty_print"))
    document, wants_links = serializers.message_document(message), boolean_parameter(request.query_params, "links")
    if wants_links:
        document["links"] = serializers.audio_links(principal)(message)
    return success(request, document, revision=document_revision(message), is_cacheable=not wants_links)


@router.post("/{box_id}/messages/{message_id}", **openapi.CHANGE_MESSAGE)
async def change_message(request: Request, principal: CurrentPrincipal, box: BoxDep, body: BodyDep) -> Response:
    """Change the folder of a message (default `saved`), its marks, or move or copy it to other boxes."""
    check_change(request, body)
    message_id = request.path_params["message_id"]
    if {**body.envelope, **body.data_or_empty}.get("messages", [message_id]) != [message_id]:
        violation = {"message": "The path names one message: send many to …/messages"}
        raise InvalidFields({"messages": {"maxItems": violation}})
    marks = parse_marks(body)
    if not is_move_or_copy(body):
        if marks.is_set:
            changed = await _set_marks(request, principal, box, marks, parse_folder(request, body))
        else:
            changed = await _change_folder(request, principal, box, parse_folder(request, body) or Folder.SAVED)
        return success(request, serializers.message_document(changed), revision=document_revision(changed))
    message = await require_message(request)
    revision = expected_revision(request, message)
    _reject_second_change(body, message.folder)
    if marks.change(message):
        marks.reject("source_id")
    recipients = await resolve_recipients(principal, body, 1)
    if isinstance(recipients, list):
        outcome = await _move_or_copy(principal, box, [message.id], recipients, if_match_filter(request))
        if revision is not None and (message.id, CONFLICT) in outcome.failed:
            raise PreconditionFailed(CHANGED_MEANWHILE)
        if outcome.succeeded:
            audit.record_soon(request, principal, AuditAction.COPIED, box, message.id)
        return await serializers.outcome_response(request, outcome)
    changed = await principal.services.mailbox.delivery.transfer(message, recipients, expected_revision=revision)
    audit.record_soon(request, principal, AuditAction.MOVED, box, message.id)
    return success(request, serializers.message_document(changed), revision=document_revision(changed))


async def _set_marks(
    request: Request, principal: Principal, box: Mailbox, marks: MessageMarks, folder: Folder | None
) -> Message:
    """Set the marks of the message of the path, move it to `folder` if there is one, and return it."""
    message, messages = await require_message(request), principal.services.mailbox.messages
    revision = expected_revision(request, message)
    if marks.change(message):
        message = await messages.set_marks(
            box.id, message.id, urgent=marks.urgent, labels=marks.labels, expected_revision=revision
        )
        audit.record_soon(request, principal, AuditAction.CHANGED, box, message.id)
    if folder in (None, message.folder):
        return message
    message = await messages.move_to_folder(box.id, message.id, folder or message.folder, ChangeReason.API_REQUEST)
    action = AuditAction.DELETED if message.folder is Folder.DELETED else AuditAction.MOVED
    audit.record_soon(request, principal, action, box, message.id)
    return message


async def _change_folder(request: Request, principal: Principal, box: Mailbox, folder: Folder) -> Message:
    """Move the message of the path to a folder, and return it.

    The transaction reads the message: to read it before would cost as much as the change. One that was read since the
    last commit, and is in the folder already, needs no transaction.
    """
    messages, message_id = principal.services.mailbox.messages, request.path_params["message_id"]
    if_match, not_before = if_match_filter(request), principal.retention_cutoff
    before: Message | None = None

    def is_expected(message: Message) -> bool:
        nonlocal before
        before = message
        return if_match is None or if_match(message)

    with name_missing_message(request, message_id):
        before = changed = messages.recall(box.id, message_id, not_before)
        if changed is None or changed.folder is not folder or not is_expected(changed):
            changed = await messages.move_to_folder(
                box.id,
                message_id,
                folder,
                ChangeReason.API_REQUEST,
                precondition=is_expected,
                not_before=not_before,
            )
    if folder is Folder.DELETED:
        await audit.record(request, principal, AuditAction.DELETED, box, [message_id])
    elif before and before.folder is not folder:
        audit.record_soon(request, principal, AuditAction.MOVED, box, message_id)
    return changed


@router.delete("/{box_id}/messages/{message_id}", **openapi.DELETE_MESSAGE)
async def delete_message(
    request: Request, principal: CurrentPrincipal, box: BoxDep, message: MessageDep, body: BodyDep
) -> Response:
    """Delete one message for good. To keep it restorable by phone, change its folder to `deleted` instead."""
    revision = expected_revision(request, message)
    folder = {} if "media_id" in body.data_or_empty else {"folder": message.folder.value}  # An older document may be.
    reject_other_subject(request, body, messages=[message.id], media_id=message.id, **folder)
    if not await principal.services.mailbox.messages.soft_delete(box.id, [message.id], expected_revision=revision):
        raise NotFound("another client deleted the message meanwhile", message.id)
    await audit.record(request, principal, AuditAction.DELETED, box, [message.id])
    document = {**serializers.message_document(message), "folder": Folder.DELETED}
    return success(request, document, revision=document_revision(message))


def _reject_second_change(body: Body, current: Folder | None) -> None:
    """Raise `InvalidFields` for a body that names another box and a folder, other than the current one, too."""
    if body.data_or_empty.get("folder", current) != current:
        message = "A message that is moved or copied keeps its folder: change the folder in a request of its own"
        raise InvalidFields({"folder": {"maxItems": {"message": message}}})


def parse_folder(request: Request, body: Body) -> Folder | None:
    """Return the folder of a request, from the data, the query or the envelope. Raises `InvalidFields`."""
    sources = (body.data_or_empty, request.query_params, body.envelope)
    name = next((source["folder"] for source in sources if source.get("folder") is not None), None)
    return None if name is None else parse_folder_name(name)


def parse_ids(body: Body, *, required: bool = True) -> list[str] | None:
    """Return the message ids of a request; None: there are none, and none are required. Raises `InvalidFields`."""
    data = body.data if required else body.data_or_empty
    ids = data.get("messages", body.envelope.get("messages"))
    if ids is None or ids == []:
        if not required:
            return ids
        raise InvalidFields({"messages": {"required": {"message": "No array of message ids are specified"}}})
    if not (isinstance(ids, list) and all(isinstance(message_id, str) for message_id in ids)):
        raise InvalidFields({"messages": {"type": {"message": "Value must be an array of ids", "target": "array"}}})
    if len(ids) > MAX_BULK_IDS:
        violation = {"message": f"Array must not exceed {MAX_BULK_IDS} items", "target": MAX_BULK_IDS}
        raise InvalidFields({"messages": {"maxItems": violation}})
    return ids


def is_move_or_copy(body: Body) -> bool:
    """Return whether messages are to be moved or copied to other boxes, not to another folder."""
    return body.data_or_empty.get("source_id") is not None


async def resolve_recipients(principal: Principal, body: Body, messages: int) -> Mailbox | list[Mailbox]:
    """Return the boxes that `source_id` names for so many messages: one to move to, or a list to copy to.

    Raises `InvalidFields`, `NotFound`.
    """
    source_id: Any = body.data.get("source_id")
    if source_id in ("", []):
        raise InvalidFields({"source_id": {"required": {"message": "Field is required but missing"}}})
    if isinstance(source_id, str):
        return await principal.resolve_recipient(source_id)
    if not (isinstance(source_id, list) and all(isinstance(box_id, str) for box_id in source_id)):
        violation = {"message": "Value must be the id of a box, or an array of them", "target": "string or array"}
        raise InvalidFields({"source_id": {"type": violation}})
    limit = min(MAX_RECIPIENTS, MAX_BULK_IDS // max(1, messages))
    if len(source_id) > limit:
        message = f"Array must not exceed {limit} items for {messages} messages"
        raise InvalidFields({"source_id": {"maxItems": {"message": message, "target": limit}}})
    return [await principal.resolve_recipient(box_id) for box_id in dict.fromkeys(source_id)]


async def _move_or_copy(
    principal: Principal,
    box: Mailbox,
    ids: list[str],
    recipients: Mailbox | list[Mailbox],
    precondition: Precondition | None,
) -> BulkResult:
    bulk = principal.services.mailbox.bulk
    if isinstance(recipients, list):
        return await bulk.copy(box, ids, recipients, principal.retention_cutoff, precondition)
    return await bulk.transfer(box, ids, recipients, principal.retention_cutoff, precondition)
