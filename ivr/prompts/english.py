"""How English says numbers, counts, dates, times and keys: meanings → keys of the catalogue. Pure functions.

A language is one module of these functions; the menus say what they mean and never join words themselves.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

from ivr.prompts.language import ClipKeys

_NOUNS = {
    "new": {"one": "count/new-message", "other": "count/new-messages"},
    "saved": {"one": "count/saved-message", "other": "count/saved-messages"},
    "urgent": {"one": "count/urgent-message", "other": "count/urgent-messages"},
    "second": {"one": "envelope/second", "other": "envelope/seconds"},
    "minute": {"one": "envelope/minute", "other": "envelope/minutes"},
}
_POWERS = ((1_000_000, "envelope/million"), (1_000, "envelope/thousand"), (100, "envelope/hundred"))
_SPOKEN_SYMBOLS = {"*": "key/star", "#": "key/pound"}
_PRESS_SYMBOLS = {"*": "press/star", "#": "press/pound"}


def number(n: int) -> ClipKeys:
    """A whole number from 0 to 999,999,999: 315 → "three" "hundred" "fifteen"."""
    for power, word in _POWERS:
        if n >= power:
            rest = number(n % power) if n % power else ()
            return (*number(n // power), word, *rest)
    return (f"number/{n}",)


def count(n: int, noun: str) -> ClipKeys:
    """ "one" "new message", "two" "new messages"; `noun` is new, saved, urgent, second or minute."""
    return (*number(n), _NOUNS[noun]["one" if n == 1 else "other"])


def message_counts(new: int, saved: int, urgent: int = 0) -> ClipKeys:
    """How many messages there are (kazoo-behaviour §2.2): nine patterns of none, one and more.

    `urgent` of the new ones are urgent, and said first: "two urgent messages" "and" "one new message".
    """
    counted = [count(n, noun) for n, noun in ((urgent, "urgent"), (new - urgent, "new"), (saved, "saved")) if n]
    if not counted:
        return ("count/no-messages",)
    first, *others = counted
    return ("count/you-have", *first, *(clip for other in others for clip in ("count/and", *other)))


def message_number(n: int, *, urgent: bool = False, folder: str | None = None) -> ClipKeys:
    """ "Message" "two", and what became of it where that is worth saying: "deleted", "saved"."""
    said = f"message/{folder}" if folder in ("deleted", "saved") else None
    return ("message/urgent-message" if urgent else "message/message", *number(n), *([said] if said else []))


def day(local_date: date, today: date) -> ClipKeys:
    """ "today", "yesterday", "Tuesday" "May" "tenth", and the year where it is another one."""
    if local_date == today:
        return ("envelope/today",)
    if local_date == today - timedelta(days=1):
        return ("envelope/yesterday",)
    said = (f"weekday/{local_date.isoweekday()}", f"month/{local_date.month}", f"ordinal/{local_date.day}")
    return said if local_date.year == today.year else (*said, *year(local_date.year))


def year(n: int) -> ClipKeys:
    """2016 → "twenty" "sixteen"; 2005 → "two" "thousand" "five"; 1900 → "nineteen" "hundred"."""
    century, rest = divmod(n, 100)
    if century % 10 == 0 and rest < 10:
        return number(n)
    if rest == 0:
        return (*number(century), "envelope/hundred")
    return (*number(century), f"oh/{rest}" if rest < 10 else f"number/{rest}")


def time_of_day(local_time: time) -> ClipKeys:
    """9:05 → "nine" "oh five" "a.m."; 12:00 → "twelve" "p.m."."""
    minutes: ClipKeys = ()
    if local_time.minute:
        minutes = (f"oh/{local_time.minute}" if local_time.minute < 10 else f"number/{local_time.minute}",)
    return (f"number/{local_time.hour % 12 or 12}", *minutes, "envelope/am" if local_time.hour < 12 else "envelope/pm")


def date_and_time(local_time: datetime, now: datetime) -> ClipKeys:
    """Day and time, as heard in a time zone that both already have."""
    return (*day(local_time.date(), now.date()), "envelope/at", *time_of_day(local_time.time()))


def received_time(received_at: datetime, now: datetime) -> ClipKeys:
    """ "Received" "yesterday" "at" "nine" "oh five" "a.m."."""
    return ("envelope/received", *date_and_time(received_at, now))


def caller_and_time(caller_number: str, received_at: datetime, now: datetime) -> ClipKeys:
    """The other form of the envelope (envelope_type caller_and_time, kazoo-behaviour §1.12)."""
    return ("envelope/call-from", *caller_id(caller_number), *date_and_time(received_at, now))


def caller_id(caller_number: str) -> ClipKeys:
    """The caller's number, sign by sign, or "an unknown caller"."""
    return spell(caller_number) or ("envelope/unknown-caller",)


def length(ms: int) -> ClipKeys:
    """ "length" "one" "minute" "five" "seconds"; never "zero"."""
    minutes, seconds = divmod(max(1, round(ms / 1000)), 60)
    said: ClipKeys = ("envelope/length",)
    said += count(minutes, "minute") if minutes else ()
    return said + (count(seconds, "second") if seconds else ())


def spell(text: str) -> ClipKeys:
    """Digits, letters, star and pound one by one; other signs are passed over."""
    return tuple(clip for sign in text for clip in _spell_character(sign))


def menu_option(action: str, key: str, *, short: bool = False) -> ClipKeys:
    """One line of a menu: "To save," "press one."; short: "Save," "one"."""
    if short:
        return (f"short/{action}", _SPOKEN_SYMBOLS.get(key) or f"number/{key}")
    return (f"to/{action}", _PRESS_SYMBOLS.get(key) or f"press/{key}")


def _spell_character(character: str) -> ClipKeys:
    if character.isascii() and character.isdigit():
        return (f"number/{character}",)
    if character.isascii() and character.isalpha():
        return (f"letter/{character.lower()}",)
    return (_SPOKEN_SYMBOLS[character],) if character in _SPOKEN_SYMBOLS else ()
