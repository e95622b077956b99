"""German numbers, counts, dates and times."""

from __future__ import annotations

from datetime import date, datetime, time
from pathlib import Path

import pytest
from babel.dates import format_date
from hypothesis import given
from hypothesis import strategies as st
from num2words import num2words

from ivr.prompts.catalogue import Catalogue
from ivr.prompts.german import German

german = German()
CATALOGUE = Catalogue.load(Path(__file__).parents[2] / "sounds" / "de")
NOW = datetime(2016, 5, 10, 12, 0)


def clip_texts(clips: tuple[str, ...]) -> str:
    return " ".join(CATALOGUE[clip].text for clip in clips)


def as_one_word(words: str) -> str:
    """Numbers below a million are one word in German. num2words writes "einhunderteinstausend"."""
    return words.replace(" ", "").replace("einstausend", "eintausend").replace("einsMillionen", "einMillionen")


@given(st.integers(0, 999_999_999))
def test_numbers_match_num2words(n: int) -> None:
    assert as_one_word(clip_texts(german.number(n))) == as_one_word(num2words(n, lang="de"))


@pytest.mark.parametrize(
    ("n", "spoken"),
    [
        (1, "eins"), (101, "einhundert eins"), (1_001, "ein tausend eins"), (101_000, "einhundert ein tausend"),
        (1_000_000, "eine Million"), (21_000_000, "einundzwanzig Millionen"),
    ],
)  # fmt: skip
def test_one_is_ein_before_thousands_and_eine_before_a_million(n: int, spoken: str) -> None:
    assert clip_texts(german.number(n)) == spoken


@pytest.mark.parametrize(
    ("new", "saved", "urgent", "spoken"),
    [
        (0, 0, 0, "Sie haben keine Nachrichten."),
        (1, 0, 0, "Sie haben eine neue Nachricht"),
        (2, 1, 0, "Sie haben zwei neue Nachrichten und eine gespeicherte Nachricht"),
        (21, 131, 0, "Sie haben einundzwanzig neue Nachrichten und einhundert einunddreißig gespeicherte Nachrichten"),
        (3, 1, 2, "Sie haben zwei dringende Nachrichten und eine neue Nachricht und eine gespeicherte Nachricht"),
    ],
)
def test_message_counts(new: int, saved: int, urgent: int, spoken: str) -> None:
    assert clip_texts(german.message_counts(new, saved, urgent)) == spoken


@given(st.dates(date(1990, 1, 1), date(2099, 12, 31)))
def test_dates_are_those_of_babel_with_the_day_in_words(local_date: date) -> None:
    weekday, month = (format_date(local_date, pattern, locale="de") for pattern in ("EEEE", "MMMM"))
    spoken = f"{weekday} der {num2words(local_date.day, lang='de', to='ordinal')} {month}"
    assert clip_texts(german.calendar_day(local_date, with_year=False)) == spoken
    year = num2words(local_date.year, lang="de", to="year")
    assert as_one_word(clip_texts(german.calendar_day(local_date, with_year=True))) == as_one_word(spoken + year)


@pytest.mark.parametrize(
    ("at", "spoken", "spoken_24"),
    [
        (time(0, 0), "um zwölf Uhr nachts", "um null Uhr"),
        (time(1, 1), "um ein Uhr eins nachts", "um ein Uhr eins"),
        (time(9, 5), "um neun Uhr fünf morgens", "um neun Uhr fünf"),
        (time(12, 30), "um zwölf Uhr dreißig mittags", "um zwölf Uhr dreißig"),
        (time(14, 0), "um zwei Uhr nachmittags", "um vierzehn Uhr"),
        (time(21, 21), "um neun Uhr einundzwanzig abends", "um einundzwanzig Uhr einundzwanzig"),
        (time(23, 59), "um elf Uhr neunundfünfzig nachts", "um dreiundzwanzig Uhr neunundfünfzig"),
    ],
)
def test_times(at: time, spoken: str, spoken_24: str) -> None:
    assert clip_texts(german.time_of_day(at)) == spoken
    assert clip_texts(german.time_of_24_hours(at)) == spoken_24


@given(st.times(), st.times())
def test_different_times_sound_different(one: time, other: time) -> None:
    for clock in (german.time_of_day, german.time_of_24_hours):
        same = (one.hour, one.minute) == (other.hour, other.minute)
        assert (clip_texts(clock(one)) == clip_texts(clock(other))) == same


@pytest.mark.parametrize(
    ("number", "spoken"),
    [
        ("2001", "zwei null null eins"),
        ("030123456", "null , drei null , eins zwei , drei vier , fünf sechs"),
        ("+4930123456", "plus vier neun , drei null , eins zwei , drei vier , fünf sechs"),
        ("004930123456", "null null , vier neun , drei null , eins zwei , drei vier , fünf sechs"),
        ("anonymous", "A N O N Y M O U S"),
        ("", "unbekannt"),
    ],
)
def test_telephone_numbers_are_read_digit_by_digit_in_pairs(number: str, spoken: str) -> None:
    assert clip_texts(german.caller_id(number)) == spoken


def test_envelope_sentences() -> None:
    received_at = datetime(2016, 5, 9, 21, 5)
    assert clip_texts(german.received_time(received_at, NOW)) == "Erhalten gestern um neun Uhr fünf abends"
    spoken = clip_texts(german.caller_and_time(german.caller_id("2001"), received_at, NOW))
    assert spoken == "Anruf von zwei null null eins gestern um neun Uhr fünf abends"
    assert clip_texts(german.length(61_000)) == "Dauer eine Minute eine Sekunde"
    assert clip_texts(german.length(125_000)) == "Dauer zwei Minuten fünf Sekunden"
    assert clip_texts(german.forwarded_by(german.spell("7"))) == "weitergeleitet von sieben"


def test_pin_lengths_and_menu_options() -> None:
    assert clip_texts(german.pin_length(4, 4)) == "Eine Geheimzahl hat vier Ziffern."
    assert clip_texts(german.pin_length(4, 6)) == "Eine Geheimzahl hat vier bis sechs Ziffern."
    assert clip_texts(german.menu_option("keep", "1")) == "Um zu speichern, wählen Sie die Eins."
    assert clip_texts(german.menu_option("keep", "#", short=True)) == "Speichern, Raute"
