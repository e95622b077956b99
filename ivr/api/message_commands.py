"""What a request wants done with messages: to which folder, into which boxes, which ones (kazoo-behaviour §4.4)."""

from __future__ import annotations

from typing import Any

from fastapi import Request

from ivr.api.auth import Principal
from ivr.api.json_body import Body
from ivr.errors import InvalidFields
from ivr.mailbox.mailbox import Mailbox
from ivr.storage.records import Folder


def parse_folder(request: Request, body: Body) -> Folder | None:
    """Looked for in the data, then the query, then the envelope. Raises `InvalidFields` for one that is not known."""
    places = (body.data_or_empty, request.query_params, body.envelope)
    name = next((place["folder"] for place in places if place.get("folder") is not None), None)
    if name is None:
        return None
    if name not in list(Folder):
        known = ", ".join(Folder)
        raise InvalidFields(
            {"folder": {"enum": {"message": "Value not found in enumerated list of values", "target": known}}}
        )
    return Folder(name)


def parse_ids(body: Body, *, required: bool = True) -> list[str] | None:
    """The ids of messages. Raises `InvalidFields`."""
    data = body.data if required else body.data_or_empty
    ids = data.get("messages", body.envelope.get("messages"))
    if ids is None and not required:
        return None
    if ids is None or ids == []:
        if not required:
            return []
        raise InvalidFields({"messages": {"required": {"message": "No array of message ids are specified"}}})
    if not (isinstance(ids, list) and all(isinstance(one, str) for one in ids)):
        raise InvalidFields({"messages": {"type": {"message": "Value must be an array of ids", "target": "array"}}})
    return ids


def is_move_or_copy(body: Body) -> bool:
    """Whether messages are to be moved or copied, rather than change their folder."""
    return body.data_or_empty.get("source_id") is not None


async def resolve_recipients(principal: Principal, body: Body) -> Mailbox | list[Mailbox]:
    """A string: one box, to move to; a list: boxes to copy to. Raises `InvalidFields`, `NotFound`."""
    wanted: Any = body.data.get("source_id")
    if wanted in ("", []):
        raise InvalidFields({"source_id": {"required": {"message": "Field is required but missing"}}})
    if isinstance(wanted, str):
        return await principal.resolve_recipient(wanted)
    if not (isinstance(wanted, list) and all(isinstance(one, str) for one in wanted)):
        said = "Value must be the id of a box, or an array of them"
        raise InvalidFields({"source_id": {"type": {"message": said, "target": "string or array"}}})
    return [await principal.resolve_recipient(one) for one in dict.fromkeys(wanted)]
