"""Messages: EP07, EP08, EP11 to EP16, EP18 to EP22. Those with audio are in `audio.py`."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from ivr.api import documents, lists, openapi
from ivr.api.asker import Asker, TheAsker, TheBox
from ivr.api.body import TheBody
from ivr.api.envelope import condition, revision_of, seen, success
from ivr.api.query import TheQuery
from ivr.api.wanted import destinations, folder_in, goes_elsewhere, ids_in
from ivr.errors import InvalidFields, NotFound, Outdated, PastRetention
from ivr.mailbox.bulk import CONFLICT, Condition, Outcome
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.message import Folder, Message
from ivr.mailbox.store import Because

router = APIRouter(prefix="/v2/accounts/{account_id}/vmboxes", tags=["Messages"])


async def the_message(request: Request, asker: TheAsker, box: TheBox, message_id: str) -> Message:
    """The message of the path. Raises `NotFound` with its id; past retention it can neither be read nor changed."""
    try:
        return await asker.rooms.messages.get(box.id, message_id, asker.not_before)
    except PastRetention as error:
        if request.method != "POST":
            raise NotFound(str(error), message_id) from error
        rule = {"message": "Message is older than messages are kept", "cause": message_id}
        raise InvalidFields({message_id: {"date_range": rule}}) from error
    except NotFound as error:
        raise NotFound(str(error), message_id) from error


TheMessage = Annotated[Message, Depends(the_message)]


# Before "/{box_id}": the word is no id of a box.
@router.get("/messages", **openapi.LIST_ALL_MESSAGES)
async def list_all_messages(request: Request, asker: TheAsker, query: TheQuery) -> Response:
    """Messages of all boxes that the token reaches, newest first, each under the id of its box."""
    return await lists.messages(request, asker, query, None)


@router.get("/{box_id}/messages", **openapi.LIST_MESSAGES)
async def list_messages(request: Request, asker: TheAsker, box: TheBox, query: TheQuery) -> Response:
    """Messages of a box, newest first."""
    return await lists.messages(request, asker, query, box)


@router.post("/{box_id}/messages", **openapi.CHANGE_MESSAGES)
async def change_messages(request: Request, asker: TheAsker, box: TheBox, body: TheBody) -> Response:
    """Many messages: into another folder, or moved (`source_id` a string) or copied (a list) to other boxes."""
    ids = ids_in(body) or []
    if goes_elsewhere(body):
        outcome = await _sent(asker, box, ids, await destinations(asker, body), condition(request))
    else:
        folder = folder_in(request, body) or Folder.SAVED
        outcome = await asker.rooms.bulk.to_folder(box, ids, folder, asker.not_before, condition(request))
    return success(request, documents.outcome(outcome))


@router.delete("/{box_id}/messages", **openapi.DELETE_MESSAGES)
async def delete_messages(request: Request, asker: TheAsker, box: TheBox, body: TheBody, query: TheQuery) -> Response:
    """Many messages for good: those named, else those of a folder, else all; filters of the query narrow it."""
    ids, folder = ids_in(body, required=False), folder_in(request, body)
    delete = partial(asker.rooms.bulk.delete, box, not_before=asker.not_before, only_if=condition(request))
    if ids is not None:
        return success(request, documents.outcome(await delete(ids)))
    outcome, after = Outcome(), None
    while True:
        page = await lists.page_to_delete(asker, query, box, folder, after)
        outcome.extend(await delete([listed.message.id for listed in page.found]))
        if (after := page.next) is None:
            return success(request, documents.outcome(outcome))


@router.get("/{box_id}/messages/{message_id}", **openapi.SHOW_MESSAGE)
async def show_message(request: Request, message: TheMessage) -> Response:
    """One message, with its transcript where there is one."""
    return success(request, documents.message(message), revision=revision_of(message))


@router.post("/{box_id}/messages/{message_id}", **openapi.CHANGE_MESSAGE)
async def change_message(
    request: Request, asker: TheAsker, box: TheBox, message: TheMessage, body: TheBody
) -> Response:
    """Another folder (`saved`, if none is named), or moved or copied to other boxes."""
    revision = seen(request, message)
    if goes_elsewhere(body):
        where = await destinations(asker, body)
        if isinstance(where, list):
            outcome = await _sent(asker, box, [message.id], where, condition(request))
            if revision is not None and (message.id, CONFLICT) in outcome.failed:
                raise Outdated("it was changed by somebody else meanwhile: read it again")
            return success(request, documents.outcome(outcome))
        changed = await asker.rooms.delivery.move(message, where, seen=revision)
    else:
        folder = folder_in(request, body) or Folder.SAVED
        changed = await asker.rooms.messages.move_to(box.id, message.id, folder, Because.REQUEST, seen=revision)
    return success(request, documents.message(changed), revision=revision_of(changed))


@router.delete("/{box_id}/messages/{message_id}", **openapi.DELETE_MESSAGE)
async def delete_message(request: Request, asker: TheAsker, box: TheBox, message: TheMessage) -> Response:
    """One message for good. (To put it where the phone can restore it, change its folder to `deleted`.)"""
    if not await asker.rooms.messages.remove(box.id, [message.id], seen=seen(request, message)):
        raise NotFound("somebody else deleted it meanwhile", message.id)
    return success(request, {**documents.message(message), "folder": Folder.DELETED}, revision=revision_of(message))


async def _sent(
    asker: Asker, box: Mailbox, ids: list[str], where: Mailbox | list[Mailbox], only_if: Condition | None
) -> Outcome:
    if isinstance(where, list):
        return await asker.rooms.bulk.copy(box, ids, where, asker.not_before, only_if)
    return await asker.rooms.bulk.move(box, ids, where, asker.not_before, only_if)
