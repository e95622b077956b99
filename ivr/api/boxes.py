"""Routes for mailboxes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.responses import Response

from ivr.api import audit, openapi, serializers
from ivr.api.auth import BoxDep, CurrentPrincipal, get_services
from ivr.api.direct_route import DirectRoute
from ivr.api.envelope import created, document_revision, expected_revision, precondition, success
from ivr.api.misspelling import meant_name, misspelt
from ivr.api.query import ListQueryDep, reject_other_subject
from ivr.api.request_body import Body, BodyDep
from ivr.errors import InvalidFields, NotFound
from ivr.mailbox.box_settings import BoxSettings
from ivr.mailbox.boxes import to_document
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.text_values import nested_model
from ivr.storage.records import AuditAction

router = APIRouter(prefix="/v2/accounts/{account_id}/vmboxes", tags=["Boxes"], route_class=DirectRoute)


READ_ONLY_MEMBERS = ("messages", "folders")
"""Members that lists of boxes have, and boxes of Kazoo 3. They are no settings."""


def box_settings(body: Body, box: Mailbox | None = None) -> dict[str, Any]:
    """Return the settings of a request, without what a client sends back from a document that it has read.

    Kazoo drops private members (`pvt_` and `_`), too. `notify_email_address` is the name of Kazoo 3 for a list of one.
    Raises `InvalidFields` for an unknown key that is one letter off a known one, unless `box` has it already.
    """
    settings = {
        key: value
        for key, value in body.data.items()
        if not key.startswith(("pvt_", "_")) and key not in READ_ONLY_MEMBERS
    }
    if "notify_email_address" in settings:
        address = settings.pop("notify_email_address")
        settings.setdefault("notify_email_addresses", [address] if address else [])
    if violations := dict(_misspelt_keys(settings, BoxSettings, to_document(box.settings) if box else {})):
        raise InvalidFields(violations)
    return settings


def _misspelt_keys(
    settings: Mapping[str, Any], model: type[BaseModel], stored: Any, path: str = ""
) -> Iterator[tuple[str, dict[str, dict[str, object]]]]:
    """Yield each key, with its path, that is one letter off a known one, also in nested objects."""
    for key, value in settings.items():
        was_stored = isinstance(stored, Mapping) and key in stored
        if key in model.model_fields:
            nested = nested_model(model.model_fields[key].annotation)
            if nested and isinstance(value, Mapping):
                yield from _misspelt_keys(value, nested, stored.get(key) if was_stored else {}, f"{path}{key}.")
        elif value is not None and not was_stored and (meant := meant_name(key, model.model_fields)):
            yield f"{path}{key}", misspelt("key", f"{path}{meant}")


@router.get("", **openapi.LIST_BOXES)
async def list_boxes(request: Request, principal: CurrentPrincipal, query: ListQueryDep) -> Response:
    """List the accessible boxes in the order of their numbers, each with its message counts."""
    return await serializers.boxes_response(request, principal, query)


@router.put("", status_code=201, **openapi.CREATE_BOX)
async def create_box(request: Request, principal: CurrentPrincipal, body: BodyDep) -> Response:
    """Create a box. `pin` sets its PIN; no response contains it."""
    principal.require_account_scope()
    settings = box_settings(body)
    box = await principal.services.mailbox.boxes.create(principal.account, settings)
    await audit.record_settings(request, principal, box, settings)
    return created(request, serializers.box_document(box), box.id, document_revision(box))


@router.get("/users", **openapi.LIST_BOX_USERS)
async def list_box_users(request: Request, principal: CurrentPrincipal, query: ListQueryDep) -> Response:
    """List the accessible boxes with their owners and all counts, as VoicemailUsersList of Asterisk's manager does."""
    return await serializers.box_users_response(request, principal, query)


@router.get("/{box_id}", **openapi.GET_BOX)
async def get_box(request: Request, box: BoxDep) -> Response:
    """Return all settings of a box, and in `_read_only` the mails about it that could not be delivered."""
    document = serializers.box_document(box)
    undelivered = await get_services(request).mailbox.undelivered_mail.list_by_box(box.id)
    if undelivered:
        document["_read_only"] = serializers.undelivered_mail_document(undelivered)
    return success(request, document, revision=document_revision(box), is_cacheable=not undelivered)


@router.post("/{box_id}", **openapi.REPLACE_BOX)
async def replace_box(request: Request, principal: CurrentPrincipal, box: BoxDep, body: BodyDep) -> Response:
    """Replace all settings of a box. An omitted setting gets its default; an omitted PIN stays."""
    settings = box_settings(body, box)
    with precondition(request, box):
        changed = await principal.services.mailbox.boxes.replace(box, settings, principal.check_changes)
    await audit.record_settings(request, principal, box, settings)
    return success(request, serializers.box_document(changed), revision=document_revision(changed))


@router.patch("/{box_id}", **openapi.PATCH_BOX)
async def patch_box(request: Request, principal: CurrentPrincipal, box: BoxDep, body: BodyDep) -> Response:
    """Change some settings of a box. Objects are merged; `null` removes a key."""
    settings = box_settings(body, box)
    with precondition(request, box):
        changed = await principal.services.mailbox.boxes.patch(box, settings, principal.check_changes)
    await audit.record_settings(request, principal, box, settings)
    return success(request, serializers.box_document(changed), revision=document_revision(changed))


@router.delete("/{box_id}", **openapi.DELETE_BOX)
async def delete_box(request: Request, principal: CurrentPrincipal, box: BoxDep, body: BodyDep) -> Response:
    """Delete a box with all its messages."""
    principal.require_account_scope()
    reject_other_subject(request, body, id=box.id, messages=None, folder=None)
    try:
        await principal.services.mailbox.boxes.delete(box, expected_revision=expected_revision(request, box))
    except NotFound as error:
        raise NotFound(str(error), box.id) from error
    await audit.record(request, principal, AuditAction.DELETED, box)
    document = {**serializers.box_document(box), "_read_only": {"deleted": True}}
    return success(request, document, revision=document_revision(box))
