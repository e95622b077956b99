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

from ivr.api.base64_stream import Base64Decoder
from ivr.errors import BadInput, InvalidFields, PayloadTooLarge

MAX_PARTS = 10


class _TextPart:
    """A part of JSON, which is kept in memory."""

    def __init__(self, limit: int) -> None:
        self.content = b""
        self._limit = limit

    def write(self, data: bytes) -> int:
        if len(self.content) + len(data) > self._limit:
            raise PayloadTooLarge(self._limit)
        self.content += data
        return len(data)


class _PartSink:
    """Where the bytes of a part go, once the first of them tells what they are."""

    def __init__(self, reader: MultipartReader, decoder: Base64Decoder | None) -> None:
        self._reader = reader
        self._decoder = decoder
        self._target: _TextPart | BinaryIO | None = None

    def write(self, data: bytes) -> None:
        if self._decoder:
            data = self._decoder.decode(data)
        if self._target is None:
            if not data.strip():
                return
            self._target = self._reader.choose_sink(data)
        self._target.write(data)

    def finalize(self) -> None:
        if self._decoder:
            self._decoder.finalize()


class MultipartReader:
    """The parts of one body; audio goes to the file `audio`."""

    def __init__(self, content_type: str, audio_path: Path, json_limit: int) -> None:
        kind, options = parse_options_header(content_type)
        boundary = options.get(b"boundary")
        if not boundary:
            raise BadInput(f"{kind.decode()} without a boundary: let your client write the Content-Type")
        self._json_limit = json_limit
        self._audio_path = audio_path
        self._audio_file: BinaryIO | None = None
        self._text_part: _TextPart | None = None
        self._headers: dict[bytes, bytes] = {}
        self._header_name, self._header_value = b"", b""
        self._sink: _PartSink | None = None
        self._part_count = 0
        self._is_complete = False
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._on_part_begin,
                    "on_header_field": self._on_header_field,
                    "on_header_value": self._on_header_value,
                    "on_header_end": self._on_header_end,
                    "on_headers_finished": self._on_headers_finished,
                    "on_part_data": self._on_part_data,
                    "on_part_end": self._on_part_end,
                    "on_end": self._on_end,
                },
            )
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
            if self._audio_file:
                self._audio_file.close()
        if not self._is_complete:
            raise BadInput("the multipart body is not complete: its last boundary is missing")
        return (self._text_part.content if self._text_part else None), self._audio_file is not None

    def choose_sink(self, data: bytes) -> _TextPart | BinaryIO:
        """JSON begins with a brace, which no audio does."""
        if data.lstrip()[:1] == b"{":
            if self._text_part:
                raise BadInput("there are two parts of JSON: send one")
            self._text_part = _TextPart(self._json_limit)
            return self._text_part
        if self._audio_file:
            raise InvalidFields({"file": {"maxItems": {"message": "Please provide a single media file", "target": 1}}})
        self._audio_file = self._audio_path.open("xb")
        return self._audio_file

    # -- called by the parser ----------------------------------------------------------------------------------------

    def _on_part_begin(self) -> None:
        self._headers, self._header_name, self._header_value = {}, b"", b""
        self._part_count += 1
        if self._part_count > MAX_PARTS:
            raise BadInput(f"at most {MAX_PARTS} parts")

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _on_header_end(self) -> None:
        self._headers[self._header_name.lower()] = self._header_value
        self._header_name, self._header_value = b"", b""

    def _on_headers_finished(self) -> None:
        encoding = self._headers.get(b"content-transfer-encoding", b"").strip().lower()
        self._sink = _PartSink(self, Base64Decoder() if encoding == b"base64" else None)

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        assert self._sink
        self._sink.write(data[start:end])

    def _on_part_end(self) -> None:
        if self._sink:
            self._sink.finalize()

    def _on_end(self) -> None:
        self._is_complete = True
