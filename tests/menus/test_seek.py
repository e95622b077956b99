"""Seeking is arithmetic."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ivr.menus import seek

MS = st.integers(0, 10**8)


@given(MS, MS, MS)
def test_one_never_leaves_the_message(position: int, step: int, length: int) -> None:
    position = min(position, length)
    assert 0 <= seek.back(position, step) <= position
    assert position <= seek.forward(position, step, length) <= length


@given(MS, MS, MS)
def test_away_from_the_ends_on_and_back_is_where_one_was(position: int, step: int, length: int) -> None:
    if position + step <= length:
        assert seek.back(seek.forward(position, step, length), step) == position


@given(MS, MS)
def test_a_step_longer_than_the_message_goes_to_its_ends(position: int, length: int) -> None:
    position = min(position, length)
    assert seek.back(position, length) == 0
    assert seek.forward(position, length, length) == length
