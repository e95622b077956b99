"""Numbers, dates and times of Brazilian Portuguese.

Messages are feminine, minutes and seconds masculine: "vinte e uma mensagens", "vinte e um segundos". "e" joins
hundreds, tens and ones: "cento e" "um". It joins a thousand or million to the rest if that is below one hundred or a
round hundred.
"""

from __future__ import annotations

from datetime import date, time

from ivr.prompts.language import ClipKeys
from ivr.prompts.language_rules import LanguageRules

_MASCULINE_NOUNS = {"minute", "second"}
_DAY_PARTS = ((6, "envelope/early-morning"), (12, "envelope/morning"), (18, "envelope/afternoon"))
"""The hour at which each part of the day ends; after the last one it is night."""


class Portuguese(LanguageRules):
    """Portuguese as in Brazil; the callers are addressed as "você"."""

    def number(self, n: int) -> ClipKeys:
        """Return a whole number: 231 → "duzentos e" "trinta e um"."""
        return _number(n, feminine=False)

    def number_before(self, n: int, noun: str) -> ClipKeys:
        """Return a number before a noun: 231 → "duzentas e" "trinta e uma" before "mensagens"."""
        return _number(n, feminine=noun not in _MASCULINE_NOUNS)

    def calendar_day(self, local_date: date, *, with_year: bool) -> ClipKeys:
        """Return "terça-feira" "dez" "de maio"; the first of a month as "primeiro"."""
        day = "date/1" if local_date.day == 1 else f"number/{local_date.day}"
        clips = (f"weekday/{local_date.isoweekday()}", day, f"month/{local_date.month}")
        return (*clips, "envelope/of-year", *self.number(local_date.year)) if with_year else clips

    def time_of_day(self, local_time: time) -> ClipKeys:
        """Return 9:05 as "às nove e" "cinco" "da manhã"; 12:00 as "ao meio-dia"."""
        hour, minute = local_time.hour, local_time.minute
        if hour % 12 == 0:
            return _clock("hour", "noon" if hour else "midnight", minute)
        part = next((clip for end, clip in _DAY_PARTS if hour < end), "envelope/night")
        return (*_clock("hour", str(hour % 12), minute), part)

    def time_of_24_hours(self, local_time: time) -> ClipKeys:
        """Return 14:05 as "às quatorze e" "cinco"; 14:00 as "às quatorze horas"."""
        return _clock("hours", str(local_time.hour), local_time.minute)


def _number(n: int, *, feminine: bool) -> ClipKeys:
    if n >= 1_000_000:
        noun = "million" if n < 2_000_000 else "millions"
        return (*_number(n // 1_000_000, feminine=False), *_joined(noun, n % 1_000_000, feminine=feminine))
    if n >= 1_000:
        counted = _number(n // 1_000, feminine=feminine) if n >= 2_000 else ()
        return (*counted, *_joined("thousand", n % 1_000, feminine=feminine))
    if n >= 100:
        table = "feminine-hundred" if feminine and n >= 200 else "hundred"
        rest = n % 100
        return (f"{table}-and/{n - rest}", *_number(rest, feminine=feminine)) if rest else (f"{table}/{n}",)
    return (f"feminine/{n}" if feminine and n % 10 in (1, 2) and n not in (11, 12) else f"number/{n}",)


def _joined(noun: str, rest: int, *, feminine: bool) -> ClipKeys:
    """Return "mil" or a million and the rest, with "e" between them where the language has it."""
    if not rest:
        return (f"large/{noun}",)
    joins = rest < 100 or (rest < 1_000_000 and rest % (100_000 if rest >= 1_000 else 100) == 0)
    return (f"large/{noun}-and" if joins else f"large/{noun}", *_number(rest, feminine=feminine))


def _clock(table: str, hour: str, minute: int) -> ClipKeys:
    return (f"hour-and/{hour}", f"number/{minute}") if minute else (f"{table}/{hour}",)
