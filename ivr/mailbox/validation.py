"""A document that breaks its schema, told in Kazoo's words (kazoo-behaviour §4.2)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pydantic import ValidationError

from ivr.errors import InvalidFields


@contextmanager
def refusing_fields() -> Iterator[None]:
    """Inside, a document that breaks its schema raises `InvalidFields`."""
    try:
        yield
    except ValidationError as error:
        raise refused(error) from error


def refused(error: ValidationError) -> InvalidFields:
    """The fields at fault, nested ones joined by "."; of several faults of one field the last is told."""
    found: dict[str, dict[str, dict[str, object]]] = {}
    for fault in error.errors(include_url=False, include_context=True):
        field = ".".join(str(part) for part in fault["loc"] if not _is_branch(part)) or "data"
        rule, message = _told(fault["type"], fault.get("ctx", {}), fault["msg"])
        found[field] = {rule: message}
    return InvalidFields(found)


def _is_branch(part: object) -> bool:
    """pydantic names the member of a union in the path; people do not."""
    return part in ("int", "str", "constrained-str", "constrained-int")


def _told(kind: str, limits: dict[str, Any], said: str) -> tuple[str, dict[str, object]]:
    match kind:
        case "missing":
            return "required", {"message": "Field is required but missing"}
        case "string_too_short":
            n = limits["min_length"]
            return "minLength", {"message": f"String must be at least {n} characters", "target": n}
        case "string_too_long":
            n = limits["max_length"]
            return "maxLength", {"message": f"String must not be more than {n} characters", "target": n}
        case "literal_error" | "enum":
            return "enum", {"message": "Value not found in enumerated list of values", "target": limits.get("expected")}
        case "greater_than_equal":
            return "minimum", {"message": f"Value must be at least {limits['ge']}", "target": limits["ge"]}
        case "less_than_equal":
            return "maximum", {"message": f"Value must be at most {limits['le']}", "target": limits["le"]}
        case "string_pattern_mismatch":
            return "wrong_format", {"message": "Value is not of the right format"}
        case _:
            return "type", {"message": said}
