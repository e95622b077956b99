"""Parsing of JSON and form bodies. JSON is recognised by its content, whatever the Content-Type says."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from ivr.errors import BadInput, InvalidFields, UnsupportedMediaType

MAX_JSON_DEPTH = 50
"""Nesting of objects and arrays."""
FORM_TYPE = "application/x-www-form-urlencoded"
JSON_TYPES = ("", "application/json", "application/x-json", "text/json")


@dataclass(frozen=True, slots=True)
class Body:
    """A request document: `{"data": {…}}` and the other members of the envelope."""

    envelope: dict[str, Any] = field(default_factory=dict)

    @property
    def data(self) -> dict[str, Any]:
        """The member `data`. Raises `InvalidFields` if it is missing or not an object."""
        data = self.envelope.get("data")
        if "data" not in self.envelope:
            raise InvalidFields({"data": {"required": {"message": "Field is required but missing"}}})
        if not isinstance(data, dict):
            raise InvalidFields({"data": {"type": {"message": "Value must be an object", "target": "object"}}})
        return data

    @property
    def data_or_empty(self) -> dict[str, Any]:
        """The member `data`; an empty dict if it is missing or null."""
        return self.data if self.envelope.get("data") is not None else {}


def parse_body(raw: bytes, media_type: str) -> Body:
    """Parse a JSON or form body. Raises `BadInput`, `UnsupportedMediaType`."""
    first_byte = raw.lstrip()[:1]
    if not first_byte:
        return Body()
    if first_byte in (b"{", b"[") or media_type in JSON_TYPES:
        return Body(_parse_json_object(raw))
    if media_type == FORM_TYPE:
        return Body({"data": _parse_form(raw)})
    raise UnsupportedMediaType(f"unsupported media type {media_type}: send application/json")


def _parse_json_object(raw: bytes) -> dict[str, Any]:
    try:
        document = json.loads(raw, parse_constant=_reject_constant, parse_float=_finite_float)
        if _is_too_deep(document):
            raise RecursionError
        json.dumps(document, ensure_ascii=False).encode()  # A lone surrogate cannot be stored as UTF-8.
    except RecursionError:
        raise BadInput(f"JSON is nested too deeply: use at most {MAX_JSON_DEPTH} levels") from None
    except ValueError as error:
        raise BadInput(f"invalid JSON: {error}") from error
    if not isinstance(document, dict):
        raise BadInput('JSON body is not an object: send {"data": {…}}')
    return document


def _is_too_deep(document: Any) -> bool:
    """Return whether the nesting exceeds the limit. Works level by level, without recursion."""
    level = [document]
    for _ in range(MAX_JSON_DEPTH):
        containers = [value for value in level if isinstance(value, dict | list)]
        if not containers:
            return False
        level = [inner for value in containers for inner in (value.values() if isinstance(value, dict) else value)]
    return any(isinstance(value, dict | list) for value in level)


def _finite_float(text: str) -> float:
    if not math.isfinite(value := float(text)):
        raise ValueError(f"number {text} is out of range")
    return value


def _reject_constant(text: str) -> float:
    raise ValueError(f"{text} is not allowed in JSON")


def _parse_form(raw: bytes) -> dict[str, Any]:
    try:
        fields = parse_qs(raw.decode(), keep_blank_values=True, max_num_fields=1000, strict_parsing=True)
    except ValueError as error:
        raise BadInput(f"body is neither JSON nor a form: {error}") from error
    return {name: values if len(values) > 1 else values[0] for name, values in fields.items()}
