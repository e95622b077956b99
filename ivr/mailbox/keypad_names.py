"""Names as a caller spells them with the letters on the keys of a phone: "Ann" is 266."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator

from ivr.mailbox.mailbox import Mailbox

_LETTERS_BY_KEY = {"2": "abc", "3": "def", "4": "ghi", "5": "jkl", "6": "mno", "7": "pqrs", "8": "tuv", "9": "wxyz"}
_KEYS = {letter: key for key, letters in _LETTERS_BY_KEY.items() for letter in letters}
_SPELLED_OUT = {"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th"}
"""Letters that Unicode does not decompose."""


def plain_letters(name: str) -> str:
    """Return a name in the 26 letters that keys and prompts have, in lower case: "Zoë Weiß" is "zoe weiss"."""
    text = "".join(_SPELLED_OUT.get(letter, letter) for letter in name.casefold())
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter))


def keypad_digits(text: str) -> str:
    """Return the keys of the letters and digits of a text; other characters have none."""
    return "".join(letter if letter.isascii() and letter.isdigit() else _KEYS.get(letter, "") for letter in text)


def matches(name: str, digits: str, *, by_first: bool = True, by_last: bool = True) -> bool:
    """Return whether `digits` begin the first or the last name, as far as these are searched.

    A last name of several words is found by each of them: "Anna van der Berg" by "vanderberg", "derberg" and "berg". A
    single word is both names.
    """
    return bool(digits) and any(keys.startswith(digits) for keys in _spellings(name, by_first, by_last))


def names_of(mailbox: Mailbox) -> tuple[str, ...]:
    """Return the names under which the owner of a mailbox is listed."""
    owner = mailbox.owner.settings if mailbox.owner else {}
    of_owner = f"{owner.get('first_name') or ''} {owner.get('last_name') or ''}".strip()
    return tuple(dict.fromkeys(name for name in (mailbox.settings.name, of_owner) if name))


def find(
    mailboxes: Iterable[Mailbox], digits: str, *, by_first: bool = True, by_last: bool = True
) -> list[tuple[Mailbox, str]]:
    """Return the mailboxes whose names `digits` begin, each with that name, sorted by name.

    Those that are disabled, or not in the directory, are left out.
    """
    found: list[tuple[Mailbox, str]] = []
    for mailbox in mailboxes:
        if mailbox.settings.enabled and mailbox.settings.in_directory:
            names = (one for one in names_of(mailbox) if matches(one, digits, by_first=by_first, by_last=by_last))
            found += [(mailbox, name) for name in [*names][:1]]
    return sorted(found, key=lambda one: (plain_letters(one[1]), one[0].number))


def _spellings(name: str, by_first: bool, by_last: bool) -> Iterator[str]:
    """Yield the keys of a name from its first word, and from each further one. "Weiß, Zoë" begins with Zoë."""
    last, comma, first = name.partition(",")
    words = re.findall(r"[^\s_]+", plain_letters(f"{first} {last}" if comma else name))
    keys = [keys for word in words if not word.isdigit() for keys in [keypad_digits(word)] if keys]
    if by_first or len(keys) == 1:
        yield "".join(keys)
    if by_last:
        yield from ("".join(keys[at:]) for at in range(1, len(keys)))
