"""How every answer is wrapped (kazoo-behaviour §4.2), and what a revision is good for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from ivr.errors import Outdated
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.message import Message


def success(
    request: Request, data: Any, *, status: int = 200, revision: str | None = None, token: str | None = None,
    headers: Mapping[str, str] | None = None, **paging: Any,
) -> Response:  # fmt: skip
    """An answer; 304 without a body where the asker already has this revision."""
    revision = revision or hashlib.sha256(_json(data)).hexdigest()[:32]
    tag = {"ETag": f'"{revision}"', "Cache-Control": "no-store" if token else "private, no-cache", **(headers or {})}
    if request.method == "GET" and _names(request.headers.get("if-none-match"), revision):
        return Response(status_code=304, headers=tag)
    content = {
        "auth_token": token or getattr(request.state, "auth_token", ""), "data": data, **paging,
        "revision": revision, "request_id": request_id(request), "status": "success",
    }  # fmt: skip
    return Response(_json(content), status, tag, "application/json")


def created(request: Request, data: Any, document_id: str, revision: str) -> Response:
    """201, and where the new one is."""
    return success(request, data, status=201, revision=revision, headers={"Location": document_id})


def failure(
    request: Request, status: int, message: str, data: Mapping[str, Any], headers: Mapping[str, str] | None = None
) -> Response:
    """An answer that says what is wrong."""
    content = {
        "auth_token": getattr(request.state, "auth_token", ""), "data": data, "error": str(status),
        "message": message, "request_id": request_id(request), "status": "error",
    }  # fmt: skip
    return Response(_json(content), status, dict(headers or {}), "application/json")


def request_id(request: Request) -> str:
    """By which a request is found in the log."""
    return str(getattr(request.state, "request_id", ""))


def revision_of(document: Mailbox | Message) -> str:
    """It changes whenever the document does."""
    return f"{document.revision}-{document.id}"


def must_match(request: Request, revision: str) -> None:
    """Raises `Outdated` where the asker saw another revision than this one."""
    wanted = request.headers.get("if-match")
    if wanted is not None and not _names(wanted, revision):
        raise Outdated("it was changed by somebody else meanwhile: read it again")


def _names(header: str | None, revision: str) -> bool:
    if header is None:
        return False
    tags = [tag.strip().removeprefix("W/").strip('"') for tag in header.split(",")]
    return "*" in tags or revision in tags


def _json(content: Any) -> bytes:
    return json.dumps(content).encode()
