"""HTML of the page: templates, security headers, and static files with their digest in the address."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from ivr.api.request_body import BodyStream
from ivr.errors import NotFound
from ivr.web.page_dependencies import PageLimits
from ivr.web.page_sessions import PageSession, find_session, get_page_services
from ivr.web.texts import Translator

FOLDER = Path(__file__).parent
STATIC_TYPES = {".css": "text/css", ".js": "text/javascript", ".txt": "text/plain", ".svg": "image/svg+xml"}
YEAR_S = 31_536_000


class PageRenderer:
    """Renders templates, and serves the files that they name."""

    def __init__(self) -> None:
        self._environment = Environment(
            loader=FileSystemLoader(FOLDER / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._files = {path.name: path.read_bytes() for path in (FOLDER / "static").iterdir() if path.is_file()}
        self._digests = {name: hashlib.sha256(content).hexdigest()[:12] for name, content in self._files.items()}
        self._environment.globals["static"] = lambda name: f"/page/static/{name}?v={self._digests[name]}"

    async def render(
        self, request: Request, template: str, *, status: int = 200, language: str = "en", **values: Any
    ) -> Response:
        """Return a page. `language`: that of the owner."""
        session = await find_session(request)
        nonce = secrets.token_urlsafe(16)
        translate = Translator(language)
        content = self._environment.get_template(template).render(
            t=translate, session=session, csrf=session.csrf_token if session else "", nonce=nonce, **values
        )
        response = HTMLResponse(content, status)
        response.headers["Content-Language"] = translate.language
        add_page_headers(response, nonce)
        return response

    def static_file(self, name: str) -> Response:
        """Return a file of the page. Raises `NotFound`."""
        content = self._files.get(name)
        if content is None:
            raise NotFound(f"there is no file {name!r}")
        headers = {"Cache-Control": f"public, max-age={YEAR_S}, immutable"}
        return Response(content, headers=headers, media_type=STATIC_TYPES[Path(name).suffix])


def add_page_headers(response: Response, nonce: str) -> None:
    """Forbid everything that the page does not need: other hosts, inline scripts, frames, caches.

    The nonce allows the one style sheet that the waveform library makes. With the policy `no-referrer` browsers would
    send no usable `Origin` with forms.
    """
    response.headers["Content-Security-Policy"] = (
        f"default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; img-src 'self';"
        " media-src 'self' blob:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    response.headers["Referrer-Policy"] = "same-origin"
    response.headers["Cache-Control"] = "no-store"
    response.headers["Permissions-Policy"] = "microphone=(self), camera=(), geolocation=()"


async def read_form(request: Request) -> Mapping[str, list[str]]:
    """Return the fields of a form. Raises `PayloadTooLarge`, `BodyTimeout`."""
    services = get_page_services(request)
    limits: PageLimits = services.limits
    body = b""
    async for chunk in BodyStream(request, limits.max_form_bytes, services.api.limits).chunks():
        body += chunk
    return parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=2000)


def first(form: Mapping[str, list[str]], name: str) -> str:
    """Return the first value of a field; "" if there is none."""
    return form.get(name, [""])[0]


def flat(form: Mapping[str, list[str]]) -> dict[str, str]:
    """Return the first value of each field."""
    return {name: values[0] for name, values in form.items()}


def session_language(session: PageSession | None) -> str:
    """Return the language of a session without a mailbox."""
    return session.account.language if session else "en"
