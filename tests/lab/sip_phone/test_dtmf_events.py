"""RFC 4733: when which event is sent, and when a key is counted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.lab.sip_phone.dtmf_events import KEYS, KeyEvent, KeyReceiver, key_events, validate_keys


def durations(key: str, tone_ms: int, gap_ms: int) -> list[list[tuple[int, bool]]]:
    return [[(event.duration, event.end) for event in step] for step in key_events(key, tone_ms, gap_ms)]


def test_key_event_grows_each_20_ms_and_ends_three_times() -> None:
    end = [(800, True)]
    assert durations("5", 100, 100) == [
        [(160, False)],
        [(320, False)],
        [(480, False)],
        [(640, False)],
        end,
        end,
        end,
        [],
        [],
        [],
    ]


def test_tone_not_multiple_of_20_ms_is_rounded() -> None:
    assert durations("#", 50, 50) == [[(160, False)], [(320, False)], [(400, True)], [(400, True)], [(400, True)]]


def test_a_short_gap_gets_all_three_ends() -> None:
    assert durations("0", 40, 0) == [[(160, False)], [(320, True)] * 3]
    assert durations("0", 40, 20) == [[(160, False)], [(320, True)], [(320, True)] * 2]


@given(st.integers(1, 500), st.integers(0, 300))
def test_key_events_last_tone_plus_gap(tone_ms: int, gap_ms: int) -> None:
    sent = durations("A", tone_ms, gap_ms)
    assert len(sent) == -(-(tone_ms + gap_ms) // 20)
    assert sum(end for step in sent for _, end in step) == 3


@given(st.sampled_from(KEYS), st.integers(0, 65535), st.booleans())
def test_key_event_round_trips(key: str, duration: int, end: bool) -> None:
    assert KeyEvent.parse(KeyEvent(key, duration, end).encode()) == KeyEvent(key, duration, end)


def test_a_key_counts_once_and_when_it_is_up() -> None:
    receiver = KeyReceiver()
    receiver.handle_payload(KeyEvent("7", 160).encode(), 1000)
    assert receiver.keys == ""
    for _ in range(3):
        receiver.handle_payload(KeyEvent("7", 800, end=True).encode(), 1000)
    receiver.handle_payload(KeyEvent("7", 800, end=True).encode(), 2600)
    receiver.handle_payload(bytes([16, 0x80, 0, 0]), 4000)  # a hook flash
    receiver.handle_payload(b"\x01", 5000)
    assert receiver.keys == "77"


def test_invalid_key_is_rejected() -> None:
    validate_keys("0,1*#ABCD", 100)
    for keys, tone_ms in (("1E", 100), ("1", 0), ("1", 9000)):
        with pytest.raises(ValueError, match=r"no such key|a tone of"):
            validate_keys(keys, tone_ms)
