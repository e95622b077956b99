"""multipart/mixed and multipart/form-data, parsed as it comes in: one part of JSON, one of audio, in any order.

Starlette's own form parser gives nothing for multipart/mixed. Names of parts, their file names above all, mean nothing
here; what a part is shows in its content.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from ivr.api.base64_stream import Base64Stream
from ivr.errors import BadInput, InvalidFields, TooLarge

PARTS = 10


class _Text:
    """A part of JSON, which is kept in memory."""

    def __init__(self, limit: int) -> None:
        self.content = b""
        self._limit = limit

    def write(self, data: bytes) -> int:
        if len(self.content) + len(data) > self._limit:
            raise TooLarge(self._limit)
        self.content += data
        return len(data)


class _Sink:
    """Where the bytes of a part go, once the first of them tells what they are."""

    def __init__(self, parts: Parts, stream: Base64Stream | None) -> None:
        self._parts = parts
        self._stream = stream
        self._chosen: _Text | BinaryIO | None = None

    def write(self, data: bytes) -> None:
        if self._stream:
            data = self._stream.decoded(data)
        if self._chosen is None:
            if not data.strip():
                return
            self._chosen = self._parts.sink_for(data)
        self._chosen.write(data)

    def end(self) -> None:
        if self._stream:
            self._stream.end()


class Parts:
    """The parts of one body; audio goes to the file `audio`."""

    def __init__(self, content_type: str, audio: Path, json_limit: int) -> None:
        kind, options = parse_options_header(content_type)
        boundary = options.get(b"boundary")
        if not boundary:
            raise BadInput(f"{kind.decode()} without a boundary: let your client write the Content-Type")
        self._json_limit = json_limit
        self._path = audio
        self._file: BinaryIO | None = None
        self._text: _Text | None = None
        self._headers: dict[bytes, bytes] = {}
        self._field, self._value = b"", b""
        self._sink: _Sink | None = None
        self._count = 0
        self._ended = False
        try:
            self._parser = MultipartParser(boundary, {
                "on_part_begin": self._begin, "on_header_field": self._on_field, "on_header_value": self._on_value,
                "on_header_end": self._header_end, "on_headers_finished": self._headers_finished,
                "on_part_data": self._data, "on_part_end": self._end, "on_end": self._on_end,
            })  # fmt: skip
        except FormParserError as error:
            raise BadInput(f"the boundary cannot be used: {error}") from error

    async def read(self, chunks: AsyncIterator[bytes]) -> tuple[bytes | None, bool]:
        """The JSON, if any, and whether audio lies in the file now. Raises `BadInput`, `InvalidFields`."""
        try:
            async for chunk in chunks:
                await asyncio.to_thread(self._parser.write, chunk)
            self._parser.finalize()
        except FormParserError as error:
            raise BadInput(f"the multipart body cannot be read: {error}") from error
        finally:
            if self._file:
                self._file.close()
        if not self._ended:
            raise BadInput("the multipart body is not complete: its last boundary is missing")
        return (self._text.content if self._text else None), self._file is not None

    def sink_for(self, data: bytes) -> _Text | BinaryIO:
        """JSON begins with a brace, which no audio does."""
        if data.lstrip()[:1] == b"{":
            if self._text:
                raise BadInput("there are two parts of JSON: send one")
            self._text = _Text(self._json_limit)
            return self._text
        if self._file:
            raise InvalidFields({"file": {"maxItems": {"message": "Please provide a single media file", "target": 1}}})
        self._file = self._path.open("xb")
        return self._file

    # -- called by the parser ----------------------------------------------------------------------------------------

    def _begin(self) -> None:
        self._headers, self._field, self._value = {}, b"", b""
        self._count += 1
        if self._count > PARTS:
            raise BadInput(f"at most {PARTS} parts")

    def _on_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def _on_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        self._headers[self._field.lower()] = self._value
        self._field, self._value = b"", b""

    def _headers_finished(self) -> None:
        encoding = self._headers.get(b"content-transfer-encoding", b"").strip().lower()
        self._sink = _Sink(self, Base64Stream() if encoding == b"base64" else None)

    def _data(self, data: bytes, start: int, end: int) -> None:
        assert self._sink
        self._sink.write(data[start:end])

    def _end(self) -> None:
        if self._sink:
            self._sink.end()

    def _on_end(self) -> None:
        self._ended = True
