"""English numbers, counts, dates and times."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from num2words import num2words

from ivr.prompts.catalogue import Catalogue
from ivr.prompts.english import English

english = English()
CATALOGUE = Catalogue.load(Path(__file__).parents[2] / "sounds" / "en")


def clip_texts(clips: tuple[str, ...]) -> str:
    return " ".join(CATALOGUE[clip].text for clip in clips)


@given(st.integers(0, 999_999_999))
def test_numbers_match_num2words(n: int) -> None:
    oracle = num2words(n).replace(" and ", " ").replace(",", "").replace("-", " ")
    assert clip_texts(english.number(n)).replace("-", " ") == oracle


@pytest.mark.parametrize("n", [0, 1, 2, 5, 11, 21, 101])
def test_only_one_is_singular(n: int) -> None:
    assert clip_texts(english.count(n, "new")).endswith("new message" if n == 1 else "new messages")


@pytest.mark.parametrize(
    ("new", "saved", "spoken"),
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
def test_message_counts_follow_the_nine_patterns(new: int, saved: int, spoken: str) -> None:
    assert clip_texts(english.message_counts(new, saved)) == spoken


@pytest.mark.parametrize(
    ("new", "saved", "urgent", "spoken"),
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
def test_urgent_messages_are_counted_first_and_once(new: int, saved: int, urgent: int, spoken: str) -> None:
    assert clip_texts(english.message_counts(new, saved, urgent)) == spoken


@given(st.dates(date(1990, 1, 1), date(2100, 12, 31)), st.dates(date(1990, 1, 1), date(2100, 12, 31)))
def test_days_are_spoken_relative_to_today(day: date, today: date) -> None:
    spoken = clip_texts(english.day(day, today))
    if day == today:
        assert spoken == "today"
    elif day == today - timedelta(days=1):
        assert spoken == "yesterday"
    else:
        ordinal = num2words(day.day, to="ordinal")
        assert spoken.startswith(f"{day:%A} {day:%B} {ordinal}")
        assert (day.year == today.year) == (spoken == f"{day:%A} {day:%B} {ordinal}")


@given(st.integers(1990, 2100))
def test_years_match_num2words(n: int) -> None:
    oracle = num2words(n, to="year").replace("-", " ").replace(" and ", " ")
    assert clip_texts(english.year(n)).replace("-", " ") == oracle


@pytest.mark.parametrize(
    ("at", "spoken"),
    [
        (time(0, 0), "twelve a.m."), (time(0, 5), "twelve oh five a.m."), (time(9, 5), "nine oh five a.m."),
        (time(12, 0), "twelve p.m."), (time(13, 30), "one thirty p.m."), (time(23, 59), "eleven fifty nine p.m."),
    ],
)  # fmt: skip
def test_time_of_day_uses_12_hour_clock(at: time, spoken: str) -> None:
    assert clip_texts(english.time_of_day(at)) == spoken


@given(st.times())
def test_every_time_of_day_has_clips(at: time) -> None:
    assert clip_texts(english.time_of_day(at))


@pytest.mark.parametrize(
    ("at", "spoken"),
    [
        (time(0, 0), "zero hundred hours"), (time(0, 5), "zero oh five"), (time(9, 0), "oh nine hundred hours"),
        (time(9, 30), "oh nine thirty"), (time(12, 0), "twelve hundred hours"), (time(14, 5), "fourteen oh five"),
        (time(23, 59), "twenty-three fifty nine"),
    ],
)  # fmt: skip
def test_time_of_day_in_24_hour_clock(at: time, spoken: str) -> None:
    assert clip_texts(english.time_of_24_hours(at)) == spoken


@given(st.times())
def test_every_time_of_24_hours_has_clips_and_differs_from_others(at: time) -> None:
    spoken = clip_texts(english.time_of_24_hours(at))
    assert spoken != clip_texts(english.time_of_24_hours(at.replace(hour=(at.hour + 12) % 24)))


def test_received_time_names_day_and_time() -> None:
    now = datetime(2016, 5, 10, 12, 0)
    assert (
        clip_texts(english.received_time(datetime(2016, 5, 9, 9, 5), now)) == "Received yesterday at nine oh five a.m."
    )


def test_caller_and_time_names_caller_first() -> None:
    now = datetime(2016, 5, 10, 12, 0)
    spoken = clip_texts(english.caller_and_time(english.caller_id("2001"), datetime(2016, 5, 10, 9, 0), now))
    assert spoken == "A call from two zero zero one today at nine a.m."


@pytest.mark.parametrize(
    ("ms", "spoken"),
    [
        (400, "length one second"),
        (5_000, "length five seconds"),
        (60_000, "length one minute"),
        (125_000, "length two minutes five seconds"),
    ],
)
def test_length_is_in_minutes_and_seconds(ms: int, spoken: str) -> None:
    assert clip_texts(english.length(ms)) == spoken


@given(st.text())
def test_every_spelled_character_has_a_clip(text: str) -> None:
    for clip in english.spell(text):
        assert clip in CATALOGUE


def test_empty_caller_number_is_an_unknown_caller() -> None:
    assert clip_texts(english.caller_id("")) == "an unknown caller"


@pytest.mark.parametrize("key", "0123456789*#")
def test_every_key_has_full_and_short_menu_option(key: str) -> None:
    assert clip_texts(english.menu_option("keep", key)).startswith("To save, press ")
    assert clip_texts(english.menu_option("keep", key, short=True)).startswith("Save, ")
