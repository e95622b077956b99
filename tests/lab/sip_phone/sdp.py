"""The session description of a call (RFC 4566): PCMU, and telephone-event for the keys."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tests.lab.sip_phone.sip_message import SipSyntaxError

CONTENT_TYPE = "application/sdp"
EVENTS = 101
"""The payload type we offer for telephone-event."""
_AUDIO = re.compile(r"audio (\d{1,5})(?:/\d+)? RTP/AVP ([\d ]+)", re.ASCII)
_EVENT_MAP = re.compile(r"rtpmap:(\d{1,3}) telephone-event/8000", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True)
class SessionDescription:
    """Where one side wants its RTP, and under which payload type the keys (None: it takes no keys)."""

    host: str
    port: int
    telephone_event_payload: int | None = EVENTS

    def encode(self) -> bytes:
        """The description; the same on every call, as an unchanged re-INVITE must be answered."""
        formats = "0" if self.telephone_event_payload is None else f"0 {self.telephone_event_payload}"
        lines = [
            "v=0",
            f"o=- {self.port} 1 IN IP4 {self.host}",
            "s=-",
            f"c=IN IP4 {self.host}",
            "t=0 0",
            f"m=audio {self.port} RTP/AVP {formats}",
            "a=rtpmap:0 PCMU/8000",
        ]
        if self.telephone_event_payload is not None:
            lines += [
                f"a=rtpmap:{self.telephone_event_payload} telephone-event/8000",
                f"a=fmtp:{self.telephone_event_payload} 0-15",
            ]
        return "\r\n".join([*lines, "a=ptime:20", "a=sendrecv", ""]).encode()

    @classmethod
    def parse(cls, body: bytes) -> SessionDescription:
        """Reads an offer or an answer; SipSyntaxError when there is no PCMU audio in it."""
        host, port, formats = "", 0, list[str]()
        events: int | None = None
        for line in body.decode(errors="replace").splitlines():
            kind, _, value = line.partition("=")
            if kind == "m":
                if formats:
                    break  # only the first audio stream is ours
                found = _AUDIO.match(value)
                port, formats = (int(found[1]), found[2].split()) if found else (0, [])
            elif kind == "c" and value.startswith("IN IP4 ") and (formats or not host):
                host = value.split()[2].partition("/")[0]
            elif kind == "a" and (mapped := _EVENT_MAP.match(value)) and mapped[1] in formats:
                events = int(mapped[1])
        if "0" not in formats or not host or not 0 < port < 65536:
            raise SipSyntaxError("no PCMU audio in the session description")
        return cls(host, port, events)
