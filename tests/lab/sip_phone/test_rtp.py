"""RTP packets and u-law."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.lab.sip_phone import ulaw
from tests.lab.sip_phone.rtp import Packet

WORD = st.integers(0, 2**32 - 1)


@given(st.integers(0, 63), st.integers(0, 65535), WORD, WORD, st.binary(max_size=200), st.booleans())
def test_rtp_packet_round_trips(kind: int, number: int, time: int, source: int, payload: bytes, marker: bool) -> None:
    packet = Packet(kind, number, time, source, payload, marker)
    assert Packet.parse(packet.encode()) == packet


def test_csrc_extension_and_padding_are_skipped() -> None:
    plain = Packet(0, 1, 2, 3, b"").encode()
    full = bytes([0x80 | 0x20 | 0x10 | 2]) + plain[1:] + b"CSRCcsrc" + b"\xbe\xde\x00\x01ext." + b"sound" + b"\0\0\x03"
    parsed = Packet.parse(full)
    assert parsed
    assert parsed.payload == b"sound"


def test_rtcp_and_garbage_are_no_packets() -> None:
    sender_report = bytes([0x80, 200]) + bytes(26)
    too_much_padding = bytes([0xA0]) + Packet(0, 1, 2, 3, b"").encode()[1:] + b"\xff"
    for datagram in (b"", b"\x80\x00", sender_report, bytes(40), b"REGISTER sip:a SIP/2.0", too_much_padding):
        assert Packet.parse(datagram) is None


@given(st.binary(max_size=60))
def test_rtp_garbage_is_parsed_or_ignored(datagram: bytes) -> None:
    Packet.parse(datagram)


def test_known_values_of_ulaw() -> None:
    assert ulaw.decode(bytes([0x00, 0x80, 0xFF, 0x7F, 0xF0, 0x8F])).tolist() == [-32124, 32124, 0, 0, 120, 16764]
    assert ulaw.encode(np.array([0, 32767, -32768, 8, 1000, -1000], np.int16)) == bytes(
        [0xFF, 0x80, 0x00, 0xFE, 0xCE, 0x4E]
    )


@given(st.lists(st.integers(-32768, 32767), max_size=50))
def test_ulaw_is_near_and_the_second_time_exact(values: list[int]) -> None:
    samples = np.array(values, np.int16)
    once = ulaw.decode(ulaw.encode(samples))
    error = np.abs(once.astype(int) - samples)
    assert (error <= (np.abs(samples.astype(int)) + 132) / 32).all()
    assert ulaw.decode(ulaw.encode(once)).tolist() == once.tolist()


def test_every_ulaw_code_round_trips() -> None:
    codes = bytes(range(256))
    assert ulaw.encode(ulaw.decode(codes)) == codes.replace(b"\x7f", b"\xff")  # two codes are zero
