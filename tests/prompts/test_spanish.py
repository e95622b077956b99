"""Spanish numbers, counts, dates and times."""

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
from ivr.prompts.spanish import Spanish

spanish = Spanish()
CATALOGUE = Catalogue.load(Path(__file__).parents[2] / "sounds" / "es")
NOW = datetime(2016, 5, 10, 12, 0)


def clip_texts(clips: tuple[str, ...]) -> str:
    return " ".join(CATALOGUE[clip].text for clip in clips)


def in_words(n: int) -> str:
    """The number by num2words, which leaves the o of "uno" before "mil" and "millones"."""
    words = num2words(n, lang="es")
    return re.sub(r"veintiuno(?= mil)", "veintiún", re.sub(r"\buno(?= mil)", "un", words))


@given(st.integers(0, 999_999_999))
def test_numbers_match_num2words(n: int) -> None:
    assert clip_texts(spanish.number(n)) == in_words(n)


@given(st.integers(1, 999_999))
def test_number_before_a_noun_loses_its_last_o(n: int) -> None:
    counted = re.sub(r"veintiuno$", "veintiún", re.sub(r"\buno$", "un", in_words(n)))
    noun = "mensaje nuevo" if n == 1 else "mensajes nuevos"
    assert clip_texts(spanish.count(n, "new")) == f"{counted} {noun}"


@pytest.mark.parametrize(
    ("new", "saved", "urgent", "spoken"),
    [
        (0, 0, 0, "Usted no tiene mensajes."),
        (1, 0, 0, "Usted tiene un mensaje nuevo"),
        (2, 1, 0, "Usted tiene dos mensajes nuevos y un mensaje guardado"),
        (21, 31, 0, "Usted tiene veintiún mensajes nuevos y treinta y un mensajes guardados"),
        (3, 1, 2, "Usted tiene dos mensajes urgentes y un mensaje nuevo y un mensaje guardado"),
    ],
)
def test_message_counts(new: int, saved: int, urgent: int, spoken: str) -> None:
    assert clip_texts(spanish.message_counts(new, saved, urgent)) == spoken


@given(st.dates(date(1990, 1, 1), date(2100, 12, 31)))
def test_dates_are_those_of_babel_with_the_day_in_words(local_date: date) -> None:
    weekday, month = (format_date(local_date, pattern, locale="es") for pattern in ("EEEE", "MMMM"))
    day = "primero" if local_date.day == 1 else num2words(local_date.day, lang="es")
    spoken = f"el {weekday} {day} de {month}"
    assert clip_texts(spanish.calendar_day(local_date, with_year=False)) == spoken
    assert clip_texts(spanish.calendar_day(local_date, with_year=True)) == f"{spoken} de {in_words(local_date.year)}"


@pytest.mark.parametrize(
    ("at", "spoken", "spoken_24"),
    [
        (time(0, 0), "a las doce de la madrugada", "a las cero horas"),
        (time(1, 0), "a la una de la madrugada", "a la una en punto"),
        (time(9, 5), "a las nueve y cinco de la mañana", "a las nueve y cinco"),
        (time(12, 30), "a las doce y treinta de la tarde", "a las doce y treinta"),
        (time(13, 1), "a la una y uno de la tarde", "a las trece y uno"),
        (time(21, 0), "a las nueve de la noche", "a las veintiuna horas"),
        (time(23, 59), "a las once y cincuenta y nueve de la noche", "a las veintitrés y cincuenta y nueve"),
    ],
)
def test_times(at: time, spoken: str, spoken_24: str) -> None:
    assert clip_texts(spanish.time_of_day(at)) == spoken
    assert clip_texts(spanish.time_of_24_hours(at)) == spoken_24


@given(st.times(), st.times())
def test_different_times_sound_different(one: time, other: time) -> None:
    for clock in (spanish.time_of_day, spanish.time_of_24_hours):
        same = (one.hour, one.minute) == (other.hour, other.minute)
        assert (clip_texts(clock(one)) == clip_texts(clock(other))) == same


def test_envelope_sentences() -> None:
    received_at = datetime(2016, 5, 9, 21, 5)
    assert clip_texts(spanish.received_time(received_at, NOW)) == "Recibido ayer a las nueve y cinco de la noche"
    spoken = clip_texts(spanish.caller_and_time(spanish.caller_id("2001"), received_at, NOW))
    assert spoken == "Una llamada de dos cero cero uno ayer a las nueve y cinco de la noche"
    assert clip_texts(spanish.length(61_000)) == "duración un minuto un segundo"
    assert clip_texts(spanish.length(125_000)) == "duración dos minutos cinco segundos"
    assert clip_texts(spanish.caller_id("")) == "un número desconocido"
    assert clip_texts(spanish.forwarded_by(spanish.spell("7"))) == "reenviado por siete"


def test_pin_lengths_and_menu_options() -> None:
    assert clip_texts(spanish.pin_length(4, 4)) == "La clave tiene cuatro cifras."
    assert clip_texts(spanish.pin_length(4, 6)) == "La clave tiene de cuatro a seis cifras."
    assert clip_texts(spanish.menu_option("keep", "1")) == "Para guardar, marque uno."
    assert clip_texts(spanish.menu_option("keep", "#", short=True)) == "Guardar, numeral"


def test_message_numbers_up_to_fifty_are_one_recording() -> None:
    for n in range(1, 51):
        (key,) = CATALOGUE.choose_recordings(spanish.message_number(n))
        assert CATALOGUE[key].text == f"Mensaje {num2words(n, lang='es')}"
