"""Arguments of the form `key=value`, by which commands change documents."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from ivr.errors import BadInput

TEXT_KEYS = ("pin", "mailbox", "operator_number", "number", "voicemail_id")
"""Values of these keys, and of the key map, are text even if they look like numbers: "0042" is not 42."""


def parse_assignments(assignments: Iterable[str]) -> dict[str, Any]:
    """Return `key=value` arguments as a document. Raises `BadInput`.

    A value is read as JSON if it is JSON, else as text. A dot in a key leads into an object.
    """
    document: dict[str, Any] = {}
    for assignment in assignments:
        key, equals, value = assignment.partition("=")
        if not equals or not key:
            raise BadInput(f"{assignment!r} is not an assignment: write key=value")
        path = key.split(".")
        parent = document
        for name in path[:-1]:
            parent = parent.setdefault(name, {})
        parent[path[-1]] = _parse_value(path, value)
    return document


def merge_value(current: object, new: object) -> object:
    """Return `new`, merged key by key if both are objects; null removes a key."""
    if not isinstance(new, dict) or not isinstance(current, dict):
        return new
    return {key: value for key, value in {**current, **new}.items() if value is not None}


def _parse_value(path: list[str], text: str) -> Any:
    if "keys" in path or path[-1] in TEXT_KEYS:
        return None if text == "null" else text
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
