"""Names: of realms, endpoints, API users, recordings and languages; keys of settings."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

from ivr.errors import BadInput
from ivr.validation.text import has_control_characters, has_invisible_characters, without_control_characters

MAX_NAME_LENGTH = 128
MAX_LANGUAGE_LENGTH = 35
"""Of a tag with language, script, region and variants (RFC 5646)."""

MAX_SHORT_CODE = 2
"""Letters of a code of ISO 639-1."""

_REALM = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,78}[A-Za-z0-9])?")
_ENDPOINT = re.compile(r"[A-Za-z0-9_.+*#!-]{1,40}")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}([_-][A-Za-z0-9]{2,8})*")
_MEDIA_ID = re.compile(r"[A-Za-z0-9_-]{32}")


def language_code(text: str) -> str:
    """Return the code of a language that exists, such as en or de-AT. Raises `BadInput`.

    A code of three letters is replaced by that of two, by which prompts and mails are found: deu by de.
    """
    from babel import Locale, UnknownLocaleError  # Calls do not need it.
    from babel.core import get_global

    code = text.strip()
    try:
        if len(code) > MAX_LANGUAGE_LENGTH or not _LANGUAGE.fullmatch(code):
            raise ValueError
        Locale.parse(code.replace("-", "_"))
    except (ValueError, UnknownLocaleError) as error:
        shown = text[:MAX_NAME_LENGTH]
        raise BadInput(f"{shown!r} is not a language: write its code, such as en, de or pt-BR") from error
    language = re.split("[-_]", code)[0]
    shorter = get_global("language_aliases").get(language.lower(), "") if len(language) > MAX_SHORT_CODE else ""
    return f"{shorter}{code[len(language) :]}" if shorter else code


def realm(text: str) -> str:
    """Return what follows the @ in addresses: a name of letters, digits, dots and hyphens. Raises `BadInput`."""
    name = text.strip()
    if not _REALM.fullmatch(name) or ".." in name:
        raise BadInput(f"{text!r} cannot follow the @ of an address: use A-Z a-z 0-9 . and -, as in acme.example")
    return name


def to_realm(name: str, fallback: str) -> str:
    """Return the realm of an account with this name; `fallback` if no character of the name can be used."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    slug = re.sub(r"\.{2,}", ".", re.sub(r"[^A-Za-z0-9.]+", "-", plain)).strip(".-")[:80].strip(".-")
    return slug or fallback


def one_form(text: str) -> str:
    """Return a name as it is stored and looked for: composed (NFC), with single blanks and none around it.

    Names that look alike are one: a letter and its accent may be one character or two, and two blanks look like one.
    """
    return re.sub(" {2,}", " ", unicodedata.normalize("NFC", text.strip()))


def user_name(text: str) -> str:
    """Return the name of a user or an account in its one form. Raises `BadInput`.

    A command would read one that begins with - as an option.
    """
    name = one_form(text)
    if name.startswith("-"):
        raise BadInput(f"{text[:MAX_NAME_LENGTH]!r} is not a name: write it without - at its beginning, as in alice")
    if not name or len(name) > MAX_NAME_LENGTH or has_control_characters(name) or not all(map(_is_in_name, name)):
        raise BadInput(
            f"{text!r} is not a name: write up to {MAX_NAME_LENGTH} letters, digits, blanks and . _ @ + -, as in alice"
        )
    return name


def to_user_name(full_name: str, number: str) -> str:
    """Return a unique name for the user of a mailbox: the full name and the number.

    What a name cannot have is left out, and so is what would make it an option of a command.
    """
    allowed = "".join(character if _is_in_name(character) else " " for character in one_form(full_name))
    cleaned = " ".join(allowed.split()).lstrip(" -")[: MAX_NAME_LENGTH - len(number) - 1].rstrip()
    return f"{cleaned} {number}".strip() if cleaned != number else number


def _is_in_name(character: str) -> bool:
    """Letters and digits of all scripts, with their accents, and a few signs."""
    return character.isalnum() or unicodedata.category(character).startswith("M") or character in "_.@+ -"


def box_name(text: str) -> str:
    """Return the name of a mailbox without the blanks around it: in mails, lists and logs it is one line.

    Raises `BadInput`.
    """
    name = text.strip()
    if not name or has_control_characters(name):
        wanted = f"write up to {MAX_NAME_LENGTH} visible characters on one line"
        raise BadInput(f"{text!r} is not the name of a mailbox: {wanted}")
    return name


def person_name(text: str) -> str:
    """Return the first or last name of a person without the blanks around it; empty: none. Raises `BadInput`.

    It has the characters that the name of a mailbox has.
    """
    name = text.strip()
    if len(name) > MAX_NAME_LENGTH or has_control_characters(name):
        raise BadInput(
            f"{text[:MAX_NAME_LENGTH]!r} is not the name of a person: write up to {MAX_NAME_LENGTH} visible characters"
            " on one line"
        )
    return name


def to_person_name(full_name: str) -> str:
    """Return a name of another system as that of a person, with the joiners of its script; "" if nothing is left."""
    return without_control_characters(full_name)[:MAX_NAME_LENGTH].strip()


def to_box_name(full_name: str, number: str) -> str:
    """Return a full name as the name of a mailbox; its number if nothing is left."""
    return to_person_name(full_name) or number


def endpoint_name(text: str) -> str:
    """Return the name of a PJSIP endpoint, which is also that of its message light. Raises `BadInput`."""
    name = text.strip()
    if not _ENDPOINT.fullmatch(name):
        raise BadInput(
            f"{text!r} is not the name of a PJSIP endpoint: use the name in [ ] of pjsip.conf, of A-Z a-z 0-9 . _ + -"
        )
    return name


def api_username(text: str) -> str:
    """Return the name that a user signs in to the REST API with, composed (NFC). Raises `BadInput`."""
    if not text or text != text.strip() or ":" in text or has_invisible_characters(text) or len(text) > 128:
        raise BadInput(f"{text!r} is not a username: use 1 to 128 characters without a colon or blanks around them")
    return unicodedata.normalize("NFC", text)


def media_id(text: str) -> str:
    """Return the id of a recording: 32 letters, digits, hyphens and underscores. Raises `BadInput`."""
    if not _MEDIA_ID.fullmatch(text):
        raise BadInput(f"{text!r} is not the id of a recording: it has 32 letters and digits")
    return text


def pattern(text: str) -> str:
    """Return a regular expression that RE2 understands. Raises `BadInput`."""
    import re2  # Needed only where one is set.

    options = re2.Options()
    options.log_errors = False
    try:
        re2.compile(text, options=options)
    except (re2.error, UnicodeEncodeError) as error:
        reason = error.args[0].decode() if isinstance(error.args[0], bytes) else error
        raise BadInput(f"{text!r} is not a pattern ({reason}): write one in RE2 syntax, as in ^2[0-9]{{3}}$") from error
    return text


def similar_key(key: str, known: Iterable[str], *, min_length: int = 3) -> str | None:
    """Return the known key that an unknown one stands for; None if there is none, or if the key itself is known.

    It is written otherwise, as in timeZone, time-zone or TIMEZONE, or differs by a letter. Of known keys that are
    shorter than `min_length`, which resemble too many words, only the first counts.
    """
    known = tuple(known)
    if key in known:
        return None
    small, plain, alike = key.lower(), _plain_key(key), None
    for name in known:
        if plain == _plain_known_key(name):
            return name
        if alike is None and len(name) >= min_length and _is_near(small, name.lower()):
            alike = name
    return alike


def _plain_key(key: str) -> str:
    return re.sub("[-_ ]", "", key.lower())


_plain_known_key = lru_cache(maxsize=1024)(_plain_key)
"""Of known keys alone: those that clients send would take their places."""


def _is_near(word: str, known: str) -> bool:
    if abs(len(word) - len(known)) > 1 or (word[:1] != known[:1] and word[-1:] != known[-1:]):
        return False  # Else two letters differ. It costs less.
    return is_one_letter_off(word, known)


def is_one_letter_off(word: str, known: str) -> bool:
    """Return whether a word differs from a known one by one letter: another, one more, one less, or two exchanged."""
    begin = _common_length(word, known)
    word, known = word[begin:], known[begin:]
    end = _common_length(word[::-1], known[::-1])
    word, known = word[: len(word) - end], known[: len(known) - end]
    return max(len(word), len(known)) == 1 or (len(word) == 2 and word == known[::-1])


def _common_length(one: str, other: str) -> int:
    """Return how many letters two words begin with in common."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((index for index, (left, right) in pairs if left != right), min(len(one), len(other)))
