"""What a request says: JSON, recognised by the body itself whatever its Content-Type; else a form."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import Annotated, Any
from urllib.parse import parse_qs

from fastapi import Depends, Request

from ivr.api.body_stream import BodyStream
from ivr.api.dependencies import ApiLimits
from ivr.errors import BadInput, InvalidFields, UnsupportedMediaType

MAX_JSON_DEPTH = 50
"""Objects and lists within each other."""
FORM_TYPE = "application/x-www-form-urlencoded"
JSON_TYPES = ("", "application/json", "application/x-json", "text/json")


@dataclass(frozen=True, slots=True)
class Body:
    """`{"data": {…}}` and what else stands in the envelope."""

    envelope: dict[str, Any] = field(default_factory=dict)

    @property
    def data(self) -> dict[str, Any]:
        """Raises `InvalidFields` where there is none, or it is no object."""
        data = self.envelope.get("data")
        if "data" not in self.envelope:
            raise InvalidFields({"data": {"required": {"message": "Field is required but missing"}}})
        if not isinstance(data, dict):
            raise InvalidFields({"data": {"type": {"message": "Value must be an object", "target": "object"}}})
        return data

    @property
    def data_or_empty(self) -> dict[str, Any]:
        """The same where it may be left out."""
        return self.data if self.envelope.get("data") is not None else {}


async def read_body(request: Request) -> Body:
    """Raises `BadInput`, `InvalidFields`, `PayloadTooLarge`, `UnsupportedMediaType`."""
    limits: ApiLimits = request.app.state.rooms.limits
    raw = await BodyStream(request, limits.json_bytes, limits.idle_timeout_s).read()
    return parse_body(raw, content_type(request))


BodyDep = Annotated[Body, Depends(read_body)]


def content_type(request: Request) -> str:
    """Without its parameters."""
    return request.headers.get("content-type", "").split(";", 1)[0].strip().lower()


def parse_body(raw: bytes, media_type: str) -> Body:
    """What `raw` says. Raises `BadInput`, `UnsupportedMediaType`."""
    start = raw.lstrip()[:1]
    if not start:
        return Body()
    if start in (b"{", b"[") or media_type in JSON_TYPES:
        return Body(_parse_json_object(raw))
    if media_type == FORM_TYPE:
        return Body({"data": _parse_form(raw)})
    raise UnsupportedMediaType(f"{media_type} is neither JSON, form nor audio: send JSON")


def _parse_json_object(raw: bytes) -> dict[str, Any]:
    try:
        found = json.loads(raw, parse_constant=_reject_constant, parse_float=_finite_float)
        if _is_too_deep(found):
            raise RecursionError
        json.dumps(found, ensure_ascii=False).encode()  # Half a surrogate pair is text that nobody can store.
    except RecursionError:
        raise BadInput(f"the JSON is nested too deeply: {MAX_JSON_DEPTH} levels at most") from None
    except ValueError as error:
        raise BadInput(f"the body is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise BadInput('the body must be an object: {"data": {…}}')
    return found


def _is_too_deep(document: Any) -> bool:
    """Level by level, so that looking does not nest either."""
    level = [document]
    for _ in range(MAX_JSON_DEPTH):
        containers = [one for one in level if isinstance(one, dict | list)]
        if not containers:
            return False
        level = [inner for one in containers for inner in (one.values() if isinstance(one, dict) else one)]
    return any(isinstance(one, dict | list) for one in level)


def _finite_float(text: str) -> float:
    if not math.isfinite(value := float(text)):
        raise ValueError(f"{text} is out of range")
    return value


def _reject_constant(text: str) -> float:
    raise ValueError(f"{text} is no JSON")


def _parse_form(raw: bytes) -> dict[str, Any]:
    try:
        fields = parse_qs(raw.decode(), keep_blank_values=True, max_num_fields=1000, strict_parsing=True)
    except ValueError as error:
        raise BadInput(f"the body is neither JSON nor a form: {error}") from error
    return {name: values if len(values) > 1 else values[0] for name, values in fields.items()}
