"""Schema violations in the form of Kazoo's REST API."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pydantic import ValidationError

from ivr.errors import InvalidFields


@contextmanager
def report_violations() -> Iterator[None]:
    """Context in which pydantic's `ValidationError` is raised as `InvalidFields`."""
    try:
        yield
    except ValidationError as error:
        raise kazoo_violations(error) from error


def kazoo_violations(error: ValidationError) -> InvalidFields:
    """Convert a `ValidationError`. Names of nested fields are joined by "."; of a field the last error counts."""
    violations: dict[str, dict[str, dict[str, object]]] = {}
    for item in error.errors(include_url=False, include_context=True):
        field = ".".join(str(part) for part in item["loc"] if not _is_union_branch(part)) or "data"
        rule, message = _violation(item["type"], item.get("ctx", {}), item["msg"])
        violations[field] = {rule: message}
    return InvalidFields(violations)


def _is_union_branch(part: object) -> bool:
    """Whether a part of the path is the member of a union: pydantic adds it, clients do not expect it."""
    return part in ("int", "str", "constrained-str", "constrained-int")


def _violation(error_type: str, context: dict[str, Any], default_message: str) -> tuple[str, dict[str, object]]:
    match error_type:
        case "missing":
            return "required", {"message": "Field is required but missing"}
        case "string_too_short":
            n = context["min_length"]
            return "minLength", {"message": f"String must be at least {n} characters", "target": n}
        case "string_too_long":
            n = context["max_length"]
            return "maxLength", {"message": f"String must not be more than {n} characters", "target": n}
        case "literal_error" | "enum":
            return "enum", {
                "message": "Value not found in enumerated list of values",
                "target": context.get("expected"),
            }
        case "greater_than_equal":
            return "minimum", {"message": f"Value must be at least {context['ge']}", "target": context["ge"]}
        case "less_than_equal":
            return "maximum", {"message": f"Value must be at most {context['le']}", "target": context["le"]}
        case "string_pattern_mismatch":
            return "wrong_format", {"message": "Value is not of the right format"}
        case _:
            return "type", {"message": default_message}
