"""Keys as RFC 4733 events: what to send in which 20 ms, and what was received."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from tests.lab.sip_phone.ulaw import FRAME, RATE

KEYS = "0123456789*#ABCD"
_EVENT = struct.Struct("!BBH")
_VOLUME = 10  # -dBm0
_END = 0x80
_LONGEST_MS = 8000  # the duration is a 16-bit number of samples


@dataclass(frozen=True)
class KeyEvent:
    """One telephone-event payload; the duration so far in samples."""

    key: str
    duration: int
    end: bool = False

    def encode(self) -> bytes:
        """The bytes of the payload."""
        return _EVENT.pack(KEYS.index(self.key), _END * self.end | _VOLUME, self.duration)

    @classmethod
    def parse(cls, payload: bytes) -> KeyEvent | None:
        """The event in a payload; None when it is no key."""
        if len(payload) < _EVENT.size or payload[0] >= len(KEYS):
            return None
        event, flags, duration = _EVENT.unpack_from(payload)
        return cls(KEYS[event], duration, bool(flags & _END))


def validate_keys(keys: str, tone_ms: int) -> None:
    """ValueError when there is something else than keys and pauses (",") in it, or a tone no event can be."""
    if strange := set(keys) - set(KEYS) - {","}:
        raise ValueError(f"no such key: {''.join(sorted(strange))}")
    if not 1 <= tone_ms <= _LONGEST_MS:
        raise ValueError(f"a tone of {tone_ms} ms")


def key_events(key: str, tone_ms: int, gap_ms: int) -> Iterator[list[KeyEvent]]:
    """The events of one key for each 20 ms of it and its gap: growing, then the end three times, then none."""
    tone, whole = max(1, tone_ms * RATE // 1000), (tone_ms + gap_ms) * RATE // 1000
    last_step = (tone - 1) // FRAME
    total = max(last_step + 1, -(-whole // FRAME))
    ends_left = 3
    for step in range(total):
        if step < last_step:
            yield [KeyEvent(key, (step + 1) * FRAME)]
        else:  # a gap too short for one repetition each 20 ms gets the rest of them at its end
            ends = ends_left if step == total - 1 else min(1, ends_left)
            ends_left -= ends
            yield [KeyEvent(key, tone, end=True)] * ends


class KeyReceiver:
    """Puts the keys together from the events received: one for each timestamp that came to its end."""

    def __init__(self) -> None:
        self.keys = ""
        self._last_end: int | None = None

    def handle_payload(self, payload: bytes, timestamp: int) -> None:
        """One telephone-event payload and the RTP timestamp it came with."""
        event = KeyEvent.parse(payload)
        if event and event.end and timestamp != self._last_end:
            self._last_end = timestamp
            self.keys += event.key
