"""German numbers, dates and times.

"eins" is "eine" before the nouns, which are all feminine, and "ein" before "tausend". Telephone numbers are read digit
by digit, in pairs.
"""

from __future__ import annotations

from datetime import date, time

from ivr.prompts.language import ClipKeys
from ivr.prompts.language_rules import LanguageRules
from ivr.prompts.telephone_numbers import group_in_pairs, join_groups

_DAY_PARTS = (
    (5, "envelope/night"),
    (12, "envelope/morning"),
    (13, "envelope/midday"),
    (18, "envelope/afternoon"),
    (23, "envelope/evening"),
)
"""The hour at which each part of the day ends; after the last one it is night again."""
_COUNTRY_CODES = ("+49", "0049")


class German(LanguageRules):
    """German as in Germany; the callers are addressed as "Sie"."""

    def number(self, n: int) -> ClipKeys:
        """Return a whole number: 231 → "zweihundert" "einunddreißig"."""
        return _number(n)

    def number_before(self, n: int, noun: str) -> ClipKeys:
        """Return a number before one of the nouns: "eine" "neue Nachricht"."""
        return ("before-noun/eine",) if n == 1 else _number(n)

    def calendar_day(self, local_date: date, *, with_year: bool) -> ClipKeys:
        """Return "Dienstag" "der zehnte" "Mai"."""
        clips = (f"weekday/{local_date.isoweekday()}", f"date/{local_date.day}", f"month/{local_date.month}")
        return (*clips, *_year(local_date.year)) if with_year else clips

    def time_of_day(self, local_time: time) -> ClipKeys:
        """Return 9:05 as "um neun Uhr" "fünf" "morgens", 0:00 as "um zwölf Uhr" "nachts"."""
        hour = local_time.hour
        part = next((clip for end, clip in _DAY_PARTS if hour < end), "envelope/night")
        return (*_clock(hour % 12 or 12, local_time.minute), part)

    def time_of_24_hours(self, local_time: time) -> ClipKeys:
        """Return 14:05 as "um vierzehn Uhr" "fünf"."""
        return _clock(local_time.hour, local_time.minute)

    def caller_id(self, caller_number: str) -> ClipKeys:
        """Return a telephone number digit by digit in pairs, "null drei" "null eins"; an extension without pauses."""
        groups = group_in_pairs(caller_number, _COUNTRY_CODES)
        return join_groups(map(self.spell, groups)) if groups else super().caller_id(caller_number)


def _number(n: int) -> ClipKeys:
    if n >= 1_000_000:
        millions = n // 1_000_000
        counted = ("before-noun/eine", "large/million") if millions == 1 else (*_multiplier(millions), "large/millions")
        return (*counted, *_rest(n % 1_000_000))
    if n >= 1_000:
        return (*_multiplier(n // 1_000), "large/thousand", *_rest(n % 1_000))
    if n >= 100:
        return (f"hundred/{n - n % 100}", *_rest(n % 100))
    return (f"number/{n}",)


def _rest(n: int) -> ClipKeys:
    return _number(n) if n else ()


def _multiplier(n: int) -> ClipKeys:
    """Return a number of thousands or millions: "ein" "tausend", "einhundert" "ein" "tausend"."""
    *before, last = _number(n)
    return (*before, "before-noun/ein" if last == "number/1" else last)


def _year(year: int) -> ClipKeys:
    """Return the years before 2000 in hundreds: "neunzehn" "hundert" "neunzig"."""
    century, rest = divmod(year, 100)
    return (f"number/{century}", "large/hundred", *_rest(rest)) if 11 <= century <= 19 else _number(year)


def _clock(hour: int, minute: int) -> ClipKeys:
    return (f"hour/{hour}", f"number/{minute}") if minute else (f"hour/{hour}",)
