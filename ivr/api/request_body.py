"""Request bodies: JSON documents, and uploads as they arrive."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import parse_qs

from fastapi import Depends
from starlette.requests import ClientDisconnect, Request

from ivr.api.dependencies import ApiLimits
from ivr.api.multipart import Base64Decoder, MultipartReader
from ivr.audio import formats
from ivr.errors import BadInput, BodyTimeout, InvalidFields, PayloadTooLarge, UnsupportedMediaType

MAX_JSON_DEPTH = 50  # Nesting of objects and arrays.
MAX_JSON_CONTAINERS = 10_000
MAX_JSON_VALUES = 20_000
JSON_CONTAINERS = (dict, list)
MAX_JSON_MEMBERS = 1000
MAX_FORM_FIELDS, MAX_FORM_ESCAPES = 1000, 20_000
MAX_SIGN_IN_BYTES = 10_000
MAX_BLANKS = 4096
"""In front of an upload: each further chunk of blanks would be copied with all before it, in memory."""
VERB_NAMES = ("verb", "_method")
"""Members and parameters that name the method; the second is that of web frameworks."""
HTTP_METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
MAX_MEDIA_TYPE = 100  # Characters. Errors quote it.
FORM_TYPE = "application/x-www-form-urlencoded"
NO_JSON_MARKS = bytes(set(range(256)) - set(b"[{,:"))  # The others tell how much there is to parse.
JSON_TYPES = ("", "application/json", "application/x-json", "text/json")


@dataclass(frozen=True, slots=True)
class Body:
    """A request document: `{"data": {…}}` and the other members of the envelope."""

    envelope: dict[str, Any] = field(default_factory=dict)
    is_present: bool = True
    """False: the request has no body."""

    @property
    def data(self) -> dict[str, Any]:
        """The member `data`. Raises `InvalidFields` if it is missing or not an object."""
        data = self.envelope.get("data")
        if "data" not in self.envelope:
            raise InvalidFields({"data": {"required": {"message": "Field is required but missing"}}})
        if not isinstance(data, dict):
            raise InvalidFields({"data": {"type": {"message": "Value must be an object", "target": "object"}}})
        return data

    @property
    def data_or_empty(self) -> dict[str, Any]:
        """The member `data`; an empty dict if it is missing or null."""
        return self.data if self.envelope.get("data") is not None else {}


def parse_body(raw: bytes, media_type: str) -> Body:
    """Parse a JSON or form body. Raises `BadInput`, `UnsupportedMediaType`."""
    first_byte = raw.lstrip()[:1]
    if not first_byte:
        return Body(is_present=bool(raw))  # Blanks are a body that names nothing.
    if first_byte in (b"{", b"[") or media_type in JSON_TYPES:
        return Body(_parse_json_object(raw))
    if media_type == FORM_TYPE:
        return Body({"data": _parse_form(raw)})
    raise UnsupportedMediaType(f"unsupported media type {media_type}: send application/json")


def _parse_json_object(raw: bytes) -> dict[str, Any]:
    # Parsing holds up all calls of the process, for a time that depends on the number of values and not on the bytes.
    marks = raw.translate(None, NO_JSON_MARKS)  # One pass over 400 kB.
    containers = marks.count(b"[") + marks.count(b"{")
    if containers > MAX_JSON_CONTAINERS or marks.count(b",") > MAX_JSON_VALUES:
        raise BadInput(f"JSON has too many values: send at most {MAX_JSON_CONTAINERS} objects and arrays")
    try:
        document = _JSON.decode(raw.decode(json.detect_encoding(raw), "surrogatepass"))
        may_exceed_limits = containers > MAX_JSON_DEPTH or marks.count(b":") > MAX_JSON_MEMBERS
        if may_exceed_limits and _is_too_deep(document):
            raise RecursionError
        if any(mark in raw for mark in (b"\\u", b"\xed", b"\0")):
            json.dumps(document, ensure_ascii=False).encode()  # A lone surrogate cannot be stored as UTF-8.
    except RecursionError:
        raise BadInput(f"JSON is nested too deeply: use at most {MAX_JSON_DEPTH} levels") from None
    except ValueError as error:
        raise BadInput(f"invalid JSON: {error}") from error
    if not isinstance(document, dict):
        raise BadInput('JSON body is not an object: send {"data": {…}}')
    return document


def _is_too_deep(document: Any) -> bool:
    """Return whether the nesting exceeds the limit. Works level by level, without recursion.

    Raises `BadInput` for too many members of objects: each of them is compared with the names that are known.
    """
    level, members = [document], 0
    for _ in range(MAX_JSON_DEPTH):
        containers = [value for value in level if isinstance(value, JSON_CONTAINERS)]
        if not containers:
            return False
        members += sum(len(value) for value in containers if isinstance(value, dict))
        if members > MAX_JSON_MEMBERS:
            raise BadInput(f"JSON has too many members of objects: send at most {MAX_JSON_MEMBERS}")
        level = [inner for value in containers for inner in (value.values() if isinstance(value, dict) else value)]
    return any(isinstance(value, JSON_CONTAINERS) for value in level)


def _finite_float(text: str) -> float:
    if not math.isfinite(value := float(text)):
        raise ValueError(f"number {text} is out of range")
    return value


def _reject_constant(text: str) -> float:
    raise ValueError(f"{text} is not allowed in JSON")


_JSON = json.JSONDecoder(parse_constant=_reject_constant, parse_float=_finite_float)


def parse_form_fields(raw: bytes, *, strict: bool = False) -> dict[str, list[str]]:
    """Return the fields of a form. Raises `BadInput`, also for a form that would take long to parse.

    `strict`: each field must be one, and in UTF-8.
    """
    if raw.count(b"%") > MAX_FORM_ESCAPES:
        raise BadInput(f"the form has more than {MAX_FORM_ESCAPES} percent signs: send JSON, or a shorter form")
    try:
        text = raw.decode(errors="strict" if strict else "replace")
        return parse_qs(text, keep_blank_values=True, max_num_fields=MAX_FORM_FIELDS, strict_parsing=strict)
    except ValueError as error:
        raise BadInput(f"body is neither JSON nor a form: {error}") from error


def _parse_form(raw: bytes) -> dict[str, Any]:
    fields = parse_form_fields(raw, strict=True)
    if wrapped := next((name for name in fields if name == "data" or name.startswith("data[")), None):
        raise BadInput(f"field {wrapped}: a form has its members by themselves, as in name=value, or send JSON")
    return {name: values if len(values) > 1 else values[0] for name, values in fields.items()}


DRAIN_FACTOR = 2
"""A body of up to this many times the limit is read and discarded: many clients read a 413 only after sending."""
AUDIO_TYPE_PREFIXES = ("application/octet-stream", "audio/", "video/mp4", "application/ogg")


class BodyStream:
    """The body of a request in chunks: at most `limit` bytes, and no slower than the limits of the API say."""

    def __init__(self, request: Request, limit: int, limits: ApiLimits) -> None:
        self._receive = request.receive
        self._is_complete = False
        self._limit = limit
        self._idle_timeout_s = limits.idle_timeout_s
        self._min_bytes_per_s = limits.min_bytes_per_s
        self._started_at = asyncio.get_running_loop().time()
        self._received_bytes = 0
        header = request.headers.get("content-length", "")
        self._content_length = int(header) if header.isdecimal() and len(header) < 19 else 0

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body. Raises `PayloadTooLarge`, `BodyTimeout`."""
        if self._content_length > self._limit:
            await self._raise_too_large()
        while chunk := await self._next_chunk():
            yield chunk

    async def read(self) -> bytes:
        """Return the whole body. Raises `PayloadTooLarge`, `BodyTimeout`."""
        if self._content_length > self._limit:
            await self._raise_too_large()
        chunks: list[bytes] = []
        while chunk := await self._next_chunk():
            chunks.append(chunk)
        return b"".join(chunks)

    async def _next_chunk(self) -> bytes:
        """Return the next bytes, empty at the end. Raises `ClientDisconnect`, `PayloadTooLarge`, `BodyTimeout`."""
        while not self._is_complete:
            try:
                async with asyncio.timeout_at(self._deadline()):  # `wait_for` would start a task for each chunk.
                    chunk = await self._receive_chunk()
            except TimeoutError:
                limits = f"{self._idle_timeout_s:g} s, or less than {self._min_bytes_per_s} bytes a second"
                raise BodyTimeout(f"no data received for {limits}: send the request again") from None
            self._received_bytes += len(chunk)
            if self._received_bytes > self._limit:
                await self._raise_too_large()
            if chunk:
                return chunk
        return b""

    async def _receive_chunk(self) -> bytes:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        self._is_complete = not message.get("more_body", False)
        chunk: bytes = message.get("body", b"")
        return chunk

    def _deadline(self) -> float:
        """Return when the next chunk must be there. A byte now and then does not hold a connection for hours."""
        idle_at = asyncio.get_running_loop().time() + self._idle_timeout_s
        if not self._min_bytes_per_s:
            return idle_at
        return min(idle_at, self._started_at + self._idle_timeout_s + self._received_bytes / self._min_bytes_per_s)

    async def _raise_too_large(self) -> None:
        limit = self._limit
        if self._content_length <= DRAIN_FACTOR * limit:
            self._limit = DRAIN_FACTOR * limit
            try:
                async with asyncio.timeout(self._idle_timeout_s):
                    while self._received_bytes < self._limit and not self._is_complete:
                        self._received_bytes += len(await self._receive_chunk())
            except TimeoutError:
                pass
        raise PayloadTooLarge(limit)


def content_type(request: Request) -> str:
    """Return the media type of the body in lower case, without parameters."""
    return request.headers.get("content-type", "").split(";", 1)[0].strip().lower()[:MAX_MEDIA_TYPE]


async def read_body(request: Request) -> Body:
    """Read a JSON or form body. Raises `BadInput`, `BodyTimeout`, `PayloadTooLarge`, `UnsupportedMediaType`."""
    limits: ApiLimits = request.app.state.services.limits
    return await _read_document(request, limits.max_json_bytes)


async def read_sign_in_body(request: Request) -> Body:
    """Read the body of a sign-in, whose sender is not known yet. Raises what `read_body` raises."""
    return await _read_document(request, MAX_SIGN_IN_BYTES)


async def _read_document(request: Request, max_bytes: int) -> Body:
    limits: ApiLimits = request.app.state.services.limits
    raw = await BodyStream(request, max_bytes, limits).read()
    return _check_verb(request, parse_body(raw, content_type(request)))


def _check_verb(request: Request, body: Body) -> Body:
    """Raise `BadInput` if the envelope or the data names another method than that of the request.

    The method is needed before the body is read, so `verb` in the body cannot change it. In the data, and of `method`
    that may be the one of a sign-in, other values than methods are a client's own.
    """
    for name, verb in _verbs(body.envelope):
        if verb is not None and not (isinstance(verb, str) and verb.strip().upper() == request.method):
            raise BadInput(f"{name} in the body is not {request.method}: send the verb in the query, as ?verb=")
    for name, verb in [*_verbs(body.envelope.get("data")), *_verbs(body.envelope, ("method",))]:
        if isinstance(verb, str) and verb.strip().upper() in {*HTTP_METHODS} - {request.method}:
            raise BadInput(f"{name} in the body is not {request.method}: send the verb in the query, as ?verb=")
    return body


def _verbs(members: Any, names: tuple[str, ...] = VERB_NAMES) -> list[tuple[str, Any]]:
    """Return the members that name a method, in small or capital letters."""
    if not isinstance(members, dict):
        return []
    return [(name, value) for name, value in members.items() if name.lower() in names]


BodyDep = Annotated[Body, Depends(read_body)]
SignInBodyDep = Annotated[Body, Depends(read_sign_in_body)]


@dataclass(frozen=True, slots=True)
class UploadBody:
    """The document of an upload, and whether its audio was written to the draft."""

    body: Body
    has_audio: bool


async def read_upload(request: Request, draft: Path, limits: ApiLimits) -> UploadBody:
    """Read a JSON, form, audio or multipart body, and write its audio to `draft`.

    Raises `BadInput`, `BodyTimeout`, `InvalidFields`, `PayloadTooLarge`, `UnsupportedMediaType`.
    """
    media_type = content_type(request)
    max_bytes = limits.max_audio_bytes + limits.max_json_bytes
    chunks = BodyStream(request, max_bytes, limits).chunks()
    if media_type.startswith("multipart/"):
        reader = MultipartReader(request.headers["content-type"], draft, limits.max_json_bytes)
        text, has_audio = await reader.read(chunks)
        _check_audio_size(draft, limits)
        body = replace(parse_body(text or b"", "application/json"), is_present=text is not None)
        return UploadBody(_check_verb(request, body), has_audio)
    prefix = await _read_prefix(chunks)
    if prefix.lstrip()[:1] == b"{":
        text = await _read_rest(prefix, chunks, limits.max_json_bytes)
        return UploadBody(_check_verb(request, parse_body(text, media_type)), False)
    if media_type.startswith(AUDIO_TYPE_PREFIXES) or formats.sniff(prefix[: formats.SNIFF_BYTES]):
        is_base64 = request.headers.get("content-transfer-encoding", "").strip().lower() == "base64"
        await _write_draft(prefix, chunks, draft, is_base64)
        _check_audio_size(draft, limits)
        return UploadBody(Body(is_present=False), True)
    if media_type == FORM_TYPE or media_type in JSON_TYPES:
        text = await _read_rest(prefix, chunks, limits.max_json_bytes)
        return UploadBody(_check_verb(request, parse_body(text, media_type)), False)
    raise UnsupportedMediaType(f"unsupported media type {media_type}: send audio, multipart or application/json")


async def _read_prefix(chunks: AsyncIterator[bytes]) -> bytes:
    """Read as much as is needed to recognise the type of the content; blanks in front of it up to a limit."""
    prefix = b""
    async for chunk in chunks:
        prefix += chunk
        if len(prefix) >= MAX_BLANKS or len(prefix.lstrip()) >= formats.SNIFF_BYTES:
            break
    return prefix


async def _read_rest(prefix: bytes, chunks: AsyncIterator[bytes], limit: int) -> bytes:
    content = bytearray(prefix)
    async for chunk in chunks:
        content += chunk
        if len(content) > limit:
            raise PayloadTooLarge(limit)
    if len(content) > limit:
        raise PayloadTooLarge(limit)
    return bytes(content)


async def _write_draft(prefix: bytes, chunks: AsyncIterator[bytes], draft: Path, is_base64: bool) -> None:
    decoder = Base64Decoder() if is_base64 else None
    with draft.open("xb") as file:

        def write(chunk: bytes) -> None:
            file.write(decoder.decode(chunk) if decoder else chunk)

        await asyncio.to_thread(write, prefix)
        async for chunk in chunks:
            await asyncio.to_thread(write, chunk)
    if decoder:
        decoder.finalize()


def _check_audio_size(draft: Path, limits: ApiLimits) -> None:
    if draft.exists() and draft.stat().st_size > limits.max_audio_bytes:
        raise PayloadTooLarge(limits.max_audio_bytes)
