"""Arguments of the form `key=value`, by which commands change documents."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel

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


def reject_unknown_keys(document: Mapping[str, Any], model: type[BaseModel], *more_keys: str, path: str = "") -> None:
    """Raise `BadInput` for a key that is no field of `model` and none of `more_keys`, also in nested models.

    Documents may have keys of their own, so a command stores such a key only if it is forced to.
    """
    known = [*model.model_fields, *more_keys]
    for key, value in document.items():
        if key not in known:
            similar = get_close_matches(key, known, n=1)
            hint = f"did you mean {path}{similar[0]}? " if similar else ""
            raise BadInput(f"unknown key {path}{key}: {hint}--force stores it all the same")
        nested = _nested_model(model.model_fields[key].annotation) if key in model.model_fields else None
        if nested and isinstance(value, Mapping):
            reject_unknown_keys(value, nested, path=f"{path}{key}.")


def _nested_model(annotation: Any) -> type[BaseModel] | None:
    candidates = [annotation, *get_args(annotation)]
    return next((one for one in candidates if isinstance(one, type) and issubclass(one, BaseModel)), None)


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
