"""base64 as it comes in, with line breaks anywhere."""

from __future__ import annotations

import base64
import binascii

from ivr.errors import BadInput


class Base64Decoder:
    """Give it pieces of text; it gives back the bytes that are whole."""

    def __init__(self) -> None:
        self._remainder = b""

    def decode(self, text: bytes) -> bytes:
        """Raises `BadInput`."""
        text = self._remainder + b"".join(text.split())
        whole = len(text) // 4 * 4
        self._remainder = text[whole:]
        try:
            return base64.b64decode(text[:whole], validate=True)
        except binascii.Error as error:
            raise BadInput(f"this is not base64: {error}") from error

    def finalize(self) -> None:
        """Raises `BadInput` where something is missing."""
        if self._remainder:
            raise BadInput("the base64 is not complete")
