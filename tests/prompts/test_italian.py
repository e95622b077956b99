"""Italian numbers, counts, dates and times."""

from __future__ import annotations

from datetime import date, datetime, time
from pathlib import Path

import pytest
from babel.dates import format_date
from hypothesis import given
from hypothesis import strategies as st
from num2words import num2words

from ivr.prompts.catalogue import Catalogue
from ivr.prompts.italian import Italian

italian = Italian()
CATALOGUE = Catalogue.load(Path(__file__).parents[2] / "sounds" / "it")
NOW = datetime(2016, 5, 10, 12, 0)


def clip_texts(clips: tuple[str, ...]) -> str:
    return " ".join(CATALOGUE[clip].text for clip in clips)


def as_one_word(words: str) -> str:
    """Numbers are one word in Italian; "centottanta" is "cento" and "ottanta", the accent of "centotré" is not heard.

    num2words writes "duecentodicotto".
    """
    joined = words.replace("milione e ", "milione ").replace("milioni e ", "milioni ").replace(" ", "")
    return joined.replace("centott", "centoott").replace("tré", "tre").replace("dicotto", "diciotto")


@given(st.integers(0, 999_999_999))
def test_numbers_match_num2words(n: int) -> None:
    assert as_one_word(clip_texts(italian.number(n))) == as_one_word(num2words(n, lang="it"))


@pytest.mark.parametrize(
    ("new", "saved", "urgent", "spoken"),
    [
        (0, 0, 0, "Non ha messaggi."),
        (1, 0, 0, "Nella sua casella un nuovo messaggio"),
        (2, 1, 0, "Nella sua casella due nuovi messaggi e un messaggio salvato"),
        (21, 131, 0, "Nella sua casella ventuno nuovi messaggi e cento trentuno messaggi salvati"),
        (3, 1, 2, "Nella sua casella due messaggi urgenti e un nuovo messaggio e un messaggio salvato"),
    ],
)
def test_message_counts(new: int, saved: int, urgent: int, spoken: str) -> None:
    assert clip_texts(italian.message_counts(new, saved, urgent)) == spoken


@given(st.dates(date(1990, 1, 1), date(2100, 12, 31)))
def test_dates_are_those_of_babel_with_the_day_in_words(local_date: date) -> None:
    weekday, month = (format_date(local_date, pattern, locale="it") for pattern in ("EEEE", "MMMM"))
    day = "primo" if local_date.day == 1 else num2words(local_date.day, lang="it")
    spoken = f"{weekday} {day} {month}"
    assert as_one_word(clip_texts(italian.calendar_day(local_date, with_year=False))) == as_one_word(spoken)
    year = num2words(local_date.year, lang="it")
    assert as_one_word(clip_texts(italian.calendar_day(local_date, with_year=True))) == as_one_word(spoken + year)


@pytest.mark.parametrize(
    ("at", "spoken", "spoken_24"),
    [
        (time(0, 0), "a mezzanotte", "alle zero"),
        (time(0, 5), "a mezzanotte e cinque", "alle zero e cinque"),
        (time(1, 0), "all'una di notte", "all'una"),
        (time(9, 5), "alle nove e cinque di mattina", "alle nove e cinque"),
        (time(12, 30), "a mezzogiorno e trenta", "alle dodici e trenta"),
        (time(13, 1), "all'una e uno del pomeriggio", "alle tredici e uno"),
        (time(23, 59), "alle undici e cinquantanove di sera", "alle ventitré e cinquantanove"),
    ],
)
def test_times(at: time, spoken: str, spoken_24: str) -> None:
    assert as_one_word(clip_texts(italian.time_of_day(at))) == as_one_word(spoken)
    assert as_one_word(clip_texts(italian.time_of_24_hours(at))) == as_one_word(spoken_24)


@given(st.times(), st.times())
def test_different_times_sound_different(one: time, other: time) -> None:
    for clock in (italian.time_of_day, italian.time_of_24_hours):
        same = (one.hour, one.minute) == (other.hour, other.minute)
        assert (clip_texts(clock(one)) == clip_texts(clock(other))) == same


def test_envelope_sentences() -> None:
    received_at = datetime(2016, 5, 9, 21, 5)
    assert clip_texts(italian.received_time(received_at, NOW)) == "Ricevuto ieri alle nove e cinque di sera"
    spoken = clip_texts(italian.caller_and_time(italian.caller_id("2001"), received_at, NOW))
    assert spoken == "Telefonata da due zero zero uno ieri alle nove e cinque di sera"
    assert clip_texts(italian.length(61_000)) == "durata un minuto un secondo"
    assert clip_texts(italian.length(125_000)) == "durata due minuti cinque secondi"
    assert clip_texts(italian.forwarded_by(italian.spell("7"))) == "inoltrato da sette"


def test_pin_lengths_and_menu_options() -> None:
    assert clip_texts(italian.pin_length(4, 4)) == "Un codice ha quattro cifre."
    assert clip_texts(italian.pin_length(4, 6)) == "Un codice ha da quattro a sei cifre."
    assert clip_texts(italian.menu_option("keep", "1")) == "Per salvare, selezioni uno."
    assert clip_texts(italian.menu_option("keep", "#", short=True)) == "Salvare, cancelletto"


def test_message_numbers_up_to_thirty_are_one_recording() -> None:
    for n in range(1, 31):
        (key,) = CATALOGUE.choose_recordings(italian.message_number(n))
        assert CATALOGUE[key].text == f"Messaggio {CATALOGUE[f'number/{n}'].text}"
