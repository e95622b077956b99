"""French numbers, counts, dates, times and telephone numbers."""

from __future__ import annotations

import re
from datetime import date, datetime, time
from pathlib import Path

import pytest
from babel.dates import format_date
from hypothesis import given
from hypothesis import strategies as st
from num2words import num2words

from ivr.prompts.catalogue import Catalogue
from ivr.prompts.french import French

french = French()
CATALOGUE = Catalogue.load(Path(__file__).parents[2] / "sounds" / "fr")
NOW = datetime(2016, 5, 10, 12, 0)


def clip_texts(clips: tuple[str, ...]) -> str:
    return " ".join(CATALOGUE[clip].text for clip in clips)


def in_words(n: int) -> str:
    return str(num2words(n, lang="fr"))


@given(st.integers(0, 999_999_999))
def test_numbers_match_num2words(n: int) -> None:
    assert clip_texts(french.number(n)) == in_words(n)


@given(st.integers(1, 999_999))
def test_numbers_before_a_noun_have_its_gender(n: int) -> None:
    feminine = re.sub(r"\bun$", "une", in_words(n))
    assert clip_texts(french.count(n, "second")) == f"{feminine} {'seconde' if n == 1 else 'secondes'}"
    assert clip_texts(french.count(n, "new")) == f"{in_words(n)} {'nouveau message' if n == 1 else 'nouveaux messages'}"


@pytest.mark.parametrize(
    ("new", "saved", "urgent", "spoken"),
    [
        (0, 0, 0, "Vous n'avez aucun message."),
        (1, 0, 0, "Vous avez un nouveau message"),
        (2, 1, 0, "Vous avez deux nouveaux messages et un message sauvegardé"),
        (21, 80, 0, "Vous avez vingt et un nouveaux messages et quatre-vingts messages sauvegardés"),
        (3, 1, 2, "Vous avez deux messages urgents et un nouveau message et un message sauvegardé"),
    ],
)
def test_message_counts(new: int, saved: int, urgent: int, spoken: str) -> None:
    assert clip_texts(french.message_counts(new, saved, urgent)) == spoken


@given(st.dates(date(1990, 1, 1), date(2100, 12, 31)))
def test_dates_are_those_of_babel_with_the_numbers_in_words(local_date: date) -> None:
    weekday, month = (format_date(local_date, pattern, locale="fr") for pattern in ("EEEE", "MMMM"))
    day = "premier" if local_date.day == 1 else in_words(local_date.day)
    spoken = f"le {weekday} {day} {month}"
    assert clip_texts(french.calendar_day(local_date, with_year=False)) == spoken
    assert clip_texts(french.calendar_day(local_date, with_year=True)) == f"{spoken} {in_words(local_date.year)}"


@pytest.mark.parametrize(
    ("at", "spoken", "spoken_24"),
    [
        (time(0, 0), "minuit", "zéro heure"),
        (time(1, 0), "une heure du matin", "une heure"),
        (time(9, 5), "neuf heures cinq du matin", "neuf heures cinq"),
        (time(12, 30), "midi trente", "douze heures trente"),
        (time(13, 1), "une heure une de l'après-midi", "treize heures une"),
        (time(21, 21), "neuf heures vingt et une du soir", "vingt et une heures vingt et une"),
        (time(23, 59), "onze heures cinquante-neuf du soir", "vingt-trois heures cinquante-neuf"),
    ],
)
def test_times(at: time, spoken: str, spoken_24: str) -> None:
    assert clip_texts(french.time_of_day(at)) == spoken
    assert clip_texts(french.time_of_24_hours(at)) == spoken_24


@given(st.times())
def test_24_hour_clock_is_that_of_num2words(at: time) -> None:
    """Hours and minutes are counted in the feminine."""
    hour, minute = (re.sub(r"\bun$", "une", in_words(n)) for n in (at.hour, at.minute))
    spoken = f"{hour} heure{'s' if at.hour > 1 else ''}"
    assert clip_texts(french.time_of_24_hours(at)) == (f"{spoken} {minute}" if at.minute else spoken)


@given(st.times(), st.times())
def test_different_times_sound_different(one: time, other: time) -> None:
    for clock in (french.time_of_day, french.time_of_24_hours):
        same = (one.hour, one.minute) == (other.hour, other.minute)
        assert (clip_texts(clock(one)) == clip_texts(clock(other))) == same


@pytest.mark.parametrize(
    ("number", "spoken"),
    [
        ("0123456700", "zéro un , vingt-trois , quarante-cinq , soixante-sept , zéro zéro"),
        ("+33123456789", "plus trente-trois , un , vingt-trois , quarante-cinq , soixante-sept , quatre-vingt-neuf"),
        ("0033612001072", "zéro zéro , trente-trois , six , douze , zéro zéro , dix , soixante-douze"),
        ("+4930123456", "plus quarante-neuf , trente , douze , trente-quatre , cinquante-six"),
        ("2001", "deux zéro zéro un"),
        ("alice1", "A L I C E un"),
        ("", "un numéro inconnu"),
    ],
)
def test_telephone_numbers_are_read_in_pairs(number: str, spoken: str) -> None:
    assert clip_texts(french.caller_id(number)) == spoken


@given(st.from_regex(r"(\+33|0033|\+|)[0-9]{6,15}", fullmatch=True))
def test_pairs_have_all_digits_of_the_number(number: str) -> None:
    keys = french.caller_id(number)
    digits = "".join(key.removeprefix("number/") for key in keys if key.startswith("number/"))
    assert digits == number.removeprefix("+")
    assert (keys[0] == "key/plus") == number.startswith("+")


def test_envelope_sentences() -> None:
    received_at = datetime(2016, 5, 9, 21, 5)
    assert clip_texts(french.received_time(received_at, NOW)) == "Reçu hier neuf heures cinq du soir"
    spoken = clip_texts(french.caller_and_time(french.caller_id("2001"), received_at, NOW, hours_24=True))
    assert spoken == "Correspondant deux zéro zéro un hier vingt et une heures cinq"
    assert clip_texts(french.length(61_000)) == "durée du message une minute une seconde"
    assert clip_texts(french.length(81 * 60_000)) == "durée du message quatre-vingt-une minutes"
    assert clip_texts(french.forwarded_by(french.spell("7"))) == "transféré par sept"


def test_pin_lengths_and_menu_options() -> None:
    assert clip_texts(french.pin_length(4, 4)) == "Un code compte quatre chiffres."
    assert clip_texts(french.pin_length(4, 6)) == "Un code compte quatre à six chiffres."
    assert clip_texts(french.menu_option("keep", "1")) == "Pour sauvegarder, appuyez sur un."
    assert clip_texts(french.menu_option("keep", "#", short=True)) == "Sauvegarder, dièse"


def test_message_numbers_up_to_seventeen_are_one_recording() -> None:
    for n in range(1, 18):
        (key,) = CATALOGUE.choose_recordings(french.message_number(n))
        assert CATALOGUE[key].text == f"Message {in_words(n)}"


@pytest.mark.parametrize("n", [6, 8, 10, 26, 28])
def test_numbers_that_lose_their_last_sound_are_recorded_with_seconds(n: int) -> None:
    """ "six", "huit" and "dix" are said otherwise before a noun than alone."""
    assert [CATALOGUE[key].text for key in CATALOGUE.choose_recordings(french.count(n, "second"))] == [
        f"{in_words(n)} secondes"
    ]
