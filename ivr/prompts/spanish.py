"""Spanish numbers, dates and times.

"uno" loses its o before a masculine noun and before "mil" and "millones": "un mensaje", "veintiún mil". Hours are
feminine and have their article and preposition in one recording: "a la una", "a las dos".
"""

from __future__ import annotations

from datetime import date, time

from ivr.prompts.language import ClipKeys
from ivr.prompts.language_rules import LanguageRules

_DAY_PARTS = ((6, "envelope/early-morning"), (12, "envelope/morning"), (20, "envelope/afternoon"))
"""The hour at which each part of the day ends; after the last one it is night."""


class Spanish(LanguageRules):
    """Spanish; the callers are addressed as "usted"."""

    def number(self, n: int) -> ClipKeys:
        """Return a whole number: 131 → "ciento" "treinta y" "uno"."""
        return _number(n, before_noun=False)

    def number_before(self, n: int, noun: str) -> ClipKeys:
        """Return a number before one of the nouns, which are all masculine: 131 → "ciento" "treinta y" "un"."""
        return _number(n, before_noun=True)

    def calendar_day(self, local_date: date, *, with_year: bool) -> ClipKeys:
        """Return "el martes" "diez" "de mayo"; the first of a month as "primero"."""
        day = ("date/1",) if local_date.day == 1 else self.number(local_date.day)
        clips = (f"weekday/{local_date.isoweekday()}", *day, f"month/{local_date.month}")
        return (*clips, "envelope/of-year", *self.number(local_date.year)) if with_year else clips

    def time_of_day(self, local_time: time) -> ClipKeys:
        """Return 9:05 as "a las nueve" "y cinco" "de la mañana"; 13:00 as "a la una" "de la tarde"."""
        part = next((clip for end, clip in _DAY_PARTS if local_time.hour < end), "envelope/night")
        return (f"hour/{local_time.hour % 12 or 12}", *_minutes(local_time.minute), part)

    def time_of_24_hours(self, local_time: time) -> ClipKeys:
        """Return 14:05 as "a las catorce" "y cinco"; 21:00 as "a las veintiuna" "horas"; 1:00 with "en punto"."""
        if local_time.minute:
            return (f"hour/{local_time.hour}", *_minutes(local_time.minute))
        return (f"hour/{local_time.hour}", "envelope/o-clock" if local_time.hour == 1 else "envelope/hours")

    def pin_length(self, shortest: int, longest: int) -> ClipKeys:
        """Return "La clave tiene de" "cuatro" "a" "seis" "cifras."."""
        if shortest == longest:
            return super().pin_length(shortest, longest)
        return ("pin/has-from", *self.number(shortest), "pin/to", *self.number(longest), "pin/digits")


def _number(n: int, *, before_noun: bool) -> ClipKeys:
    if n >= 1_000_000:
        noun = "large/million" if n < 2_000_000 else "large/millions"
        return (*_number(n // 1_000_000, before_noun=True), noun, *_rest(n % 1_000_000, before_noun))
    if n >= 1_000:
        counted = _number(n // 1_000, before_noun=True) if n >= 2_000 else ()
        return (*counted, "large/thousand", *_rest(n % 1_000, before_noun))
    if n >= 100:
        rest = n % 100
        hundred = "hundred/101" if 100 < n < 200 else f"hundred/{n - rest}"
        return (hundred, *_rest(rest, before_noun))
    if n > 30 and n % 10:
        return (f"tens/{n - n % 10}", *_number(n % 10, before_noun=before_noun))
    return (f"un/{n}",) if before_noun and n in (1, 21) else (f"number/{n}",)


def _rest(n: int, before_noun: bool) -> ClipKeys:
    return _number(n, before_noun=before_noun) if n else ()


def _minutes(n: int) -> ClipKeys:
    return (f"minute/{n}",) if n else ()
