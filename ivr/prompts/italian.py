"""Italian numbers, dates and times.

"uno" is "un" before a noun and before "milione". Hours have their preposition and article in one recording, and another
one that ends in "e": "alle nove", "alle nove e" "cinque".
"""

from __future__ import annotations

from datetime import date, time

from ivr.prompts.language import ClipKeys
from ivr.prompts.language_rules import LanguageRules

_DAY_PARTS = ((6, "envelope/night"), (12, "envelope/morning"), (18, "envelope/afternoon"))
"""The hour at which each part of the day ends; after the last one it is evening."""


class Italian(LanguageRules):
    """Italian; the callers are addressed as "Lei"."""

    def number(self, n: int) -> ClipKeys:
        """Return a whole number: 231 → "duecento" "trentuno"."""
        return _number(n)

    def number_before(self, n: int, noun: str) -> ClipKeys:
        """Return a number before one of the nouns, which are all masculine: "un" "nuovo messaggio"."""
        return ("un/1",) if n == 1 else _number(n)

    def calendar_day(self, local_date: date, *, with_year: bool) -> ClipKeys:
        """Return "martedì" "dieci" "maggio"; the first of a month as "primo"."""
        day = "date/1" if local_date.day == 1 else f"number/{local_date.day}"
        clips = (f"weekday/{local_date.isoweekday()}", day, f"month/{local_date.month}")
        return (*clips, *_number(local_date.year)) if with_year else clips

    def time_of_day(self, local_time: time) -> ClipKeys:
        """Return 9:05 as "alle nove e" "cinque" "di mattina"; 12:00 as "a mezzogiorno"."""
        hour = local_time.hour
        if hour % 12 == 0:
            return _clock("noon" if hour else "midnight", local_time.minute)
        part = next((clip for end, clip in _DAY_PARTS if hour < end), "envelope/evening")
        return (*_clock(str(hour % 12), local_time.minute), part)

    def time_of_24_hours(self, local_time: time) -> ClipKeys:
        """Return 14:05 as "alle quattordici e" "cinque"."""
        return _clock(str(local_time.hour), local_time.minute)

    def pin_length(self, shortest: int, longest: int) -> ClipKeys:
        """Return "Un codice ha da" "quattro" "a" "sei" "cifre."."""
        if shortest == longest:
            return super().pin_length(shortest, longest)
        return ("pin/has-from", *_number(shortest), "pin/to", *_number(longest), "pin/digits")


def _number(n: int) -> ClipKeys:
    if n >= 1_000_000:
        counted = ("un/1", "large/million") if n < 2_000_000 else (*_number(n // 1_000_000), "large/millions")
        return (*counted, *_rest(n % 1_000_000))
    if n >= 3_000:
        return (*_number(n // 1_000), "large/thousands", *_rest(n % 1_000))
    if n >= 1_000:
        return ("large/two-thousand" if n >= 2_000 else "large/thousand", *_rest(n % 1_000))
    if n >= 100:
        return (f"hundred/{n - n % 100}", *_rest(n % 100))
    return (f"number/{n}",)


def _rest(n: int) -> ClipKeys:
    return _number(n) if n else ()


def _clock(hour: str, minute: int) -> ClipKeys:
    return (f"hour-and/{hour}", f"number/{minute}") if minute else (f"hour/{hour}",)
