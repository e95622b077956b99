"""Boxes: EP01 to EP06."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from ivr.api import documents, lists, openapi
from ivr.api.asker import ADMINISTRATORS_KEYS, TheAsker, TheBox
from ivr.api.body import TheBody
from ivr.api.envelope import at_revision, created, revision_of, seen, success
from ivr.api.query import TheQuery
from ivr.errors import NotFound

router = APIRouter(prefix="/v2/accounts/{account_id}/vmboxes", tags=["Boxes"])


@router.get("", **openapi.LIST_BOXES)
async def list_boxes(request: Request, asker: TheAsker, query: TheQuery) -> Response:
    """All boxes that the token reaches, by number, each with how many messages it has."""
    return await lists.boxes(request, asker, query)


@router.put("", status_code=201, **openapi.CREATE_BOX)
async def create_box(request: Request, asker: TheAsker, body: TheBody) -> Response:
    """A new box; `pin` sets its PIN, which no answer ever shows."""
    asker.must_administer()
    box = await asker.rooms.boxes.create(asker.account, body.data)
    return created(request, documents.box(box), box.id, revision_of(box))


@router.get("/{box_id}", **openapi.SHOW_BOX)
async def show_box(request: Request, box: TheBox) -> Response:
    """All settings of a box."""
    return success(request, documents.box(box), revision=revision_of(box))


@router.post("/{box_id}", **openapi.REPLACE_BOX)
async def replace_box(request: Request, asker: TheAsker, box: TheBox, body: TheBody) -> Response:
    """All settings anew; what is left out has its default again, but a PIN that is left out stays."""
    asker.may_set(box, {**dict.fromkeys(ADMINISTRATORS_KEYS), **body.data})
    with at_revision(request, box):
        changed = await asker.rooms.boxes.replace(box, body.data)
    return success(request, documents.box(changed), revision=revision_of(changed))


@router.patch("/{box_id}", **openapi.PATCH_BOX)
async def patch_box(request: Request, asker: TheAsker, box: TheBox, body: TheBody) -> Response:
    """Some settings anew: objects are merged, `null` takes a key away."""
    asker.may_set(box, body.data)
    with at_revision(request, box):
        changed = await asker.rooms.boxes.patch(box, body.data)
    return success(request, documents.box(changed), revision=revision_of(changed))


@router.delete("/{box_id}", **openapi.DELETE_BOX)
async def delete_box(request: Request, asker: TheAsker, box: TheBox) -> Response:
    """Takes away a box with all its messages."""
    asker.must_administer()
    try:
        await asker.rooms.boxes.delete(box, seen=seen(request, box))
    except NotFound as error:
        raise NotFound(str(error), box.id) from error
    return success(request, {**documents.box(box), "_read_only": {"deleted": True}}, revision=revision_of(box))
