"""French numbers, dates and times.

"un" has a feminine before "minute" and "seconde", and as the minutes of a time: "vingt et une secondes", "neuf heures
une". "cents" and "vingts" lose their s before another number. Telephone numbers are read in pairs of digits.
"""

from __future__ import annotations

from datetime import date, time

from ivr.prompts.language import ClipKeys
from ivr.prompts.language_rules import SPOKEN_SYMBOLS, LanguageRules
from ivr.prompts.telephone_numbers import group_in_pairs, join_groups

_FEMININE_NOUNS = {"minute", "second"}
_FEMININE = {1, 21, 31, 41, 51, 61, 81}
"""The numbers below 100 that end in "un": 71 and 91 end in "onze"."""
_DAY_PARTS = ((12, "envelope/morning"), (18, "envelope/afternoon"))
"""The hour at which each part of the day ends; after the last one it is evening."""
_COUNTRY_CODES = ("+33", "0033")


class French(LanguageRules):
    """French as in France; the callers are addressed as "vous"."""

    def number(self, n: int) -> ClipKeys:
        """Return a whole number: 231 → "deux cent" "trente et un"."""
        return _number(n)

    def number_before(self, n: int, noun: str) -> ClipKeys:
        """Return a number before a noun: 31 → "trente et une" before "secondes", "trente et un" before "messages"."""
        return _feminine(_number(n)) if noun in _FEMININE_NOUNS else _number(n)

    def calendar_day(self, local_date: date, *, with_year: bool) -> ClipKeys:
        """Return "le mardi" "dix" "mai"; the first of a month as "premier"."""
        day = "date/1" if local_date.day == 1 else f"number/{local_date.day}"
        clips = (f"weekday/{local_date.isoweekday()}", day, f"month/{local_date.month}")
        return (*clips, *_number(local_date.year)) if with_year else clips

    def time_of_day(self, local_time: time) -> ClipKeys:
        """Return 9:05 as "neuf heures" "cinq" "du matin"; 12:00 as "midi"."""
        hour, minutes = local_time.hour, _minutes(local_time.minute)
        if hour % 12 == 0:
            return ("hour/noon" if hour else "hour/midnight", *minutes)
        part = next((clip for end, clip in _DAY_PARTS if hour < end), "envelope/evening")
        return (f"hour/{hour % 12}", *minutes, part)

    def time_of_24_hours(self, local_time: time) -> ClipKeys:
        """Return 14:05 as "quatorze heures" "cinq"."""
        return (f"hour/{local_time.hour}", *_minutes(local_time.minute))

    def caller_id(self, caller_number: str) -> ClipKeys:
        """Return a telephone number in pairs, "zéro un" "vingt-trois"; an extension digit by digit.

        A country code is said by itself. Of an odd number of digits, the first is alone.
        """
        groups = group_in_pairs(caller_number, _COUNTRY_CODES)
        return join_groups(map(_spell_pair, groups)) if groups else super().caller_id(caller_number)


def _number(n: int) -> ClipKeys:
    if n >= 1_000_000:
        noun = "large/million" if n < 2_000_000 else "large/millions"
        return (*_number(n // 1_000_000), noun, *_rest(n % 1_000_000))
    if n >= 1_000:
        counted = _invariable(_number(n // 1_000)) if n >= 2_000 else ()
        return (*counted, "large/thousand", *_rest(n % 1_000))
    if n >= 100:
        rest = n % 100
        hundred: ClipKeys = (f"hundred/{n - rest}",)
        return (*(_invariable(hundred) if rest else hundred), *_rest(rest))
    return (f"number/{n}",)


def _rest(n: int) -> ClipKeys:
    return _number(n) if n else ()


def _invariable(clips: ClipKeys) -> ClipKeys:
    """Return a number without the s at its end: "quatre-vingt" "mille", "deux cent" "un"."""
    *before, last = clips
    table, _, name = last.partition("/")
    loses_its_s = last == "number/80" or (table == "hundred" and name != "100")
    return (*before, f"invariable/{name}") if loses_its_s else clips


def _feminine(clips: ClipKeys) -> ClipKeys:
    *before, last = clips
    table, _, name = last.partition("/")
    return (*before, f"une/{name}") if table == "number" and int(name) in _FEMININE else clips


def _minutes(n: int) -> ClipKeys:
    return _feminine(_number(n)) if n else ()


def _spell_pair(group: str) -> ClipKeys:
    """Return a pair as one number; zeros before it are said: "zéro un"."""
    digits = group.removeprefix("+")
    plus = (SPOKEN_SYMBOLS["+"],) if group != digits else ()
    zero = ("number/0",) if digits.startswith("0") and len(digits) == 2 else ()
    return (*plus, *zero, f"number/{int(digits)}")
