"""How English says numbers, counts, dates and times."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from num2words import num2words

from ivr.prompts import english
from ivr.prompts.catalogue import Catalogue

CATALOGUE = Catalogue.load(Path(__file__).parents[2] / "sounds" / "en")


def clip_texts(clips: tuple[str, ...]) -> str:
    return " ".join(CATALOGUE[clip].text for clip in clips)


@given(st.integers(0, 999_999_999))
def test_numbers_are_said_as_everybody_says_them(n: int) -> None:
    oracle = num2words(n).replace(" and ", " ").replace(",", "").replace("-", " ")
    assert clip_texts(english.number(n)).replace("-", " ") == oracle


@pytest.mark.parametrize("n", [1, 2, 5, 11, 21, 101])
def test_one_is_singular_and_everything_else_plural(n: int) -> None:
    assert clip_texts(english.count(n, "new")).endswith("new message" if n == 1 else "new messages")


@pytest.mark.parametrize(
    ("new", "saved", "said"),
    [
        (0, 0, "You have no messages."),
        (1, 0, "You have one new message"),
        (2, 0, "You have two new messages"),
        (0, 1, "You have one saved message"),
        (0, 5, "You have five saved messages"),
        (1, 1, "You have one new message and one saved message"),
        (1, 3, "You have one new message and three saved messages"),
        (12, 1, "You have twelve new messages and one saved message"),
        (2, 30, "You have two new messages and thirty saved messages"),
    ],
)
def test_the_nine_ways_to_say_how_many_messages_there_are(new: int, saved: int, said: str) -> None:
    assert clip_texts(english.message_counts(new, saved)) == said


@pytest.mark.parametrize(
    ("new", "saved", "urgent", "said"),
    [
        (1, 0, 1, "You have one urgent message"),
        (2, 0, 2, "You have two urgent messages"),
        (3, 0, 2, "You have two urgent messages and one new message"),
        (3, 0, 1, "You have one urgent message and two new messages"),
        (1, 1, 1, "You have one urgent message and one saved message"),
        (2, 4, 2, "You have two urgent messages and four saved messages"),
        (3, 1, 2, "You have two urgent messages and one new message and one saved message"),
        (30, 5, 1, "You have one urgent message and twenty-nine new messages and five saved messages"),
    ],
)
def test_urgent_ones_are_said_first_and_not_twice(new: int, saved: int, urgent: int, said: str) -> None:
    assert clip_texts(english.message_counts(new, saved, urgent)) == said


@given(st.dates(date(1990, 1, 1), date(2100, 12, 31)), st.dates(date(1990, 1, 1), date(2100, 12, 31)))
def test_days_are_spoken_relative_to_today(of: date, today: date) -> None:
    said = clip_texts(english.day(of, today))
    if of == today:
        assert said == "today"
    elif of == today - timedelta(days=1):
        assert said == "yesterday"
    else:
        ordinal = num2words(of.day, to="ordinal")
        assert said.startswith(f"{of:%A} {of:%B} {ordinal}")
        assert (of.year == today.year) == (said == f"{of:%A} {of:%B} {ordinal}")


@given(st.integers(1990, 2100))
def test_years_are_said_as_everybody_says_them(n: int) -> None:
    oracle = num2words(n, to="year").replace("-", " ").replace(" and ", " ")
    assert clip_texts(english.year(n)).replace("-", " ") == oracle


@pytest.mark.parametrize(
    ("at", "said"),
    [
        (time(0, 0), "twelve a.m."), (time(0, 5), "twelve oh five a.m."), (time(9, 5), "nine oh five a.m."),
        (time(12, 0), "twelve p.m."), (time(13, 30), "one thirty p.m."), (time(23, 59), "eleven fifty-nine p.m."),
    ],
)  # fmt: skip
def test_the_clock_is_read_as_a_wall_clock(at: time, said: str) -> None:
    assert clip_texts(english.time_of_day(at)) == said


@given(st.times())
def test_every_minute_of_the_day_can_be_said(at: time) -> None:
    assert clip_texts(english.time_of_day(at))


def test_the_envelope_says_when_a_message_came() -> None:
    now = datetime(2016, 5, 10, 12, 0)
    assert (
        clip_texts(english.received_time(datetime(2016, 5, 9, 9, 5), now)) == "Received yesterday at nine oh five a.m."
    )


def test_the_other_envelope_says_who_called_first() -> None:
    now = datetime(2016, 5, 10, 12, 0)
    said = clip_texts(english.caller_and_time("2001", datetime(2016, 5, 10, 9, 0), now))
    assert said == "A call from two zero zero one today at nine a.m."


@pytest.mark.parametrize(
    ("ms", "said"),
    [
        (400, "length one second"),
        (5_000, "length five seconds"),
        (60_000, "length one minute"),
        (125_000, "length two minutes five seconds"),
    ],
)
def test_a_length_is_said_in_minutes_and_seconds(ms: int, said: str) -> None:
    assert clip_texts(english.length(ms)) == said


@given(st.text())
def test_any_text_is_spelled_or_skipped(what: str) -> None:
    for clip in english.spell(what):
        assert clip in CATALOGUE


def test_a_caller_without_a_number_is_an_unknown_caller() -> None:
    assert clip_texts(english.caller_id("")) == "an unknown caller"


@pytest.mark.parametrize("key", "0123456789*#")
def test_every_key_can_be_offered_in_full_and_in_short(key: str) -> None:
    assert clip_texts(english.menu_option("keep", key)).startswith("To save, press ")
    assert clip_texts(english.menu_option("keep", key, short=True)).startswith("Save, ")
