"""HTML of the page: templates, security headers, and static files with their digest in the address."""

from __future__ import annotations

import gzip
import hashlib
import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from ivr.api.request_body import BodyStream, parse_form_fields
from ivr.errors import (
    BoxFull,
    Conflict,
    InvalidAudio,
    InvalidFields,
    NotFound,
    StoreError,
    TooMuchWork,
    UnsupportedMediaType,
)
from ivr.translations import ENGLISH
from ivr.web.page_dependencies import PageLimits
from ivr.web.page_sessions import find_session, get_page_services
from ivr.web.texts import Translator, negotiate_language

FOLDER = Path(__file__).parent
STATIC_TYPES = {".css": "text/css", ".js": "text/javascript", ".txt": "text/plain", ".svg": "image/svg+xml"}
_IMPORTED_SCRIPT = re.compile(rb'"\./([\w.]+\.js)"')
YEAR_S = 31_536_000
FIELD_LABELS = {
    "distribution_lists": "distribution_lists",
    "email": "admin_email",
    "mailbox": "admin_number",
    "name": "admin_name",
    "notify_email_addresses": "admin_email",
    "timezone": "time_zone_name",
}
"""Names of settings, as forms call them."""
KINDS_OF_ERRORS: Mapping[type[Exception], str] = {
    BoxFull: "mailbox_is_full",
    Conflict: "in_use",
    InvalidAudio: "audio_unreadable",
    TooMuchWork: "too_much_work",
    UnsupportedMediaType: "audio_unreadable",
}


class PageRenderer:
    """Renders templates, and serves the files that they name."""

    def __init__(self) -> None:
        self._environment = Environment(
            loader=FileSystemLoader(FOLDER / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._files = _read_static_files(FOLDER / "static")
        self._compressed = {name: gzip.compress(content, mtime=0) for name, content in self._files.items()}
        self._digests = {name: _digest(content) for name, content in self._files.items()}
        self._environment.globals["static"] = lambda name: f"/page/static/{name}?v={self._digests[name]}"

    def compile_templates(self) -> None:
        """Compile all templates. Else the first request for each view would keep calls waiting."""
        for name in self._environment.list_templates():
            self._environment.get_template(name)

    async def render(
        self, request: Request, template: str, *, status: int = 200, language: str = "", **values: Any
    ) -> Response:
        """Return a page in `language`, by default that of who is signed in, else that of the browser."""
        session = await find_session(request)
        nonce = secrets.token_urlsafe(16)
        translate = Translator(language or (session.language if session else await browser_language(request)))
        content = self._environment.get_template(template).render(
            t=translate, session=session, csrf=session.csrf_token if session else "", nonce=nonce, **values
        )
        response = HTMLResponse(content, status)
        response.headers["Content-Language"] = translate.tag
        add_page_headers(response, nonce)
        return response

    def static_file(self, request: Request) -> Response:
        """Return a file of the page, compressed if the browser accepts that. Raises `NotFound`.

        Without its digest in the address, browsers ask each time whether it has changed.
        Views are never compressed: they have secrets beside texts of strangers, and their length would tell them.
        """
        if (name := request.path_params["name"]) not in self._files:
            raise NotFound(f"there is no file {name!r}")
        etag, content = f'W/"{self._digests[name]}"', self._files[name]
        is_named_by_digest = request.query_params.get("v") == self._digests[name]
        lifetime = f"public, max-age={YEAR_S}, immutable" if is_named_by_digest else "no-cache"
        headers = {"Cache-Control": lifetime, "Vary": "Accept-Encoding", "ETag": etag}
        if etag in {tag.strip() for tag in request.headers.get("if-none-match", "").split(",")}:
            return Response(status_code=304, headers=headers)
        encodings = request.headers.get("accept-encoding", "").lower()
        if "gzip" in {part.strip() for part in encodings.split(",")}:
            content, headers["Content-Encoding"] = self._compressed[name], "gzip"
        return Response(content, headers=headers, media_type=STATIC_TYPES[Path(name).suffix])


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]


def _read_static_files(folder: Path) -> dict[str, bytes]:
    """Read the files of a folder; where a script imports another, the digest of that is in its address, too."""
    files: dict[str, bytes] = {}

    def read(name: str) -> bytes:
        if name not in files:
            files[name] = _IMPORTED_SCRIPT.sub(name_by_digest, (folder / name).read_bytes())
        return files[name]

    def name_by_digest(found: re.Match[bytes]) -> bytes:
        name = found[1].decode()
        return f'"./{name}?v={_digest(read(name))}"'.encode()

    for path in folder.iterdir():
        read(path.name)
    return files


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


def explain(error: Exception, translate: Translator) -> str:
    """Return why something was refused: in English what the rules say, in other languages its kind and field."""

    def name_field(path: str) -> str:
        field = path.partition(".")[0]
        return translate(FIELD_LABELS[field]).partition(":")[0].rstrip() if field in FIELD_LABELS else field

    is_english = translate.language == ENGLISH
    if isinstance(error, InvalidFields):
        if is_english:
            return "; ".join(f"{name_field(path)}: {reason}" for path, reason in error.reasons())
        names = dict.fromkeys(name_field(path) for path in error.violations)
        return " ".join(translate("value_refused", name=name) for name in names)
    kind = next((text for known, text in KINDS_OF_ERRORS.items() if isinstance(error, known)), "")
    return translate(kind) if kind and not is_english else str(error)


async def read_form(request: Request) -> Mapping[str, list[str]]:
    """Return the fields of a form. Raises `PayloadTooLarge`, `BodyTimeout`, `BadInput`."""
    services = get_page_services(request)
    limits: PageLimits = services.limits
    body = b""
    async for chunk in BodyStream(request, limits.max_form_bytes, services.api.limits).chunks():
        body += chunk
    return parse_form_fields(body)


def first(form: Mapping[str, list[str]], name: str) -> str:
    """Return the first value of a field; "" if there is none."""
    return form.get(name, [""])[0]


def flat(form: Mapping[str, list[str]]) -> dict[str, str]:
    """Return the first value of each field."""
    return {name: values[0] for name, values in form.items()}


def parse_count(text: str) -> int:
    """Return the number that a parameter of an address has; 0 if it has none. Anyone may have written the address."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else 0


async def browser_language(request: Request) -> str:
    """Return the language that the browser asks for, else that of the account if there is only one, else English."""
    header = request.headers.get("accept-language", "")
    if language := negotiate_language(header, ""):
        return language
    try:
        single = await get_page_services(request).api.auth.directory.single_account()
    except StoreError:  # The page that tells that the database is away has a language, too.
        return ENGLISH
    return single.language if single else ENGLISH
