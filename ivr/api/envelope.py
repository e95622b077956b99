"""The envelope of every JSON response, ETags and the preconditions that clients send with them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from ivr.api.filters import BOOLEAN_WORDS
from ivr.errors import Conflict, PreconditionFailed
from ivr.mailbox.mailbox import Mailbox
from ivr.storage.records import Message

MAX_INDENTED_BYTES = 1_000_000
"""A longer response is not indented for people to read: it would keep calls waiting."""
CHANGED_MEANWHILE = "another client changed it meanwhile: read it again"


@dataclass(frozen=True, slots=True)
class RenderedData:
    """The member `data` of a response as JSON, and its revision."""

    json: bytes
    revision: str


def render_data(data: Any) -> RenderedData:
    """Return data as JSON with a revision that changes with it."""
    data_json = to_json(data)
    return RenderedData(data_json, hashlib.sha256(data_json).hexdigest()[:32])


def join_lists(lists: Sequence[RenderedData]) -> RenderedData:
    """Return lists as one. Its revision changes with each of theirs."""
    revisions = "".join(one.revision for one in lists).encode()
    return RenderedData(
        b"[" + b",".join(one.json[1:-1] for one in lists) + b"]", hashlib.sha256(revisions).hexdigest()[:32]
    )


def success(
    request: Request,
    data: Any,
    *,
    status: int = 200,
    revision: str | None = None,
    token: str | None = None,
    is_cacheable: bool = True,
    headers: Mapping[str, str] | None = None,
    **paging: Any,
) -> Response:
    """Build a success response; 304 without a body if the client already has this revision.

    A response with a token or with links that expire is not cacheable. `data`: a document, or `RenderedData`.
    """
    if isinstance(data, RenderedData):
        rendered = data
    else:
        rendered = RenderedData(to_json(data), revision) if revision else render_data(data)
    data_json, revision = rendered.json, rendered.revision
    is_cacheable = is_cacheable and token is None
    caching = "private, no-cache" if is_cacheable else "no-store"
    response_headers = {"ETag": f'"{revision}"', "Cache-Control": caching, **(headers or {})}
    known_tags = [tag.removeprefix("W/").strip('"') for tag in _split_list(request.headers.get("if-none-match", ""))]
    if is_cacheable and request.method == "GET" and ("*" in known_tags or revision in known_tags):
        return Response(status_code=304, headers=response_headers)
    content = {
        "auth_token": token or _auth_token(request),
        "data": orjson.Fragment(data_json),
        **paging,
        "revision": revision,
        **_server_members(request),
        "status": "success",
    }
    return _json_response(request, content, status, response_headers)


def created(request: Request, data: Any, document_id: str, revision: str) -> Response:
    """Build a 201 response with the location of the new document."""
    return success(request, data, status=201, revision=revision, headers={"Location": document_id})


def failure(
    request: Request, status: int, message: str, data: Mapping[str, Any], headers: Mapping[str, str] | None = None
) -> Response:
    """Build an error response."""
    content = {
        "auth_token": _auth_token(request),
        "data": data,
        "error": str(status),
        "message": message,
        **_server_members(request),
        "status": "error",
    }
    return _json_response(request, content, status, headers or {})


def request_id(request: Request) -> str:
    """Return the id under which the request is logged."""
    return str(request.scope["state"].get("request_id", ""))


def document_revision(document: Mailbox | Message) -> str:
    """Return the revision of a document as clients see it; it changes with every change of the document."""
    return f"{document.revision}-{document.id}"


def expected_revision(request: Request, document: Mailbox | Message, etag_prefixes: Collection[str] = ()) -> int | None:
    """Return the revision that `If-Match` requires, for the store to compare; None: any revision.

    `etag_prefixes`: beginnings of further ETags that stand for the current document.
    Raises `PreconditionFailed` if the document has another revision already.
    """
    tags = if_match_tags(request)
    if tags is None:
        return None
    if document_revision(document) not in tags and not {tag.partition("-")[0] for tag in tags} & {*etag_prefixes}:
        raise PreconditionFailed(CHANGED_MEANWHILE)
    return document.revision


def if_match_filter(request: Request) -> Callable[[Mailbox | Message], bool] | None:
    """Return a test for the documents whose revisions `If-Match` lists; None: there is no restriction."""
    listed = if_match_tags(request)
    if listed is None:
        return None
    tags = frozenset(listed)  # It is asked for each message of a bulk request.
    return lambda document: document_revision(document) in tags


def if_match_tags(request: Request) -> list[str] | None:
    """Return the tags of `If-Match`; None: the header is missing or `*`."""
    listed = _split_list(request.headers.get("if-match", "*"))
    # The comparison is strong (RFC 9110, 13.1.1): a weak tag matches nothing.
    return None if "*" in listed else [tag.strip('"') for tag in listed if not tag.startswith("W/")]


@contextmanager
def precondition(request: Request, document: Mailbox | Message) -> Iterator[int | None]:
    """Guard a change that compares revisions by itself: its `Conflict` becomes `PreconditionFailed`.

    Yields the expected revision. Without `If-Match` the conflict is raised unchanged.
    """
    revision = expected_revision(request, document)
    try:
        yield revision
    except Conflict as conflict:
        if revision is None:
            raise
        raise PreconditionFailed(str(conflict)) from conflict


def _split_list(header: str) -> list[str]:
    """Return the tags of a list, with quotes and weakness marks."""
    return [tag.strip() for tag in header.split(",")]


def timestamp(now: float) -> str:
    """Return the time of a response as clients read it. `now`: Unix seconds."""
    return _format_timestamp(int(now))


@lru_cache(maxsize=1)
def _format_timestamp(second: int) -> str:
    return f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _auth_token(request: Request) -> str:
    return str(request.scope["state"].get("auth_token", ""))


def _server_members(request: Request) -> dict[str, str]:
    """Return the members about the server. `version` and `node` are for clients that are signed in."""
    app = request.app
    members = {"request_id": request_id(request), "timestamp": timestamp(app.state.services.clock.now())}
    if _auth_token(request):
        members |= {"node": app.state.node, "version": app.version}
    return members


def _json_response(request: Request, content: Any, status: int, headers: Mapping[str, str]) -> Response:
    wanted = request.headers.get("x-pretty-print", "")
    if request.scope["query_string"]:
        wanted = request.query_params.get("pretty_print", wanted)
    body = to_json(content)
    if BOOLEAN_WORDS.get(wanted.lower()) and len(body) <= MAX_INDENTED_BYTES:
        body = to_json(json.loads(body), indented=True) + b"\n"
    return Response(body, status, dict(headers), "application/json")


def to_json(content: Any, *, indented: bool = False) -> bytes:
    """Return JSON. Clients may store integers of any size in a box, and orjson refuses those beyond 64 bits."""
    try:
        return orjson.dumps(content, option=orjson.OPT_INDENT_2 if indented else None)
    except TypeError:
        return json.dumps(content, indent=2 if indented else None).encode()
