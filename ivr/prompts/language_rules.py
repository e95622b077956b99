"""The rules that languages share. A language is a subclass: its numbers, days and times, and what differs otherwise."""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import date, datetime, time, timedelta

from ivr.prompts.language import ClipKeys

NOUNS = {
    "new": ("count/new-message", "count/new-messages"),
    "saved": ("count/saved-message", "count/saved-messages"),
    "urgent": ("count/urgent-message", "count/urgent-messages"),
    "second": ("envelope/second", "envelope/seconds"),
    "minute": ("envelope/minute", "envelope/minutes"),
}
"""Singular and plural of what is counted."""
SPOKEN_SYMBOLS = {"*": "key/star", "#": "key/pound", "+": "key/plus"}
PRESS_SYMBOLS = {"*": "press/star", "#": "press/pound"}


class LanguageRules(ABC):
    """Sentences as keys of the catalogue. Pure functions.

    Menus never put words together themselves: word order and plurals belong to the language.
    """

    at: ClipKeys = ()
    """What is said between day and time, where it is not part of the time."""

    @abstractmethod
    def number(self, n: int) -> ClipKeys:
        """Return a whole number from 0 to 999,999,999, standing alone."""

    @abstractmethod
    def calendar_day(self, local_date: date, *, with_year: bool) -> ClipKeys:
        """Return a day of the calendar with its weekday."""

    @abstractmethod
    def time_of_day(self, local_time: time) -> ClipKeys:
        """Return a time in the 12-hour clock."""

    @abstractmethod
    def time_of_24_hours(self, local_time: time) -> ClipKeys:
        """Return a time in the 24-hour clock."""

    def number_before(self, n: int, noun: str) -> ClipKeys:
        """Return a number in the form that it has before `noun`."""
        return self.number(n)

    def count(self, n: int, noun: str) -> ClipKeys:
        """Return "one" "new message", "two" "new messages". `noun`: a key of `NOUNS`."""
        singular, plural = NOUNS[noun]
        return (*self.number_before(n, noun), singular if n == 1 else plural)

    def message_counts(self, new: int, saved: int, urgent: int = 0) -> ClipKeys:
        """Return how many messages there are: Kazoo's nine patterns of none, one and more.

        `urgent` of the new ones are urgent. They come first: "two urgent messages" "and" "one new message".
        """
        numbers = ((urgent, "urgent"), (new - urgent, "new"), (saved, "saved"))
        counted = [self.count(n, noun) for n, noun in numbers if n]
        if not counted:
            return ("count/no-messages",)
        first, *others = counted
        return ("count/you-have", *first, *(clip for other in others for clip in ("count/and", *other)))

    def message_number(self, n: int, *, urgent: bool = False, folder: str | None = None) -> ClipKeys:
        """Return "Message" "two", followed by "deleted" or "saved" if `folder` is one of these."""
        moved = (f"message/{folder}",) if folder in ("deleted", "saved") else ()
        return ("message/urgent-message" if urgent else "message/message", *self.number(n), *moved)

    def day(self, local_date: date, today: date) -> ClipKeys:
        """Return "today", "yesterday", or the date, with the year if it is not the current one."""
        if local_date == today:
            return ("envelope/today",)
        if local_date == today - timedelta(days=1):
            return ("envelope/yesterday",)
        return self.calendar_day(local_date, with_year=local_date.year != today.year)

    def date_and_time(self, local_time: datetime, now: datetime, *, hours_24: bool = False) -> ClipKeys:
        """Return day and time. Both arguments are in the same time zone."""
        clock = self.time_of_24_hours if hours_24 else self.time_of_day
        return (*self.day(local_time.date(), now.date()), *self.at, *clock(local_time.time()))

    def received_time(self, received_at: datetime, now: datetime, *, hours_24: bool = False) -> ClipKeys:
        """Return "Received", day and time."""
        return ("envelope/received", *self.date_and_time(received_at, now, hours_24=hours_24))

    def caller_and_time(
        self, caller: ClipKeys, received_at: datetime, now: datetime, *, hours_24: bool = False
    ) -> ClipKeys:
        """Return the envelope in the form of envelope_type caller_and_time."""
        return ("envelope/call-from", *caller, *self.date_and_time(received_at, now, hours_24=hours_24))

    def forwarded_by(self, sender: ClipKeys) -> ClipKeys:
        """Return "forwarded by" and the sender."""
        return ("envelope/forwarded-by", *sender)

    def caller_id(self, caller_number: str) -> ClipKeys:
        """Return the caller's number, digit by digit, or "an unknown caller"."""
        return self.spell(caller_number) or ("envelope/unknown-caller",)

    def length(self, ms: int) -> ClipKeys:
        """Return "length" "one" "minute" "five" "seconds"; at least one second."""
        minutes, seconds = divmod(max(1, round(ms / 1000)), 60)
        clips: ClipKeys = ("envelope/length",)
        clips += self.count(minutes, "minute") if minutes else ()
        return clips + (self.count(seconds, "second") if seconds else ())

    def spell(self, text: str) -> ClipKeys:
        """Return digits, letters, plus, star and pound one by one; other characters are skipped."""
        return tuple(clip for character in text for clip in _spell_character(character))

    def pin_length(self, shortest: int, longest: int) -> ClipKeys:
        """Return "A pin has" "four" "to" "six" "digits."."""
        limits = self.number(longest)
        if shortest != longest:
            limits = (*self.number(shortest), "pin/to", *limits)
        return ("pin/has", *limits, "pin/digits")

    def menu_option(self, action: str, key: str, *, short: bool = False) -> ClipKeys:
        """Return one option of a menu: "To save," "press one."; in short form: "Save," "one"."""
        if short:
            return (f"short/{action}", SPOKEN_SYMBOLS.get(key) or f"number/{key}")
        return (f"to/{action}", PRESS_SYMBOLS.get(key) or f"press/{key}")


def _spell_character(character: str) -> ClipKeys:
    if character.isascii() and character.isdigit():
        return (f"number/{character}",)
    if character.isascii() and character.isalpha():
        return (f"letter/{character.lower()}",)
    return (SPOKEN_SYMBOLS[character],) if character in SPOKEN_SYMBOLS else ()
