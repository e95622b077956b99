"""Links to one message that need no token: an `<audio>` element and a mail program send no header."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping

from ivr.clock import Clock
from ivr.directory.peppers import Pepper, PepperSource
from ivr.errors import Unauthorized

KEY_PURPOSE = b"audio links"
SIGNATURE_BYTES = 24
MEDIA_LINK_LIFETIME_S = 60
EXPIRY_PARAMETER = "until"
SIGNATURE_PARAMETER = "sig"
INVALID_LINK = "the link is invalid or has expired: read the message again with ?links=true"


class AudioLinks:
    """Signs and verifies links. A link opens one message, for `lifetime_s` seconds: its audio, or its page.

    The keys of the links are derived from the peppers, so all processes accept them, also after a rotation.
    """

    def __init__(self, peppers: PepperSource, clock: Clock, *, lifetime_s: int) -> None:
        self._peppers = peppers
        self._clock = clock
        self._lifetime_s = lifetime_s

    def create(self, path: str, lifetime_s: int | None = None) -> tuple[str, int]:
        """Return `path` with a signature, and the Unix second at which it expires."""
        until = int(self._clock.now()) + (lifetime_s or self._lifetime_s)
        return (
            f"{path}?{EXPIRY_PARAMETER}={until}&{SIGNATURE_PARAMETER}={_sign(self._peppers.current(), path, until)}",
            until,
        )

    def verify(self, path: str, params: Mapping[str, str]) -> None:
        """Raise `Unauthorized` unless `params` have a signature of `path` that has not expired."""
        until = params.get(EXPIRY_PARAMETER, "")
        if not (until.isascii() and until.isdigit() and len(until) <= 12):
            raise Unauthorized(INVALID_LINK)
        signature = params.get(SIGNATURE_PARAMETER, "").encode()
        peppers = [self._peppers.current(), *self._peppers.earlier()]
        is_signed = any(hmac.compare_digest(_sign(pepper, path, int(until)).encode(), signature) for pepper in peppers)
        if not is_signed or int(until) < self._clock.now():
            raise Unauthorized(INVALID_LINK)


def _sign(pepper: Pepper, path: str, until: int) -> str:
    key = hmac.digest(pepper.key, KEY_PURPOSE, hashlib.sha256)
    signature = hmac.digest(key, f"{path}\0{until}".encode(), hashlib.sha256)
    return base64.urlsafe_b64encode(signature[:SIGNATURE_BYTES]).decode()


def audio_path(account_id: str, box_id: str, message_id: str) -> str:
    """Return the path of the audio of a message."""
    return f"/v2/accounts/{account_id}/vmboxes/{box_id}/messages/{message_id}/raw"


def media_path(account_id: str, name: str) -> str:
    """Return the path of a recording by the id of its call, or of its message."""
    return f"/media/{account_id}/vm/{name}.wav"


def message_page_path(box_id: str, message_id: str) -> str:
    """Return the path of the page that a link opens for a message."""
    return f"/page/link/{box_id}/{message_id}"


def is_signed(params: Mapping[str, str]) -> bool:
    """Return whether a request carries a signature instead of a token."""
    return SIGNATURE_PARAMETER in params
