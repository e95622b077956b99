"""RTP packets (RFC 3550)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

_HEADER = struct.Struct("!BBHII")
PCMU = 0
"""The payload type of u-law audio."""


@dataclass(frozen=True)
class Packet:
    """One packet; the timestamp counts samples."""

    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes
    marker: bool = False

    def encode(self) -> bytes:
        """The bytes for the wire."""
        return (
            _HEADER.pack(0x80, self.payload_type | self.marker << 7, self.sequence, self.timestamp, self.ssrc)
            + self.payload
        )

    @classmethod
    def parse(cls, datagram: bytes) -> Packet | None:
        """The packet in a datagram; None when it is RTCP or no RTP at all."""
        if len(datagram) < _HEADER.size:
            return None
        first, second, sequence, timestamp, ssrc = _HEADER.unpack_from(datagram)
        start = _HEADER.size + 4 * (first & 0x0F)
        if first & 0x10:  # a header extension: its length, in words, is in its second half word
            if len(datagram) < start + 4:
                return None
            start += 4 + 4 * int.from_bytes(datagram[start + 2 : start + 4], "big")
        end = len(datagram) - (datagram[-1] if first & 0x20 else 0)
        if first >> 6 != 2 or 64 <= second & 0x7F < 96 or start > end:  # 64..95 is where RTCP lies (RFC 5761 §4)
            return None
        return cls(second & 0x7F, sequence, timestamp, ssrc, datagram[start:end], bool(second & 0x80))
