"""Numbers, counts, dates and times of Brazilian Portuguese."""

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
from ivr.prompts.portuguese import Portuguese

portuguese = Portuguese()
CATALOGUE = Catalogue.load(Path(__file__).parents[2] / "sounds" / "pt-BR")
NOW = datetime(2016, 5, 10, 12, 0)


def clip_texts(clips: tuple[str, ...]) -> str:
    return " ".join(CATALOGUE[clip].text for clip in clips)


def in_words(n: int) -> str:
    return str(num2words(n, lang="pt_BR")).replace(",", "")


@given(st.integers(0, 999_999))
def test_numbers_match_num2words(n: int) -> None:
    assert clip_texts(portuguese.number(n)) == in_words(n)


@given(st.integers(1_000_000, 999_999_999))
def test_large_numbers_match_num2words_but_for_the_joining_e(n: int) -> None:
    """num2words joins thousands to millions by "e" where their last three digits are none."""
    assert clip_texts(portuguese.number(n)).replace(" e ", " ") == in_words(n).replace(" e ", " ")


@given(st.integers(1, 999_999))
def test_messages_are_counted_in_the_feminine(n: int) -> None:
    counted = re.sub(r"\bum\b", "uma", re.sub(r"\bdois\b", "duas", in_words(n))).replace("entos", "entas")
    noun = "mensagem nova" if n == 1 else "mensagens novas"
    assert clip_texts(portuguese.count(n, "new")) == f"{counted} {noun}"


@pytest.mark.parametrize(
    ("new", "saved", "urgent", "spoken"),
    [
        (0, 0, 0, "Você não tem mensagens."),
        (1, 0, 0, "Você tem uma mensagem nova"),
        (2, 1, 0, "Você tem duas mensagens novas e uma mensagem salva"),
        (21, 202, 0, "Você tem vinte e uma mensagens novas e duzentas e duas mensagens salvas"),
        (3, 1, 2, "Você tem duas mensagens urgentes e uma mensagem nova e uma mensagem salva"),
    ],
)
def test_message_counts(new: int, saved: int, urgent: int, spoken: str) -> None:
    assert clip_texts(portuguese.message_counts(new, saved, urgent)) == spoken


@given(st.dates(date(1990, 1, 1), date(2100, 12, 31)))
def test_dates_are_those_of_babel_with_the_day_in_words(local_date: date) -> None:
    weekday, month = (format_date(local_date, pattern, locale="pt_BR") for pattern in ("EEEE", "MMMM"))
    day = "primeiro" if local_date.day == 1 else in_words(local_date.day)
    spoken = f"{weekday} {day} de {month}"
    assert clip_texts(portuguese.calendar_day(local_date, with_year=False)) == spoken
    assert clip_texts(portuguese.calendar_day(local_date, with_year=True)) == f"{spoken} de {in_words(local_date.year)}"


@pytest.mark.parametrize(
    ("at", "spoken", "spoken_24"),
    [
        (time(0, 0), "à meia-noite", "à zero hora"),
        (time(0, 5), "à meia-noite e cinco", "à zero hora e cinco"),
        (time(1, 0), "à uma da madrugada", "à uma hora"),
        (time(9, 5), "às nove e cinco da manhã", "às nove e cinco"),
        (time(12, 30), "ao meio-dia e trinta", "às doze e trinta"),
        (time(14, 2), "às duas e dois da tarde", "às catorze e dois"),
        (time(22, 0), "às dez da noite", "às vinte e duas horas"),
        (time(23, 59), "às onze e cinquenta e nove da noite", "às vinte e três e cinquenta e nove"),
    ],
)
def test_times(at: time, spoken: str, spoken_24: str) -> None:
    assert clip_texts(portuguese.time_of_day(at)) == spoken
    assert clip_texts(portuguese.time_of_24_hours(at)) == spoken_24


@given(st.times(), st.times())
def test_different_times_sound_different(one: time, other: time) -> None:
    for clock in (portuguese.time_of_day, portuguese.time_of_24_hours):
        same = (one.hour, one.minute) == (other.hour, other.minute)
        assert (clip_texts(clock(one)) == clip_texts(clock(other))) == same


def test_envelope_sentences() -> None:
    received_at = datetime(2016, 5, 9, 21, 5)
    assert clip_texts(portuguese.received_time(received_at, NOW)) == "Chegou ontem às nove e cinco da noite"
    spoken = clip_texts(portuguese.caller_and_time(portuguese.caller_id("2001"), received_at, NOW))
    assert spoken == "Ligação de dois zero zero um ontem às nove e cinco da noite"
    assert clip_texts(portuguese.length(61_000)) == "duração um minuto um segundo"
    assert clip_texts(portuguese.length(122_000)) == "duração dois minutos dois segundos"
    assert clip_texts(portuguese.forwarded_by(portuguese.spell("7"))) == "encaminhada por sete"


def test_pin_lengths_and_menu_options() -> None:
    assert clip_texts(portuguese.pin_length(4, 4)) == "A senha tem quatro dígitos."
    assert clip_texts(portuguese.pin_length(4, 6)) == "A senha tem quatro a seis dígitos."
    assert clip_texts(portuguese.menu_option("keep", "1")) == "Para salvar, pressione um."
    assert clip_texts(portuguese.menu_option("keep", "#", short=True)) == "Salvar, jogo da velha"


def test_message_numbers_up_to_twenty_are_one_recording() -> None:
    for n in range(1, 21):
        (key,) = CATALOGUE.choose_recordings(portuguese.message_number(n))
        assert CATALOGUE[key].text == f"Mensagem {in_words(n)}"
