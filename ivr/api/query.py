"""What a list is asked for: pages by key, windows of time, filters (kazoo-behaviour §4.3)."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import Depends, Request

from ivr.errors import InvalidFields, NoSuchPage
from ivr.mailbox.message import GREGORIAN_EPOCH, Folder

PAGE_SIZE = 50
LARGEST_PAGE = 1000
UNPAGED = 10_000
"""Rows that `paginate=false` gives at most."""
DAY_S = 86_400
WIDEST_WINDOW_S = 31 * DAY_S + 3600
FARTHEST = 10**12
YES_AND_NO = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}

Test = Callable[[Mapping[str, Any]], bool]


@dataclass(frozen=True, slots=True)
class Query:
    """The parameters of one list."""

    paginate: bool
    page_size: int
    start_key: tuple[Any, str] | None
    ascending: bool | None
    """None: as the list is by itself."""
    created: tuple[int, int]
    """Unix seconds, both included."""
    modified: tuple[int, int]
    tests: tuple[Test, ...]
    folder: Folder | None
    caller: str | None
    """What an index helps to find; tested all the same."""

    def fits(self, document: Mapping[str, Any], changed_at: int) -> bool:
        """Whether a document passes all filters."""
        return self.modified[0] <= changed_at <= self.modified[1] and all(test(document) for test in self.tests)


def query_of(request: Request) -> Query:
    """Raises `InvalidFields`, `NoSuchPage`."""
    given = request.query_params
    single = {name: values[0] for name, values in _filters(given.multi_items(), "filter_").items() if len(values) == 1}
    return Query(
        paginate=_yes(given, "paginate") is not False,
        page_size=_page_size(given.get("page_size")),
        start_key=_start_key(given.get("start_key")),
        ascending=_direction(given),
        created=_window(given, "created", WIDEST_WINDOW_S),
        modified=_window(given, "modified", None),
        tests=tuple(_tests(given.multi_items())),
        folder=next((folder for folder in Folder if single.get("folder") == [folder.value]), None),
        caller=single["caller_id_number"][0] if len(single.get("caller_id_number", [])) == 1 else None,
    )


TheQuery = Annotated[Query, Depends(query_of)]


def shown_key(key: tuple[Any, str]) -> str:
    """A key as a program gets it; what is in it is ours to change."""
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode().rstrip("=")


def _start_key(text: str | None) -> tuple[Any, str] | None:
    if not text:
        return None
    try:
        found = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        first, last = found
        if not (isinstance(last, str) and isinstance(first, int | str) and not isinstance(first, bool)):
            raise ValueError
        if isinstance(first, int) and abs(first) > FARTHEST:
            raise ValueError
        (str(first) + last).encode()
    except (ValueError, TypeError):
        raise NoSuchPage("invalid start key: take next_start_key of the page before") from None
    return first, last


def _page_size(text: str | None) -> int:
    if text is None:
        return PAGE_SIZE
    if not (text.isascii() and text.isdigit() and len(text) < 19 and int(text) > 0):
        raise NoSuchPage("invalid page size")
    return min(int(text), LARGEST_PAGE)


def _direction(given: Mapping[str, str]) -> bool | None:
    ascending, descending = _yes(given, "ascending"), _yes(given, "descending")
    return ascending if ascending is not None else None if descending is None else not descending


def _yes(given: Mapping[str, str], name: str) -> bool | None:
    if name not in given:
        return None
    if given[name].lower() not in YES_AND_NO:
        raise InvalidFields({name: {"type": {"message": "Value must be true or false", "target": "boolean"}}})
    return YES_AND_NO[given[name].lower()]


def _window(given: Mapping[str, str], what: str, widest_s: int | None) -> tuple[int, int]:
    since, until = (_seconds(given.get(name), name) for name in (f"{what}_from", f"{what}_to"))
    if since is not None and until is not None:
        if since > until:
            raise _bad_range(f"{what}_from", f"{what}_from must not be after {what}_to", until)
        if widest_s is not None and until - since > widest_s:
            raise _bad_range(f"{what}_to", f"at most {widest_s} s between {what}_from and {what}_to", widest_s)
    if widest_s is not None:
        until = since + widest_s if since is not None and until is None else until
        since = until - widest_s if until is not None and since is None else since
    return (
        -FARTHEST if since is None else since - GREGORIAN_EPOCH,
        FARTHEST if until is None else until - GREGORIAN_EPOCH,
    )


def _seconds(text: str | None, name: str) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        raise InvalidFields({name: {"type": {"message": "Value must be Gregorian seconds", "target": "integer"}}})
    return int(text)


def _bad_range(name: str, message: str, target: int) -> InvalidFields:
    return InvalidFields({name: {"date_range": {"message": message, "target": target}}})


def _filters(items: Iterable[tuple[str, str]], prefix: str) -> dict[str, list[list[str]]]:
    found: dict[str, list[list[str]]] = {}
    for name, value in items:
        if name.startswith(prefix) and not name.startswith("filter_not_"):
            found.setdefault(name.removeprefix(prefix), []).append(_any_of(value))
    return found


def _tests(items: Iterable[tuple[str, str]]) -> Iterable[Test]:
    for name, value in items:
        if name.startswith("filter_not_"):
            yield _Test(name.removeprefix("filter_not_"), any_of=_any_of(value), wanted=False)
        elif name.startswith("filter_"):
            yield _Test(name.removeprefix("filter_"), any_of=_any_of(value))
        elif name in ("has_key", "key_missing"):
            yield _Test(value, empty=(None,), wanted=name == "key_missing")
        elif name in ("has_value", "value_missing", "missing_value"):
            yield _Test(value, empty=(None, "", [], {}), wanted=name != "has_value")


@dataclass(frozen=True, slots=True)
class _Test:
    """Whether the value of a key is one of some texts, or of some kinds of nothing."""

    key: str
    any_of: list[str] = field(default_factory=list)
    empty: tuple[Any, ...] = ()
    wanted: bool = True

    def __call__(self, document: Mapping[str, Any]) -> bool:
        value = _at(document, self.key)
        found = value in self.empty if self.empty else _equals(value, self.any_of)
        return found is self.wanted


def _any_of(value: str) -> list[str]:
    """A value, or a JSON list of values any of which will do."""
    if value.startswith("["):
        try:
            found = json.loads(value)
        except (ValueError, RecursionError):
            return [value]
        if isinstance(found, list):
            return [_text(one) for one in found]
    return [value]


def _at(document: Mapping[str, Any], path: str) -> Any:
    """The value at a path of keys with dots between."""
    if path in document:
        return document[path]
    here: Any = document
    for key in path.split("."):
        if not isinstance(here, Mapping) or key not in here:
            return None
        here = here[key]
    return here


def _equals(value: Any, any_of: list[str]) -> bool:
    if isinstance(value, list):
        return any(_text(one) in any_of for one in value)
    return value is not None and _text(value) in any_of


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
