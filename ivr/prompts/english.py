"""English numbers, dates and times."""

from __future__ import annotations

from datetime import date, time

from ivr.prompts.language import ClipKeys
from ivr.prompts.language_rules import LanguageRules

_POWERS = ((1_000_000, "envelope/million"), (1_000, "envelope/thousand"), (100, "envelope/hundred"))


class English(LanguageRules):
    """English as in the United States."""

    at = ("envelope/at",)

    def number(self, n: int) -> ClipKeys:
        """Return a whole number: 315 → "three" "hundred" "fifteen"."""
        for power, word in _POWERS:
            if n >= power:
                rest = self.number(n % power) if n % power else ()
                return (*self.number(n // power), word, *rest)
        if n > 50 and n % 10:
            return (f"number/{n - n % 10}", f"number/{n % 10}")
        return (f"number/{n}",)

    def calendar_day(self, local_date: date, *, with_year: bool) -> ClipKeys:
        """Return "Tuesday" "May" "tenth"."""
        clips = (f"weekday/{local_date.isoweekday()}", f"month/{local_date.month}", f"ordinal/{local_date.day}")
        return (*clips, *self.year(local_date.year)) if with_year else clips

    def year(self, n: int) -> ClipKeys:
        """Return 2016 as "twenty" "sixteen"; 2005 as "two" "thousand" "five"; 1900 as "nineteen" "hundred"."""
        century, rest = divmod(n, 100)
        if century % 10 == 0 and rest < 10:
            return self.number(n)
        if rest == 0:
            return (*self.number(century), "envelope/hundred")
        return (*self.number(century), *self._number_with_oh(rest))

    def time_of_day(self, local_time: time) -> ClipKeys:
        """Return 9:05 as "nine" "oh five" "a.m."; 12:00 as "twelve" "p.m."."""
        minutes = self._number_with_oh(local_time.minute) if local_time.minute else ()
        half = "envelope/am" if local_time.hour < 12 else "envelope/pm"
        return (f"number/{local_time.hour % 12 or 12}", *minutes, half)

    def time_of_24_hours(self, local_time: time) -> ClipKeys:
        """Return 14:05 as "fourteen" "oh five"; 9:30 as "oh nine" "thirty"; 0:00 as "zero" "hundred" "hours"."""
        hour, minute = local_time.hour, local_time.minute
        hour_clip = f"oh/{hour}" if 0 < hour < 10 else f"number/{hour}"
        if not minute:
            return (hour_clip, "envelope/hundred", "envelope/hours")
        return (hour_clip, *self._number_with_oh(minute))

    def _number_with_oh(self, n: int) -> ClipKeys:
        """Return 5 as "oh five", and numbers from ten as they are: minutes, and the second half of a year."""
        return (f"oh/{n}",) if n < 10 else self.number(n)
