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


def test_a_pound_behind_a_complete_entry_is_swallowed_when_it_was_typed_already() -> None:
    typeahead, _ = new_typeahead()
    for key in "#17":
        typeahead.put(key)
    typeahead.swallow("#", window_ms=2000)
    assert typeahead.pop() == "1"


def test_a_pound_behind_a_complete_entry_is_swallowed_when_it_comes_soon() -> None:
    typeahead, time = new_typeahead()
    typeahead.swallow("#", window_ms=2000)
    time.s = 1.9
    assert not typeahead.accept("#")
    assert typeahead.accept("#"), "only one is swallowed"


def test_a_pound_that_comes_late_means_what_it_says() -> None:
    typeahead, time = new_typeahead()
    typeahead.swallow("#", window_ms=2000)
    time.s = 2.1
    assert typeahead.accept("#")


def test_another_key_first_ends_the_swallowing() -> None:
    typeahead, _ = new_typeahead()
    typeahead.swallow("#", window_ms=2000)
    assert typeahead.accept("1")
    assert typeahead.accept("#")


def test_only_one_pound_of_those_typed_already_is_swallowed() -> None:
    typeahead, _ = new_typeahead()
    typeahead.put("#")
    typeahead.put("#")
    typeahead.swallow("#", window_ms=2000)
    assert typeahead.pop() == "#"


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
