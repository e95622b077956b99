"""How English says numbers, counts, dates, times and keys: meanings → keys of the catalogue. Pure functions.

A language is one module of these functions; the menus say what they mean and never join words themselves.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

from ivr.prompts.language import Clips

_NOUNS = {
    "new": {"one": "count/new-message", "other": "count/new-messages"},
    "saved": {"one": "count/saved-message", "other": "count/saved-messages"},
    "urgent": {"one": "count/urgent-message", "other": "count/urgent-messages"},
    "second": {"one": "envelope/second", "other": "envelope/seconds"},
    "minute": {"one": "envelope/minute", "other": "envelope/minutes"},
}
_POWERS = ((1_000_000, "envelope/million"), (1_000, "envelope/thousand"), (100, "envelope/hundred"))
_SAID_SIGNS = {"*": "key/star", "#": "key/pound"}
_PRESSED_SIGNS = {"*": "press/star", "#": "press/pound"}


def number(n: int) -> Clips:
    """A whole number from 0 to 999,999,999: 315 → "three" "hundred" "fifteen"."""
    for power, word in _POWERS:
        if n >= power:
            rest = number(n % power) if n % power else ()
            return (*number(n // power), word, *rest)
    return (f"number/{n}",)


def count(n: int, noun: str) -> Clips:
    """ "one" "new message", "two" "new messages"; `noun` is new, saved, urgent, second or minute."""
    return (*number(n), _NOUNS[noun]["one" if n == 1 else "other"])


def message_counts(new: int, saved: int, urgent: int = 0) -> Clips:
    """How many messages there are (kazoo-behaviour §2.2): nine patterns of none, one and more.

    `urgent` of the new ones are urgent, and said first: "two urgent messages" "and" "one new message".
    """
    counted = [count(n, noun) for n, noun in ((urgent, "urgent"), (new - urgent, "new"), (saved, "saved")) if n]
    if not counted:
        return ("count/no-messages",)
    first, *others = counted
    return ("count/you-have", *first, *(clip for other in others for clip in ("count/and", *other)))


def message_number(n: int, *, urgent: bool = False, folder: str | None = None) -> Clips:
    """ "Message" "two", and what became of it where that is worth saying: "deleted", "saved"."""
    said = f"message/{folder}" if folder in ("deleted", "saved") else None
    return ("message/urgent-message" if urgent else "message/message", *number(n), *([said] if said else []))


def day(of: date, today: date) -> Clips:
    """ "today", "yesterday", "Tuesday" "May" "tenth", and the year where it is another one."""
    if of == today:
        return ("envelope/today",)
    if of == today - timedelta(days=1):
        return ("envelope/yesterday",)
    said = (f"weekday/{of.isoweekday()}", f"month/{of.month}", f"ordinal/{of.day}")
    return said if of.year == today.year else (*said, *year(of.year))


def year(n: int) -> Clips:
    """2016 → "twenty" "sixteen"; 2005 → "two" "thousand" "five"; 1900 → "nineteen" "hundred"."""
    century, rest = divmod(n, 100)
    if century % 10 == 0 and rest < 10:
        return number(n)
    if rest == 0:
        return (*number(century), "envelope/hundred")
    return (*number(century), f"oh/{rest}" if rest < 10 else f"number/{rest}")


def clock(of: time) -> Clips:
    """9:05 → "nine" "oh five" "a.m."; 12:00 → "twelve" "p.m."."""
    minutes: Clips = ()
    if of.minute:
        minutes = (f"oh/{of.minute}" if of.minute < 10 else f"number/{of.minute}",)
    return (f"number/{of.hour % 12 or 12}", *minutes, "envelope/am" if of.hour < 12 else "envelope/pm")


def moment(of: datetime, now: datetime) -> Clips:
    """Day and time, as heard in a time zone that both already have."""
    return (*day(of.date(), now.date()), "envelope/at", *clock(of.time()))


def received(of: datetime, now: datetime) -> Clips:
    """ "Received" "yesterday" "at" "nine" "oh five" "a.m."."""
    return ("envelope/received", *moment(of, now))


def call_from(caller: str, of: datetime, now: datetime) -> Clips:
    """The other form of the envelope (envelope_type caller_and_time, kazoo-behaviour §1.12)."""
    return ("envelope/call-from", *who(caller), *moment(of, now))


def who(caller: str) -> Clips:
    """The caller's number, sign by sign, or "an unknown caller"."""
    return spelled(caller) or ("envelope/unknown-caller",)


def length(ms: int) -> Clips:
    """ "length" "one" "minute" "five" "seconds"; never "zero"."""
    minutes, seconds = divmod(max(1, round(ms / 1000)), 60)
    said: Clips = ("envelope/length",)
    said += count(minutes, "minute") if minutes else ()
    return said + (count(seconds, "second") if seconds else ())


def spelled(text: str) -> Clips:
    """Digits, letters, star and pound one by one; other signs are passed over."""
    return tuple(clip for sign in text for clip in _sign(sign))


def choice(action: str, key: str, *, short: bool = False) -> Clips:
    """One line of a menu: "To save," "press one."; short: "Save," "one"."""
    if short:
        return (f"short/{action}", _SAID_SIGNS.get(key) or f"number/{key}")
    return (f"to/{action}", _PRESSED_SIGNS.get(key) or f"press/{key}")


def _sign(sign: str) -> Clips:
    if sign.isascii() and sign.isdigit():
        return (f"number/{sign}",)
    if sign.isascii() and sign.isalpha():
        return (f"letter/{sign.lower()}",)
    return (_SAID_SIGNS[sign],) if sign in _SAID_SIGNS else ()
