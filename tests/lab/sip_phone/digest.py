"""Digest authentication (RFC 2617): MD5, with qop=auth or without."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import md5

from tests.lab.sip_phone.sip_message import SipSyntaxError

_FIELD = re.compile(r'([\w-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,]*))')


@dataclass(frozen=True)
class Challenge:
    """What a WWW-Authenticate or Proxy-Authenticate header asks for."""

    realm: str
    nonce: str
    opaque: str | None = None
    qop: bool = False
    stale: bool = False

    @classmethod
    def choose(cls, headers: Iterable[str]) -> Challenge:
        """The first challenge that MD5 can answer."""
        for header in headers:
            scheme, _, rest = header.partition(" ")
            fields = {name.lower(): quoted or plain for name, quoted, plain in _FIELD.findall(rest)}
            offers_auth = "auth" in re.split(r"\s*,\s*", fields.get("qop", "auth"))
            if scheme.lower() == "digest" and fields.get("algorithm", "MD5").upper() == "MD5" and offers_auth:
                return cls(
                    fields.get("realm", ""),
                    fields.get("nonce", ""),
                    fields.get("opaque"),
                    "qop" in fields,
                    fields.get("stale", "").lower() == "true",
                )
        raise SipSyntaxError("no challenge that MD5 can answer")

    def answer(self, user: str, password: str, method: str, uri: str, cnonce: str) -> str:
        """The value for Authorization or Proxy-Authorization; each nonce is used once."""
        secret = _hash(f"{user}:{self.realm}:{password}")
        request_hash = _hash(f"{method}:{uri}")
        middle = f"{self.nonce}:00000001:{cnonce}:auth" if self.qop else self.nonce
        parts = [
            f'username="{user}"',
            f'realm="{self.realm}"',
            f'nonce="{self.nonce}"',
            f'uri="{uri}"',
            f'response="{_hash(f"{secret}:{middle}:{request_hash}")}"',
            "algorithm=MD5",
        ]
        if self.qop:
            parts += [f'cnonce="{cnonce}"', "nc=00000001", "qop=auth"]
        if self.opaque is not None:
            parts.append(f'opaque="{self.opaque}"')
        return "Digest " + ", ".join(parts)


def _hash(text: str) -> str:
    return md5(text.encode(), usedforsecurity=False).hexdigest()
