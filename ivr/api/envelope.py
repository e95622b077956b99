"""How every answer is wrapped (kazoo-behaviour §4.2), and what a revision is good for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from ivr.errors import Conflict, PreconditionFailed
from ivr.mailbox.mailbox import Mailbox
from ivr.storage.records import Message


def success(
    request: Request,
    data: Any,
    *,
    status: int = 200,
    revision: str | None = None,
    token: str | None = None,
    headers: Mapping[str, str] | None = None,
    **paging: Any,
) -> Response:
    """An answer; 304 without a body where the asker already has this revision."""
    revision = revision or hashlib.sha256(_json_bytes(data)).hexdigest()[:32]
    tag = {"ETag": f'"{revision}"', "Cache-Control": "no-store" if token else "private, no-cache", **(headers or {})}
    known = _parse_etags(request.headers.get("if-none-match", ""))
    if request.method == "GET" and ("*" in known or revision in known):
        return Response(status_code=304, headers=tag)
    content = {
        "auth_token": token or getattr(request.state, "auth_token", ""),
        "data": data,
        **paging,
        "revision": revision,
        "request_id": request_id(request),
        "status": "success",
    }
    return Response(_json_bytes(content), status, tag, "application/json")


def created(request: Request, data: Any, document_id: str, revision: str) -> Response:
    """201, and where the new one is."""
    return success(request, data, status=201, revision=revision, headers={"Location": document_id})


def failure(
    request: Request, status: int, message: str, data: Mapping[str, Any], headers: Mapping[str, str] | None = None
) -> Response:
    """An answer that says what is wrong."""
    content = {
        "auth_token": getattr(request.state, "auth_token", ""),
        "data": data,
        "error": str(status),
        "message": message,
        "request_id": request_id(request),
        "status": "error",
    }
    return Response(_json_bytes(content), status, dict(headers or {}), "application/json")


def request_id(request: Request) -> str:
    """By which a request is found in the log."""
    return str(getattr(request.state, "request_id", ""))


def document_revision(document: Mailbox | Message) -> str:
    """It changes whenever the document does."""
    return f"{document.revision}-{document.id}"


def expected_revision(request: Request, document: Mailbox | Message, etag_prefixes: Collection[str] = ()) -> int | None:
    """The revision at which alone the asker wants it changed, which the store has to compare; None: at any.

    `also`: beginnings of ETags that stand for the document as it is. Raises `PreconditionFailed` where it has another revision.
    """
    tags = if_match_tags(request)
    if tags is None:
        return None
    if document_revision(document) not in tags and not {tag.partition("-")[0] for tag in tags} & {*etag_prefixes}:
        raise PreconditionFailed("it was changed by somebody else meanwhile: read it again")
    return document.revision


def if_match_filter(request: Request) -> Callable[[Mailbox | Message], bool] | None:
    """Which documents `If-Match` names, each by its revision; None: it is not there, or takes any."""
    tags = if_match_tags(request)
    return None if tags is None else lambda document: document_revision(document) in tags


def if_match_tags(request: Request) -> list[str] | None:
    """The revisions that `If-Match` names; None: it is not there, or takes any."""
    tags = _parse_etags(request.headers.get("if-match", "*"))
    return None if "*" in tags else tags


@contextmanager
def precondition(request: Request, document: Mailbox | Message) -> Iterator[int | None]:
    """`seen`; around a change that compares revisions by itself, and calls it a conflict."""
    revision = expected_revision(request, document)
    try:
        yield revision
    except Conflict as conflict:
        if revision is None:
            raise
        raise PreconditionFailed(str(conflict)) from conflict


def _parse_etags(header: str) -> list[str]:
    """What a list of tags names; `*` stands for anything."""
    return [tag.strip().removeprefix("W/").strip('"') for tag in header.split(",")]


def _json_bytes(content: Any) -> bytes:
    return json.dumps(content).encode()
