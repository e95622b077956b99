"""Seeking is arithmetic."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ivr.menus import seek

MS = st.integers(0, 10**8)


@given(MS, MS, MS)
def test_seek_stays_within_message(position: int, step: int, length: int) -> None:
    position = min(position, length)
    assert 0 <= seek.rewind(position, step) <= position
    assert position <= seek.fast_forward(position, step, length) <= length


@given(MS, MS, MS)
def test_forward_and_back_returns_to_position(position: int, step: int, length: int) -> None:
    if position + step <= length:
        assert seek.rewind(seek.fast_forward(position, step, length), step) == position


@given(MS, MS)
def test_a_step_longer_than_the_message_goes_to_its_ends(position: int, length: int) -> None:
    position = min(position, length)
    assert seek.rewind(position, length) == 0
    assert seek.fast_forward(position, length, length) == length
