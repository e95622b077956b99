"""Received audio stands where its timestamps say."""

from __future__ import annotations

import numpy as np
import pytest

from tests.lab.sip_phone import ulaw
from tests.lab.sip_phone.jitter_buffer import JitterBuffer
from tests.lab.sip_phone.rtp import Packet
from tests.lab.sip_phone.speech import speech, through_ulaw
from tests.lab.sip_phone.ulaw import FRAME, Samples

SOUND = through_ulaw(speech(1, 200))
NOTHING = np.zeros(FRAME, np.int16)


class PacketSender:
    """Sends frames of SOUND to a playout as told."""

    def __init__(self, timestamp: int = 5000, sequence: int = 100) -> None:
        self.playout = JitterBuffer()
        self.timestamp, self.sequence, self.source, self.now = timestamp, sequence, 9, 50.0

    def send(self, index: int, *, timestamp: int | None = None, sequence: int | None = None) -> None:
        at = self.timestamp + index * FRAME if timestamp is None else timestamp
        number = self.sequence + index if sequence is None else sequence
        self.playout.add_packet(
            Packet(0, number & 0xFFFF, at & 0xFFFFFFFF, self.source, ulaw.encode(frame(index))), self.now
        )
        self.now += 0.02


def frame(index: int) -> Samples:
    return SOUND[index * FRAME : (index + 1) * FRAME]


def joined_samples(*frames: Samples) -> list[int]:
    return [int(sample) for sample in np.concatenate(frames)]


def test_packets_in_order_are_concatenated() -> None:
    sender = PacketSender()
    for index in range(3):
        sender.send(index)
    assert (
        sender.playout.heard.tolist()
        == sender.playout.without_pauses.tolist()
        == joined_samples(frame(0), frame(1), frame(2))
    )
    arrivals = sender.playout.arrivals
    assert [(a.rtp_timestamp, a.position) for a in arrivals] == [(5000, 0), (5160, 160), (5320, 320)]
    assert [a.arrival_s for a in arrivals] == pytest.approx([50, 50.02, 50.04])


def test_sequence_and_timestamp_wrap_around() -> None:
    sender = PacketSender(timestamp=2**32 - 200, sequence=65535)
    for index in range(3):
        sender.send(index)
        sender.now += 0.01  # the time of arrival does not matter
    assert sender.playout.heard.tolist() == joined_samples(frame(0), frame(1), frame(2))


def test_a_duplicate_is_ignored_and_a_late_packet_put_in_its_place() -> None:
    sender = PacketSender()
    for index in (0, 0, 2, 1, 2, 1):
        sender.send(index)
    assert (
        sender.playout.heard.tolist()
        == sender.playout.without_pauses.tolist()
        == joined_samples(frame(0), frame(1), frame(2))
    )
    assert len(sender.playout.arrivals) == 3


def test_a_duplicate_with_another_timestamp_is_ignored() -> None:
    sender = PacketSender()
    for index in (0, 1):
        sender.send(index)
    sender.send(2, sequence=101)
    assert len(sender.playout.heard) == 2 * FRAME


def test_packet_older_than_first_is_ignored() -> None:
    sender = PacketSender()
    for index in (1, 0, 2):
        sender.send(index)
    assert sender.playout.heard.tolist() == joined_samples(frame(1), frame(2))


def test_a_lost_packet_is_zeros_in_both_layouts() -> None:
    sender = PacketSender()
    for index in (0, 2):
        sender.send(index)
    assert (
        sender.playout.heard.tolist()
        == sender.playout.without_pauses.tolist()
        == joined_samples(frame(0), NOTHING, frame(2))
    )


def test_a_pause_of_the_sender_is_zeros_where_time_counts_and_left_out_where_it_does_not() -> None:
    sender = PacketSender()
    sender.send(0)
    sender.timestamp += 3 * FRAME
    sender.now += 0.06
    sender.send(1)
    sender.send(2)
    playout = sender.playout
    assert playout.heard.tolist() == joined_samples(frame(0), NOTHING, NOTHING, NOTHING, frame(1), frame(2))
    assert playout.without_pauses.tolist() == joined_samples(frame(0), frame(1), frame(2))
    assert [playout.to_heard(at) for at in (0, 159, 160, 330)] == [0, 159, 640, 810]
    assert [playout.to_without_pauses(at) for at in (0, 159, 160, 400, 640, 810)] == [0, 159, 160, 160, 160, 330]


def test_the_short_packet_at_the_end_of_a_file_does_not_lie_over_the_one_before() -> None:
    sender = PacketSender()
    sender.send(0)
    short = Packet(0, 101, 5000 + 40, 9, ulaw.encode(frame(1)[:40]))
    sender.playout.add_packet(short, sender.now)
    sender.send(2, timestamp=5000 + 40 + FRAME)
    sender.send(3, timestamp=5000 + 40 + 2 * FRAME)
    assert sender.playout.heard.tolist() == joined_samples(frame(0), frame(1)[:40], frame(2), frame(3))
    assert sender.playout.without_pauses.tolist() == sender.playout.heard.tolist()


def test_another_source_goes_on_after_the_time_that_has_passed() -> None:
    sender = PacketSender()
    sender.send(0)
    sender.source, sender.sequence = 10, 40_000
    sender.now += 0.02
    sender.send(1)
    sender.send(2)
    assert sender.playout.heard.tolist() == joined_samples(frame(0), NOTHING, frame(1), frame(2))


def test_a_clock_that_starts_again_goes_on_after_the_time_that_has_passed() -> None:
    for jump in (-50_000, 1_000_000):
        sender = PacketSender(timestamp=200_000)
        sender.send(0)
        sender.timestamp += jump
        sender.send(1)
        sender.send(2)
        assert sender.playout.heard.tolist() == joined_samples(frame(0), frame(1), frame(2))


def test_last_sound_time_is_tracked() -> None:
    sender = PacketSender()
    sender.send(0)
    sender.playout.add_packet(Packet(0, 101, 5160, 9, ulaw.encode(NOTHING)), 51)
    assert sender.playout.last_sound_s == 50.0


def test_buffer_grows_beyond_initial_size() -> None:
    playout = JitterBuffer()
    for index in range(3200):
        playout.add_packet(Packet(0, index, index * FRAME, 9, ulaw.encode(frame(index % 10))), index * 0.02)
    assert playout.heard.tolist() == joined_samples(*[frame(index % 10) for index in range(3200)])
