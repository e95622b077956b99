"""Streaming parser of multipart/mixed and multipart/form-data: one JSON part and one audio part, in any order.

Starlette's form parser ignores multipart/mixed. The names of the parts and their file names are ignored; the first
bytes of a part show what it is.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from ivr.audio import formats
from ivr.errors import BadInput, InvalidFields, PayloadTooLarge

MAX_PARTS = 10
JSON_TYPES = (b"application/json", b"application/x-json", b"text/json")


class Base64Decoder:
    """Incremental base64 decoder. Line breaks may stand anywhere."""

    def __init__(self) -> None:
        self._remainder = b""

    def decode(self, text: bytes) -> bytes:
        """Return the bytes that are complete so far. Raises `BadInput`."""
        text = self._remainder + b"".join(text.split())
        complete = len(text) // 4 * 4
        self._remainder = text[complete:]
        try:
            return base64.b64decode(text[:complete], validate=True)
        except binascii.Error as error:
            raise BadInput(f"invalid base64: {error}") from error

    def finalize(self) -> None:
        """Check that nothing is left over. Raises `BadInput`."""
        if self._remainder:
            raise BadInput("base64 is incomplete: its length must be a multiple of 4")


class _TextPart:
    """The JSON part, in memory."""

    def __init__(self, limit: int) -> None:
        self.content = bytearray()
        self._limit = limit

    def write(self, data: bytes) -> int:
        if len(self.content) + len(data) > self._limit:
            raise PayloadTooLarge(self._limit)
        self.content += data
        return len(data)


class _PartSink:
    """Writes the bytes of one part to memory or to the audio file, depending on its first bytes."""

    def __init__(
        self, reader: MultipartReader, text_field: str | None, decoder: Base64Decoder | None, *, is_json: bool
    ) -> None:
        self._reader = reader
        self._text_field = text_field
        self._decoder = decoder
        self._target: _TextPart | BinaryIO | None = None
        self._is_json = is_json

    def write(self, data: bytes) -> None:
        if self._decoder:
            data = self._decoder.decode(data)
        if self._target is None:
            if not data.strip():
                return
            self._target = self._reader.choose_sink(data, self._text_field, is_json=self._is_json)
        self._target.write(data)

    def finalize(self) -> None:
        if self._decoder:
            self._decoder.finalize()
        if self._target is None and self._is_json:
            self._reader.add_text_part()  # An empty document is not one that is missing.


class MultipartReader:
    """Reads one multipart body and writes its audio to `audio_path`."""

    def __init__(self, content_type: str, audio_path: Path, json_limit: int) -> None:
        media_type, options = parse_options_header(content_type)
        boundary = options.get(b"boundary")
        if not boundary:
            raise BadInput(
                f"{media_type.decode('ascii', 'replace')} has no boundary: let the HTTP client set the Content-Type"
            )
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
            raise BadInput(f"invalid multipart boundary, {error}: let the HTTP client set it") from error

    async def read(self, chunks: AsyncIterator[bytes]) -> tuple[bytes | None, bool]:
        """Return the JSON text, if any, and whether there was audio.

        Raises `BadInput`, `InvalidFields`, `PayloadTooLarge`.
        """
        try:
            async for chunk in chunks:
                await asyncio.to_thread(self._parser.write, chunk)
            self._parser.finalize()
        except FormParserError as error:
            raise BadInput(f"invalid multipart body, {error}: let the HTTP client build it") from error
        finally:
            if self._audio_file:
                self._audio_file.close()
        if not self._is_complete:
            raise BadInput("multipart body is incomplete: the final boundary is missing")
        return (bytes(self._text_part.content) if self._text_part else None), self._audio_file is not None

    def choose_sink(self, data: bytes, text_field: str | None = None, *, is_json: bool = False) -> _TextPart | BinaryIO:
        """Return the target of a part that begins with `data`. JSON begins with a brace, which no audio does.

        `text_field`: the name of a form field that is neither a file nor of another type than text. `is_json`: whether
        the part says that it is JSON.
        Raises `BadInput`, `InvalidFields`.
        """
        is_audio = formats.sniff(data[: formats.SNIFF_BYTES])
        if data.lstrip()[:1] == b"{" or (is_json and not is_audio):
            return self.add_text_part()
        if text_field is not None and not is_audio:
            raise BadInput(f"form field {text_field!r} is text, which is not read: send the values as JSON in one part")
        if self._audio_file:
            raise InvalidFields({"file": {"maxItems": {"message": "Please provide a single media file", "target": 1}}})
        self._audio_file = self._audio_path.open("xb")
        return self._audio_file

    def add_text_part(self) -> _TextPart:
        """Return the target of the JSON part. Raises `BadInput` for a second one."""
        if self._text_part:
            raise BadInput("two JSON parts: send one")
        self._text_part = _TextPart(self._json_limit)
        return self._text_part

    # -- callbacks of the parser -------------------------------------------------------------------------------------

    def _on_part_begin(self) -> None:
        self._headers, self._header_name, self._header_value = {}, b"", b""
        self._part_count += 1
        if self._part_count > MAX_PARTS:
            raise BadInput(f"too many parts: send at most {MAX_PARTS}")

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _on_header_end(self) -> None:
        self._headers[self._header_name.lower()] = self._header_value
        self._header_name, self._header_value = b"", b""

    def _on_headers_finished(self) -> None:
        encoding = self._headers.get(b"content-transfer-encoding", b"").strip().lower()
        media_type, _ = parse_options_header(self._headers.get(b"content-type", b""))
        decoder = Base64Decoder() if encoding == b"base64" else None
        self._sink = _PartSink(self, self._text_field(), decoder, is_json=media_type in JSON_TYPES)

    def _text_field(self) -> str | None:
        """Return the name of a part that is a plain form field; None: it is a file, or it has another type."""
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        media_type, _ = parse_options_header(self._headers.get(b"content-type", b"text/plain"))
        if b"filename" in options or media_type != b"text/plain":
            return None
        return options.get(b"name", b"").decode("utf-8", "replace")

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        assert self._sink
        self._sink.write(data[start:end])

    def _on_part_end(self) -> None:
        if self._sink:
            self._sink.finalize()

    def _on_end(self) -> None:
        self._is_complete = True
