"""The clips that a language must have: those that menus name, which are the same in all languages, and those of its
rules."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from functools import cache

from ivr.prompts.catalogue import Catalogue
from ivr.prompts.language import ClipKeys, Language
from ivr.prompts.languages import FALLBACK_LANGUAGE, LANGUAGES

_SPELLED = "0123456789abcdefghijklmnopqrstuvwxyz*#+"
_KEYS = "0123456789*#"
_CALLER_NUMBERS = ("200", "0123456789", "+33123456789")
_NUMBERS = (*range(1_000), *(n * 1_000 for n in range(1, 1_000)), *(n * 1_000_000 for n in range(1, 1_000)))
_YEAR = 2027
_SAMPLE_ACTION = "keep"


def find_missing_clips(language_code: str, catalogue: Catalogue, english: Catalogue) -> list[str]:
    """Return the keys that a language should have and its catalogue lacks. `english`: the catalogue of English."""
    return sorted(key for key in required_keys(language_code, english) if key not in catalogue)


def required_keys(language_code: str, english: Catalogue) -> set[str]:
    """Return the keys that menus may play in a language: what English has beside its rules, and the language's own."""
    named = {key for key in english if not english[key].replaces}
    fixed = named - _rule_keys_of(FALLBACK_LANGUAGE)
    return fixed | _rule_keys_of(language_code if language_code in LANGUAGES else FALLBACK_LANGUAGE)


@cache
def _rule_keys_of(language_code: str) -> frozenset[str]:
    """These are thousands of sentences, and rules do not change, so a process makes them once."""
    return rule_keys(LANGUAGES[language_code])


def rule_keys(language: Language) -> frozenset[str]:
    """Return the clips that the rules of a language use: all numbers, days, times, letters and keys."""
    option_keys = {f"{table}/{_SAMPLE_ACTION}" for table in ("to", "short")}
    return frozenset(key for sentence in _sentences(language) for key in sentence) - option_keys


def _sentences(language: Language) -> Iterator[ClipKeys]:
    for n in _NUMBERS:
        yield language.message_number(n)
        yield from (language.length(n * unit_ms) for unit_ms in (1_000, 60_000))
        yield language.message_counts(n, n, min(n, 1))
    yield from (language.message_number(1, urgent=True, folder=folder) for folder in ("deleted", "saved"))
    yield language.message_counts(0, 0)
    now = datetime(_YEAR, 1, 1)
    for minute in range(24 * 60):
        received_at = now + timedelta(minutes=minute)
        yield from (language.received_time(received_at, now, hours_24=hours_24) for hours_24 in (False, True))
    first = date(_YEAR, 1, 1)
    for days in range(365):
        local_date = first + timedelta(days=days)
        yield from (language.day(local_date, date(year, 12, 31)) for year in (_YEAR, _YEAR + 1))
    yield from (language.day(date(year, 6, 1), first) for year in range(1990, 2100))
    yield from (language.day(first - timedelta(days=days), first) for days in (0, 1))
    caller = language.caller_id("")
    yield language.caller_and_time(caller, now, now)
    yield from (language.caller_id(number) for number in _CALLER_NUMBERS)
    yield language.forwarded_by(caller)
    yield language.spell(_SPELLED)
    yield from (language.pin_length(shortest, longest) for shortest, longest in ((4, 4), (4, 6)))
    for key in _KEYS:
        yield from (language.menu_option(_SAMPLE_ACTION, key, short=short) for short in (False, True))
