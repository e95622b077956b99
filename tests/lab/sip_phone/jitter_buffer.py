"""What was heard: received audio laid out in time by its RTP timestamps."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

import numpy as np

from tests.lab.sip_phone import ulaw
from tests.lab.sip_phone.rtp import Packet
from tests.lab.sip_phone.ulaw import RATE, Samples

_TIMESTAMP_HALF_RANGE = 1 << 31
_SOUND_THRESHOLD = 128  # a peak that is no noise of the line


@dataclass(frozen=True)
class PacketArrival:
    """One packet of audio: when it came (the loop's seconds), its timestamp, where it lies in `heard`, its peak."""

    arrival_s: float
    rtp_timestamp: int
    position: int
    peak: int


class JitterBuffer:
    """Two layouts of the same audio.

    `heard` is true to time: a pause of the sender is as many zeros. `joined` leaves such pauses out, so that a clip
    which the sender played haltingly on a busy machine (its timestamps jump by the delay, nothing is lost) stands in
    it whole, as it must be to be recognised. A lost packet is zeros in both.
    """

    def __init__(self) -> None:
        self.arrivals: list[PacketArrival] = []
        self.last_sound_s = 0.0
        """When, in seconds of the loop's clock, the last packet came that was not silence."""
        self._heard, self._joined = _GrowingArray(), _GrowingArray()
        self._starts: list[tuple[int, int]] = []  # (in heard, in joined) of each stretch without a pause
        self._source = 0
        self._sequences: set[int] = set()
        self._sequence = self._timestamp = self._position = 0

    @property
    def heard(self) -> Samples:
        """All samples since the first packet, pauses and losses as zeros."""
        return self._heard.view()

    @property
    def without_pauses(self) -> Samples:
        """All samples since the first packet, the sender's pauses left out."""
        return self._joined.view()

    def to_heard(self, position: int) -> int:
        """Where in `heard` a sample of `joined` lies."""
        stretch = max(bisect_right(self._starts, position, key=lambda start: start[1]) - 1, 0)
        return position + self._starts[stretch][0] - self._starts[stretch][1] if self._starts else position

    def to_without_pauses(self, position: int) -> int:
        """Where in `joined` a sample of `heard` lies; in a pause, where it goes on."""
        stretch = max(bisect_right(self._starts, position, key=lambda start: start[0]) - 1, 0)
        if not self._starts:
            return position
        heard_start, joined_start = self._starts[stretch]
        after = self._starts[stretch + 1][1] if stretch + 1 < len(self._starts) else position
        return min(joined_start + position - heard_start, after)

    def add_packet(self, packet: Packet, arrival_s: float) -> None:
        """Lays one packet of u-law out; a duplicate or one from before the first is ignored."""
        samples = ulaw.decode(packet.payload)
        ahead = self._place(packet, arrival_s)
        if ahead is None or not len(samples):
            return
        nominal = position = self._position + ahead
        follows = packet.sequence == (self._sequence + 1) % 0x10000
        if follows:
            # Asterisk's last, short packet of a file has a timestamp that would lay it over the one before
            # (github.com/asterisk/asterisk/issues/204); those of the next packets are right again.
            position = max(nominal, len(self.heard))
        if not self._starts or (follows and position > len(self.heard)):
            self._starts.append((position, len(self.without_pauses)))
        self._heard.write(position, samples)
        self._joined.write(self.to_without_pauses(position), samples)
        peak = max(int(samples.max()), -int(samples.min()))
        self.arrivals.append(PacketArrival(arrival_s, packet.timestamp, position, peak))
        if peak > _SOUND_THRESHOLD:
            self.last_sound_s = arrival_s
        if follows or ahead >= 0:
            self._sequence, self._timestamp, self._position = packet.sequence, packet.timestamp, nominal

    def _place(self, packet: Packet, arrival_s: float) -> int | None:
        """How many samples after the newest packet this one lies; None: nowhere."""
        if not self.arrivals:
            self._source, self._sequences = packet.ssrc, {packet.sequence}
            return 0
        ahead = (packet.timestamp - self._timestamp + _TIMESTAMP_HALF_RANGE) % (
            2 * _TIMESTAMP_HALF_RANGE
        ) - _TIMESTAMP_HALF_RANGE  # the counter wraps around
        elapsed = round((arrival_s - self.arrivals[-1].arrival_s) * RATE)
        if packet.ssrc != self._source or not -RATE <= ahead <= elapsed + 2 * RATE:
            # Another source, or one that restarted its clock, as Asterisk does when it passes on other audio.
            self._source, self._sequences = packet.ssrc, {packet.sequence}
            self._sequence = packet.sequence - 1 & 0xFFFF
            return max(elapsed, len(self.heard) - self._position)
        if packet.sequence in self._sequences or self._position + ahead < 0:
            return None
        self._sequences.add(packet.sequence)
        self._sequences.discard(packet.sequence - 0x4000 & 0xFFFF)  # so that the number is free when it comes again
        return ahead


class _GrowingArray:
    """An array that grows as it is written to."""

    def __init__(self) -> None:
        self._samples: Samples = np.zeros(60 * RATE, np.int16)
        self._length = 0

    def view(self) -> Samples:
        view = self._samples[: self._length]
        view.flags.writeable = False
        return view

    def write(self, position: int, samples: Samples) -> None:
        end = position + len(samples)
        if end > len(self._samples):
            self._samples = np.concatenate((self._samples, np.zeros(max(end, len(self._samples)), np.int16)))
        self._samples[position:end] = samples
        self._length = max(self._length, end)
