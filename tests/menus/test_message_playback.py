"""Positions after rewinding and fast-forwarding within a message."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ivr.menus.message_playback import fast_forward_position_ms, rewind_position_ms

MS = st.integers(0, 10**8)


@given(MS, MS, MS)
def test_seek_position_stays_within_message(position: int, step: int, length: int) -> None:
    position = min(position, length)
    assert 0 <= rewind_position_ms(position, step) <= position
    assert position <= fast_forward_position_ms(position, step, length) <= length


@given(MS, MS, MS)
def test_forward_and_back_returns_to_same_position(position: int, step: int, length: int) -> None:
    if position + step <= length:
        assert rewind_position_ms(fast_forward_position_ms(position, step, length), step) == position


@given(MS, MS)
def test_step_longer_than_message_goes_to_its_ends(position: int, length: int) -> None:
    position = min(position, length)
    assert rewind_position_ms(position, length) == 0
    assert fast_forward_position_ms(position, length, length) == length
