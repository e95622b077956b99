"""Links to the audio of one message that need no token: an `<audio>` element and a mail program send no header."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping

from ivr.clock import Clock
from ivr.errors import Unauthorized

KEY_PURPOSE = b"audio links"
SIGNATURE_BYTES = 24
EXPIRY_PARAMETER = "until"
SIGNATURE_PARAMETER = "sig"
INVALID_LINK = "the link is invalid or has expired: read the message again with ?links=true"


class AudioLinks:
    """Signs and verifies links. A link opens the audio of one message, to read, for `lifetime_s` seconds.

    `secret`: the key of the installation. The key of the links is derived from it, so all processes accept them.
    """

    def __init__(self, secret: bytes, clock: Clock, *, lifetime_s: int) -> None:
        self._key = hmac.digest(secret, KEY_PURPOSE, hashlib.sha256)
        self._clock = clock
        self._lifetime_s = lifetime_s

    def create(self, path: str) -> tuple[str, int]:
        """Return `path` with a signature, and the Unix second at which it expires."""
        until = int(self._clock.now()) + self._lifetime_s
        return f"{path}?{EXPIRY_PARAMETER}={until}&{SIGNATURE_PARAMETER}={self._sign(path, until)}", until

    def verify(self, path: str, params: Mapping[str, str]) -> None:
        """Raise `Unauthorized` unless `params` have a signature of `path` that has not expired."""
        until = params.get(EXPIRY_PARAMETER, "")
        if not (until.isascii() and until.isdigit() and len(until) <= 12):
            raise Unauthorized(INVALID_LINK)
        expected = self._sign(path, int(until))
        is_signed = hmac.compare_digest(expected.encode(), params.get(SIGNATURE_PARAMETER, "").encode())
        if not is_signed or int(until) < self._clock.now():
            raise Unauthorized(INVALID_LINK)

    def _sign(self, path: str, until: int) -> str:
        signature = hmac.digest(self._key, f"{path}\0{until}".encode(), hashlib.sha256)
        return base64.urlsafe_b64encode(signature[:SIGNATURE_BYTES]).decode()


def is_signed(params: Mapping[str, str]) -> bool:
    """Return whether a request carries a signature instead of a token."""
    return SIGNATURE_PARAMETER in params
