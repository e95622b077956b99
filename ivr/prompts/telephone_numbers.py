"""Telephone numbers in groups of digits, for the languages that read them so."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from ivr.prompts.language import ClipKeys

PAUSE = "key/pause"
_MIN_DIGITS_IN_PAIRS = 6
"""Shorter numbers are extensions, which are read digit by digit."""


def group_in_pairs(caller_number: str, country_codes: Collection[str]) -> list[str]:
    """Return a telephone number in pairs of digits; nothing for an extension or another text.

    A country code is by itself; "+" belongs to the first pair. Of an odd number of digits, the first is alone.
    """
    digits = caller_number.removeprefix("+")
    if not (digits.isascii() and digits.isdigit() and len(digits) >= _MIN_DIGITS_IN_PAIRS):
        return []
    code = next((code for code in country_codes if caller_number.startswith(code)), "")
    pairs = [*_pairs(code.removeprefix("+")), *_pairs(caller_number.removeprefix(code).removeprefix("+"))]
    return [f"+{pairs[0]}", *pairs[1:]] if caller_number.startswith("+") else pairs


def join_groups(groups: Iterable[ClipKeys]) -> ClipKeys:
    """Return groups of digits with a pause between them."""
    first, *others = groups
    return (*first, *(clip for group in others for clip in (PAUSE, *group)))


def _pairs(digits: str) -> list[str]:
    """Return digits in pairs from the end, so that the first group may have one digit."""
    odd = len(digits) % 2
    return [*([digits[:odd]] if odd else []), *(digits[at : at + 2] for at in range(odd, len(digits), 2))]
