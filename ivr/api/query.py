"""Query parameters of lists: pages, time ranges, folder and filters."""

from __future__ import annotations

import base64
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any

from fastapi import Depends, Request
from starlette.datastructures import QueryParams

from ivr.api.filters import BOOLEAN_WORDS, KEY_FILTERS, Filter, equality_filter, parse_filters, unknown_filter
from ivr.api.middleware import OVERRIDE_PARAMETERS
from ivr.api.misspelling import meant_name
from ivr.api.request_body import Body
from ivr.errors import NOT_ENUMERATED, InvalidFields, InvalidPage
from ivr.storage.records import GREGORIAN_OFFSET_S, MAX_SEARCH_LENGTH, Folder

DEFAULT_PAGE_SIZE = 50
MAX_PAGE_SIZE = 1000
DAY_S = 86_400
MAX_TIME_RANGE_S = 31 * DAY_S + 3600
"""Longest range between `created_from` and `created_to`."""
MAX_TIMESTAMP = 10**12
"""Stands for "no limit" in time ranges, in seconds."""
NEUTRAL_PARAMETERS = {"_", "accept", "auth_token", "pretty_print", *OVERRIDE_PARAMETERS}
"""Parameters that select nothing. Browsers add `_` against caches."""
DELETE_PARAMETERS = {
    *("folder", "created_from", "created_to", "modified_from", "modified_to", *KEY_FILTERS),
    *NEUTRAL_PARAMETERS,
}
"""Parameters of a DELETE of many messages, besides `filter_KEY`."""
TIME_PARAMETERS = ("created_from", "created_to", "modified_from", "modified_to")
LIST_PARAMETERS = (
    *("ascending", "created_from", "created_to", "descending", "folder", *KEY_FILTERS, "links"),
    *("modified_from", "modified_to", "page_size", "paginate", "pretty_print", "search", "start_key"),
)
"""Parameters of lists, besides `filter_KEY`."""


@dataclass(frozen=True, slots=True)
class ListQuery:
    """The parsed parameters of one list."""

    paginate: bool
    page_size: int
    start_key: tuple[Any, str] | None
    ascending: bool | None
    """None: the default order of the list."""
    created_range: tuple[int, int]
    """First and last Unix second, both included."""
    modified_range: tuple[int, int]
    filters: tuple[Filter, ...]
    folder: Folder | None
    """Set if `filters` requires one folder, so that the store can use an index."""
    caller_number: str | None
    """Set if `filters` requires one caller number, for the same reason."""
    search: str
    """Words that a message must have in name or number of its caller, or in its transcript; "": any message."""
    text: str
    """The parameters as the client sent them."""
    wants_links: bool
    """Whether each message has a link to its audio."""
    is_narrowed: bool
    """Whether a filter, folder or time range leaves out some of the list."""

    def matches(self, document: Mapping[str, Any], changed_at: int) -> bool:
        """Return whether a document passes all filters. `changed_at` is in Unix seconds."""
        return self.modified_range[0] <= changed_at <= self.modified_range[1] and all(
            passes(document) for passes in self.filters
        )


async def parse_list_query(request: Request) -> ListQuery:
    """Parse the parameters of a list. Raises `InvalidFields`, `InvalidPage`."""
    query: str = request.scope["query_string"].decode("latin-1")
    return _parse_known(query) if len(query) <= MAX_KNOWN_LENGTH else _parse(query)


def _parse(query: str) -> ListQuery:
    if query.count("&") >= MAX_PARAMETERS:  # Before they are parsed: each takes time, and a call would wait.
        raise _too_many("parameters", MAX_PARAMETERS)
    params = QueryParams(query)
    if sum(name.startswith("filter_") for name, _ in params.multi_items()) > MAX_FILTERS:
        raise _too_many("filters", MAX_FILTERS)
    if sum(value.count(",") for name, value in params.multi_items() if name.startswith("filter_")) >= MAX_FILTER_VALUES:
        raise _too_many("values in filters", MAX_FILTER_VALUES)
    reject_misspelt_parameters(params, LIST_PARAMETERS)
    _reject_contradictions(params)
    filters = parse_filters(params.multi_items())
    for found in filters:
        for name in found.values if found.key == "folder" else ():
            parse_folder_name(name, found.parameter)
    if "folder" in params:
        filters += (equality_filter("folder", parse_folder_name(params["folder"])),)
    required_values = {found.key: found.required_values for found in filters}
    caller_numbers = required_values.get("caller_id_number", [])
    return ListQuery(
        paginate=boolean_parameter(params, "paginate") is not False,
        page_size=_parse_page_size(params.get("page_size")),
        start_key=_decode_page_key(params.get("start_key")),
        ascending=_ascending(params),
        created_range=_time_range(params, "created", MAX_TIME_RANGE_S),
        modified_range=_time_range(params, "modified", None),
        filters=filters,
        folder=next((folder for folder in Folder if required_values.get("folder") == [folder.value]), None),
        caller_number=caller_numbers[0] if len(caller_numbers) == 1 else None,
        search=_parse_search(params.get("search", "")),
        text=str(params),
        wants_links=boolean_parameter(params, "links") is True,
        is_narrowed=bool(filters) or any(name in params for name in TIME_PARAMETERS),
    )


MAX_PARAMETERS = 100
MAX_FILTERS = 20
"""Each is compared with each row of a list."""
MAX_FILTER_VALUES = 1000
"""Of all filters together, counted by their commas: the same."""
MAX_KNOWN_QUERIES = 256
MAX_KNOWN_LENGTH = 500
_parse_known = lru_cache(MAX_KNOWN_QUERIES)(_parse)
"""Clients repeat few queries, and parsing one takes a quarter of the time of a list."""
ListQueryDep = Annotated[ListQuery, Depends(parse_list_query)]


def reject_unknown_parameters(request: Request) -> None:
    """Raise `InvalidFields` for a parameter that means nothing here; for requests in which a typing error destroys."""
    _reject_parameters_but(DELETE_PARAMETERS, [name for name in request.query_params if not name.startswith("filter_")])


def _reject_parameters_but(known: Collection[str], names: Iterable[str]) -> None:
    for name in names:
        if name not in known and name.lower() not in NEUTRAL_PARAMETERS:
            violation = {"message": "Unknown parameter", "target": ", ".join(sorted(known))}
            raise InvalidFields({name: {"enum": violation}})


def reject_other_subject(request: Request, body: Body, **subject: Any) -> None:
    """Raise `InvalidFields` for a DELETE of what the path names if its query or body selects something else.

    `subject`: members of a body, and the value that each may have. Values that name nothing, such as counts, are left
    alone: clients send the document that they delete.
    """
    _reject_parameters_but(NEUTRAL_PARAMETERS, request.query_params)
    for member, own in subject.items():
        named = body.data_or_empty.get(member, body.envelope.get(member))
        is_name = isinstance(named, str) or (isinstance(named, list) and any(isinstance(one, str) for one in named))
        if is_name and named != own:
            message = "The path names what is deleted, and this names something else: send it to the path of that"
            raise InvalidFields({member: {"invalid": {"message": message, "target": own}}})


def reject_misspelt_parameters(names: Iterable[str], known: Collection[str]) -> None:
    """Raise `InvalidFields` for a parameter that is one letter off a known one, or nearly a filter.

    Other unknown parameters are ignored, as in Kazoo: clients add their own.
    """
    given = [*names]
    if len(given) > MAX_PARAMETERS:
        raise _too_many("parameters", MAX_PARAMETERS)
    for name in given:
        if name in known or name.startswith("filter_"):
            continue
        if name.lower().startswith("filter"):
            raise unknown_filter(name)
        if meant := meant_name(name, known):
            violation = {"message": f"Unknown parameter: did you mean {meant}?", "target": meant}
            raise InvalidFields({name: {"enum": violation}})


def _reject_contradictions(params: QueryParams) -> None:
    """Raise `InvalidFields` for a parameter that stands twice with different values; filters may, and all apply."""
    for name in LIST_PARAMETERS:
        if name not in KEY_FILTERS and len(set(params.getlist(name))) > 1:
            raise InvalidFields({name: {"maxItems": {"message": "Parameter has several values: send one"}}})


def parse_folder_name(name: Any, member: str = "folder") -> Folder:
    """Return the folder of this name. `member`: what the name is the value of. Raises `InvalidFields`."""
    if name not in list(Folder):
        violation = {"message": NOT_ENUMERATED, "target": ", ".join(Folder)}
        raise InvalidFields({member: {"enum": violation}})
    return Folder(name)


def encode_page_key(key: tuple[Any, str]) -> str:
    """Encode a page key for clients, to whom it is opaque."""
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode().rstrip("=")


def _decode_page_key(text: str | None) -> tuple[Any, str] | None:
    if not text:
        return None
    try:
        first, last = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        if not (isinstance(last, str) and isinstance(first, int | str) and not isinstance(first, bool)):
            raise ValueError
        if isinstance(first, int) and abs(first) > MAX_TIMESTAMP:
            raise ValueError
        (str(first) + last).encode()
    except (ValueError, TypeError, RecursionError):
        raise InvalidPage("invalid start key: use next_start_key of the previous page") from None
    return first, last


def _parse_search(text: str) -> str:
    if len(text) > MAX_SEARCH_LENGTH:
        message = f"Value must have at most {MAX_SEARCH_LENGTH} characters"
        raise InvalidFields({"search": {"maxLength": {"message": message, "target": MAX_SEARCH_LENGTH}}})
    return text.strip()


def _parse_page_size(text: str | None) -> int:
    if text is None:
        return DEFAULT_PAGE_SIZE
    if not (text.isascii() and text.isdigit() and len(text) < 19 and int(text) > 0):
        raise InvalidPage("invalid page size")
    return min(int(text), MAX_PAGE_SIZE)


def _ascending(params: Mapping[str, str]) -> bool | None:
    ascending, descending = boolean_parameter(params, "ascending"), boolean_parameter(params, "descending")
    return ascending if ascending is not None else None if descending is None else not descending


def boolean_parameter(params: Mapping[str, str], name: str) -> bool | None:
    """Return a parameter that is true or false; None: it is missing. Raises `InvalidFields` for other words."""
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
            message = f"{prefix}_from and {prefix}_to must be at most {max_range_s} s apart"
            raise _range_error(f"{prefix}_to", message, max_range_s)
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


def _too_many(what: str, limit: int) -> InvalidFields:
    violation = {"message": f"A list takes at most {limit} {what}", "target": limit}
    return InvalidFields({"query": {"maxItems": violation}})


def _range_error(name: str, message: str, target: int) -> InvalidFields:
    return InvalidFields({name: {"date_range": {"message": message, "target": target}}})
