"""English numbers, counts, dates, times and menu options, as keys of the catalogue. Pure functions.

Menus never put words together themselves: word order and plurals belong to the language.
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
_SPOKEN_SYMBOLS = {"*": "key/star", "#": "key/pound", "+": "key/plus"}
_PRESS_SYMBOLS = {"*": "press/star", "#": "press/pound"}


def number(n: int) -> ClipKeys:
    """Return a whole number from 0 to 999,999,999: 315 → "three" "hundred" "fifteen"."""
    for power, word in _POWERS:
        if n >= power:
            rest = number(n % power) if n % power else ()
            return (*number(n // power), word, *rest)
    if n > 50 and n % 10:
        return (f"number/{n - n % 10}", f"number/{n % 10}")
    return (f"number/{n}",)


def count(n: int, noun: str) -> ClipKeys:
    """Return "one" "new message", "two" "new messages". `noun`: new, saved, urgent, second or minute."""
    return (*number(n), _NOUNS[noun]["one" if n == 1 else "other"])


def message_counts(new: int, saved: int, urgent: int = 0) -> ClipKeys:
    """Return how many messages there are: Kazoo's nine patterns of none, one and more.

    `urgent` of the new ones are urgent. They come first: "two urgent messages" "and" "one new message".
    """
    counted = [count(n, noun) for n, noun in ((urgent, "urgent"), (new - urgent, "new"), (saved, "saved")) if n]
    if not counted:
        return ("count/no-messages",)
    first, *others = counted
    return ("count/you-have", *first, *(clip for other in others for clip in ("count/and", *other)))


def message_number(n: int, *, urgent: bool = False, folder: str | None = None) -> ClipKeys:
    """Return "Message" "two", followed by "deleted" or "saved" if `folder` is one of these."""
    moved = (f"message/{folder}",) if folder in ("deleted", "saved") else ()
    return ("message/urgent-message" if urgent else "message/message", *number(n), *moved)


def day(local_date: date, today: date) -> ClipKeys:
    """Return "today", "yesterday", or "Tuesday" "May" "tenth", with the year if it is not the current one."""
    if local_date == today:
        return ("envelope/today",)
    if local_date == today - timedelta(days=1):
        return ("envelope/yesterday",)
    clips = (f"weekday/{local_date.isoweekday()}", f"month/{local_date.month}", f"ordinal/{local_date.day}")
    return clips if local_date.year == today.year else (*clips, *year(local_date.year))


def year(n: int) -> ClipKeys:
    """Return 2016 as "twenty" "sixteen"; 2005 as "two" "thousand" "five"; 1900 as "nineteen" "hundred"."""
    century, rest = divmod(n, 100)
    if century % 10 == 0 and rest < 10:
        return number(n)
    if rest == 0:
        return (*number(century), "envelope/hundred")
    return (*number(century), *_number_with_oh(rest))


def time_of_day(local_time: time) -> ClipKeys:
    """Return 9:05 as "nine" "oh five" "a.m."; 12:00 as "twelve" "p.m."."""
    minutes = _number_with_oh(local_time.minute) if local_time.minute else ()
    return (f"number/{local_time.hour % 12 or 12}", *minutes, "envelope/am" if local_time.hour < 12 else "envelope/pm")


def time_of_24_hours(local_time: time) -> ClipKeys:
    """Return 14:05 as "fourteen" "oh five"; 9:30 as "oh nine" "thirty"; 0:00 as "zero" "hundred" "hours"."""
    hour, minute = local_time.hour, local_time.minute
    hour_clip = f"oh/{hour}" if 0 < hour < 10 else f"number/{hour}"
    if not minute:
        return (hour_clip, "envelope/hundred", "envelope/hours")
    return (hour_clip, *_number_with_oh(minute))


def date_and_time(local_time: datetime, now: datetime, *, hours_24: bool = False) -> ClipKeys:
    """Return day and time. Both arguments are in the same time zone."""
    clock = time_of_24_hours if hours_24 else time_of_day
    return (*day(local_time.date(), now.date()), "envelope/at", *clock(local_time.time()))


def received_time(received_at: datetime, now: datetime, *, hours_24: bool = False) -> ClipKeys:
    """Return "Received" "yesterday" "at" "nine" "oh five" "a.m."."""
    return ("envelope/received", *date_and_time(received_at, now, hours_24=hours_24))


def caller_and_time(caller: ClipKeys, received_at: datetime, now: datetime, *, hours_24: bool = False) -> ClipKeys:
    """Return the envelope in the form of envelope_type caller_and_time."""
    return ("envelope/call-from", *caller, *date_and_time(received_at, now, hours_24=hours_24))


def forwarded_by(sender: ClipKeys) -> ClipKeys:
    """Return "forwarded by" and the sender."""
    return ("envelope/forwarded-by", *sender)


def caller_id(caller_number: str) -> ClipKeys:
    """Return the caller's number, digit by digit, or "an unknown caller"."""
    return spell(caller_number) or ("envelope/unknown-caller",)


def length(ms: int) -> ClipKeys:
    """Return "length" "one" "minute" "five" "seconds"; at least one second."""
    minutes, seconds = divmod(max(1, round(ms / 1000)), 60)
    clips: ClipKeys = ("envelope/length",)
    clips += count(minutes, "minute") if minutes else ()
    return clips + (count(seconds, "second") if seconds else ())


def spell(text: str) -> ClipKeys:
    """Return digits, letters, plus, star and pound one by one; other characters are skipped."""
    return tuple(clip for character in text for clip in _spell_character(character))


def pin_length(shortest: int, longest: int) -> ClipKeys:
    """Return "A pin has" "four" "to" "six" "digits."."""
    limits = number(longest) if shortest == longest else (*number(shortest), "pin/to", *number(longest))
    return ("pin/has", *limits, "pin/digits")


def menu_option(action: str, key: str, *, short: bool = False) -> ClipKeys:
    """Return one option of a menu: "To save," "press one."; in short form: "Save," "one"."""
    if short:
        return (f"short/{action}", _SPOKEN_SYMBOLS.get(key) or f"number/{key}")
    return (f"to/{action}", _PRESS_SYMBOLS.get(key) or f"press/{key}")


def _number_with_oh(n: int) -> ClipKeys:
    """Return 5 as "oh five", and numbers from ten as they are: minutes, and the second half of a year."""
    return (f"oh/{n}",) if n < 10 else number(n)


def _spell_character(character: str) -> ClipKeys:
    if character.isascii() and character.isdigit():
        return (f"number/{character}",)
    if character.isascii() and character.isalpha():
        return (f"letter/{character.lower()}",)
    return (_SPOKEN_SYMBOLS[character],) if character in _SPOKEN_SYMBOLS else ()
