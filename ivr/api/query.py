"""What a list is asked for: pages by key, windows of time, filters (kazoo-behaviour §4.3)."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import Depends, Request

from ivr.errors import InvalidFields, InvalidPage
from ivr.storage.records import GREGORIAN_OFFSET_S, Folder

DEFAULT_PAGE_SIZE = 50
MAX_PAGE_SIZE = 1000
MAX_UNPAGED_ROWS = 10_000
"""Rows that `paginate=false` gives at most."""
DAY_S = 86_400
MAX_TIME_RANGE_S = 31 * DAY_S + 3600
MAX_TIMESTAMP = 10**12
BOOLEAN_WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}

DocumentFilter = Callable[[Mapping[str, Any]], bool]


@dataclass(frozen=True, slots=True)
class ListQuery:
    """The parameters of one list."""

    paginate: bool
    page_size: int
    start_key: tuple[Any, str] | None
    ascending: bool | None
    """None: as the list is by itself."""
    created_range: tuple[int, int]
    """Unix seconds, both included."""
    modified_range: tuple[int, int]
    filters: tuple[DocumentFilter, ...]
    folder: Folder | None
    caller_number: str | None
    """What an index helps to find; tested all the same."""

    def matches(self, document: Mapping[str, Any], changed_at: int) -> bool:
        """Whether a document passes all filters."""
        return self.modified_range[0] <= changed_at <= self.modified_range[1] and all(
            test(document) for test in self.filters
        )


def parse_list_query(request: Request) -> ListQuery:
    """Raises `InvalidFields`, `InvalidPage`."""
    given = request.query_params
    single = {
        name: values[0] for name, values in _filter_values(given.multi_items(), "filter_").items() if len(values) == 1
    }
    return ListQuery(
        paginate=_boolean(given, "paginate") is not False,
        page_size=_parse_page_size(given.get("page_size")),
        start_key=_decode_page_key(given.get("start_key")),
        ascending=_ascending(given),
        created_range=_time_range(given, "created", MAX_TIME_RANGE_S),
        modified_range=_time_range(given, "modified", None),
        filters=tuple(_build_filters(given.multi_items())),
        folder=next((folder for folder in Folder if single.get("folder") == [folder.value]), None),
        caller_number=single["caller_id_number"][0] if len(single.get("caller_id_number", [])) == 1 else None,
    )


ListQueryDep = Annotated[ListQuery, Depends(parse_list_query)]


def encode_page_key(key: tuple[Any, str]) -> str:
    """A key as a program gets it; what is in it is ours to change."""
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode().rstrip("=")


def _decode_page_key(text: str | None) -> tuple[Any, str] | None:
    if not text:
        return None
    try:
        found = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        first, last = found
        if not (isinstance(last, str) and isinstance(first, int | str) and not isinstance(first, bool)):
            raise ValueError
        if isinstance(first, int) and abs(first) > MAX_TIMESTAMP:
            raise ValueError
        (str(first) + last).encode()
    except (ValueError, TypeError):
        raise InvalidPage("invalid start key: take next_start_key of the page before") from None
    return first, last


def _parse_page_size(text: str | None) -> int:
    if text is None:
        return DEFAULT_PAGE_SIZE
    if not (text.isascii() and text.isdigit() and len(text) < 19 and int(text) > 0):
        raise InvalidPage("invalid page size")
    return min(int(text), MAX_PAGE_SIZE)


def _ascending(params: Mapping[str, str]) -> bool | None:
    ascending, descending = _boolean(params, "ascending"), _boolean(params, "descending")
    return ascending if ascending is not None else None if descending is None else not descending


def _boolean(params: Mapping[str, str], name: str) -> bool | None:
    if name not in params:
        return None
    if params[name].lower() not in BOOLEAN_WORDS:
        raise InvalidFields({name: {"type": {"message": "Value must be true or false", "target": "boolean"}}})
    return BOOLEAN_WORDS[params[name].lower()]


def _time_range(params: Mapping[str, str], prefix: str, max_range_s: int | None) -> tuple[int, int]:
    since, until = (_gregorian_seconds(params.get(name), name) for name in (f"{prefix}_from", f"{prefix}_to"))
    if since is not None and until is not None:
        if since > until:
            raise _range_error(f"{prefix}_from", f"{prefix}_from must not be after {prefix}_to", until)
        if max_range_s is not None and until - since > max_range_s:
            raise _range_error(
                f"{prefix}_to", f"at most {max_range_s} s between {prefix}_from and {prefix}_to", max_range_s
            )
    if max_range_s is not None:
        until = since + max_range_s if since is not None and until is None else until
        since = until - max_range_s if until is not None and since is None else since
    return (
        -MAX_TIMESTAMP if since is None else since - GREGORIAN_OFFSET_S,
        MAX_TIMESTAMP if until is None else until - GREGORIAN_OFFSET_S,
    )


def _gregorian_seconds(text: str | None, name: str) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        raise InvalidFields({name: {"type": {"message": "Value must be Gregorian seconds", "target": "integer"}}})
    return int(text)


def _range_error(name: str, message: str, target: int) -> InvalidFields:
    return InvalidFields({name: {"date_range": {"message": message, "target": target}}})


def _filter_values(items: Iterable[tuple[str, str]], prefix: str) -> dict[str, list[list[str]]]:
    found: dict[str, list[list[str]]] = {}
    for name, value in items:
        if name.startswith(prefix) and not name.startswith("filter_not_"):
            found.setdefault(name.removeprefix(prefix), []).append(_parse_values(value))
    return found


def _build_filters(items: Iterable[tuple[str, str]]) -> Iterable[DocumentFilter]:
    for name, value in items:
        if name.startswith("filter_not_"):
            yield _Filter(name.removeprefix("filter_not_"), values=_parse_values(value), expected=False)
        elif name.startswith("filter_"):
            yield _Filter(name.removeprefix("filter_"), values=_parse_values(value))
        elif name in ("has_key", "key_missing"):
            yield _Filter(value, empty_values=(None,), expected=name == "key_missing")
        elif name in ("has_value", "value_missing", "missing_value"):
            yield _Filter(value, empty_values=(None, "", [], {}), expected=name != "has_value")


@dataclass(frozen=True, slots=True)
class _Filter:
    """Whether the value of a key is one of some texts, or of some kinds of nothing."""

    key: str
    values: list[str] = field(default_factory=list)
    empty_values: tuple[Any, ...] = ()
    expected: bool = True

    def __call__(self, document: Mapping[str, Any]) -> bool:
        value = _value_at_path(document, self.key)
        found = value in self.empty_values if self.empty_values else _matches_any(value, self.values)
        return found is self.expected


def _parse_values(value: str) -> list[str]:
    """A value, or a JSON list of values any of which will do."""
    if value.startswith("["):
        try:
            found = json.loads(value)
        except (ValueError, RecursionError):
            return [value]
        if isinstance(found, list):
            return [_as_text(one) for one in found]
    return [value]


def _value_at_path(document: Mapping[str, Any], path: str) -> Any:
    """The value at a path of keys with dots between."""
    if path in document:
        return document[path]
    here: Any = document
    for key in path.split("."):
        if not isinstance(here, Mapping) or key not in here:
            return None
        here = here[key]
    return here


def _matches_any(value: Any, values: list[str]) -> bool:
    if isinstance(value, list):
        return any(_as_text(one) in values for one in value)
    return value is not None and _as_text(value) in values


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
