"""Keys pressed before anything asked for them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ivr.call.typeahead import Typeahead


class ManualClock:
    """Seconds that stand still until moved."""

    def __init__(self) -> None:
        self.s = 0.0

    def __call__(self) -> float:
        return self.s


def new_typeahead() -> tuple[Typeahead, ManualClock]:
    time = ManualClock()
    return Typeahead(time), time


@given(st.text("0123456789*#", max_size=50))
def test_keys_come_out_in_the_order_they_were_pressed(keys: str) -> None:
    typeahead, _ = new_typeahead()
    for key in keys:
        typeahead.put(key)
    assert "".join(iter(typeahead.pop, None)) == keys


def test_a_key_given_back_comes_before_those_pressed_after_it() -> None:
    typeahead, _ = new_typeahead()
    typeahead.put("1")
    typeahead.put("2")
    typeahead.push_back(typeahead.pop() or "")
    assert [typeahead.pop(), typeahead.pop()] == ["1", "2"]


def test_repetitions_typed_already_are_ignored() -> None:
    typeahead, _ = new_typeahead()
    for key in "##17":
        typeahead.put(key)
    typeahead.ignore_repeats("#")
    assert typeahead.pop() == "1"


def test_repetition_before_and_shortly_after_next_sound_is_ignored() -> None:
    typeahead, time = new_typeahead()
    typeahead.ignore_repeats("7")
    time.s = 5.0
    assert not typeahead.accept("7"), "the next sound has not begun"
    typeahead.begin_repeat_window(300)
    time.s = 5.29
    assert not typeahead.accept("7")
    time.s = 5.31
    assert typeahead.accept("7")


def test_another_key_first_ends_the_waiting_for_repetitions() -> None:
    typeahead, _ = new_typeahead()
    typeahead.ignore_repeats("7")
    assert typeahead.accept("1")
    assert typeahead.accept("7")


def test_repeated_digit_counts_where_an_entry_begins() -> None:
    typeahead, _ = new_typeahead()
    typeahead.ignore_repeats("3")
    typeahead.count_repeated_digits()
    assert typeahead.accept("3")


@given(st.text("0123456789*#", max_size=20), st.sampled_from("0123456789*#"))
def test_no_other_key_is_ignored_than_the_repeated_one(keys: str, repeated: str) -> None:
    typeahead, _ = new_typeahead()
    typeahead.ignore_repeats(repeated)
    for key in keys:
        typeahead.put(key)
    typeahead.begin_repeat_window(300)
    assert "".join(iter(typeahead.pop, None)) == keys.lstrip(repeated)


def test_clearing_tells_how_many_keys_went() -> None:
    typeahead, _ = new_typeahead()
    for key in "123":
        typeahead.put(key)
    assert typeahead.clear() == 3
    assert typeahead.pop() is None


def test_a_stuck_key_does_not_fill_the_memory() -> None:
    typeahead = Typeahead(ManualClock(), capacity=10)
    for _ in range(1000):
        typeahead.put("5")
    assert typeahead.clear() == 10
