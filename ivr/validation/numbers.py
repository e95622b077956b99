"""Numbers: of mailboxes, of extensions that are dialled, and the mailboxes of message lights."""

from __future__ import annotations

import ipaddress
import re

from ivr.errors import BadInput

MAX_BOX_NUMBER_LENGTH = 30
"""As in Kazoo. How many digits can be entered at the phone is a setting of the account."""

_BOX_NUMBER = re.compile(r"[0-9]+")
_GROUPED_NUMBER = re.compile(r"\(?\+?[0-9]+([ \t\u00a0\u202f().\-/\u2010-\u2013]+[0-9]+)+")
_DOTS_OR_SLASHES = re.compile(r"(?=[^./]*[./])[^A-Za-z*#_]*")
"""Looks ahead, as the number of a telephone does: a long text that is none would be tried from each of its signs."""
MIN_TELEPHONE_DIGITS = 7
"""Digits that make a number with dots or slashes a telephone number, as in 030.1234567; fewer: 1.5, or 1/2."""
_GROUPS_OF_A_NUMBER = re.compile(r"[1-9][0-9]{0,2}\.[0-9]{2,3}\.[0-9]{2}\.[0-9]{2}")
"""As numbers of Denmark, Norway, Switzerland and Belgium are written. Addresses of machines rarely end like that."""
_COUNTRY_CODE = re.compile(r"\+[0-9]{1,3}")
_RANGE = re.compile(r"([0-9]+) ?[-\u2010-\u2013] ?([0-9]+)")
NATIONAL_ZERO = re.compile(r"^((?:\+|00)[0-9 ]+)\(0\)")
"""The zero in +49 (0) 30, which is dialled without the country code only."""
MAX_TELEPHONE_DIGITS = 20
"""Of a number that the site dials: 15 of E.164, and prefixes of the site and of another country."""
_TELEPHONE_NUMBER = re.compile(r"\+[1-9][0-9]{3,14}|(?=[0*#]*[1-9])[0-9*#]*|0")
TELEPHONE_PATTERN = r"^[+0-9*#]+$"
EXTENSION_PATTERN = r"^[+.-]{0,3}[A-Za-z0-9*#][A-Za-z0-9*#+._-]{0,35}$"
"""An underscore at the start would make it a pattern of the dialplan, and signs alone are nothing to dial."""
_EXTENSION = re.compile(EXTENSION_PATTERN)
_CONTEXT = re.compile(r"[A-Za-z0-9_.-]{1,79}")
_MWI_NAME = re.compile(r"[\w.+*#!-]{1,40}@[\w.+-]{1,80}", re.ASCII)
_MWI_NUMBER = re.compile(r"[\w.+*#!-]{1,40}", re.ASCII)


def box_number(text: str) -> str:
    """Return the number of a mailbox without the blanks around it. Raises `BadInput`.

    It consists of digits, because owners enter it at the phone.
    """
    number = text.strip()
    if not _BOX_NUMBER.fullmatch(number):
        raise BadInput(f"{text!r} cannot be entered at a phone: write the digits 0 to 9, as in 1000")
    return number


def country_code(text: str) -> str:
    """Return the digits of a country code, without + and 00; empty: none. Raises `BadInput`."""
    digits = text.strip().removeprefix("+").removeprefix("00")
    if not re.fullmatch(r"[1-9][0-9]{0,3}|", digits):
        raise BadInput(f"{text!r} is not a country code: write its digits, as in 49")
    return digits


def dial_prefix(text: str) -> str:
    """Return the digits that are dialled before a number; empty: none. Raises `BadInput`."""
    digits = text.strip()
    if not re.fullmatch(r"[0-9]{0,6}", digits):
        raise BadInput(f"{text!r} is not a prefix: write up to 6 digits, as in 00")
    return digits


def box_alias(text: str) -> str:
    """Return a further number of a mailbox, which may be a name that the dialplan gives. Raises `BadInput`."""
    alias = _without_separators(text)
    if not is_extension(alias):
        raise BadInput(
            f"{text!r} cannot be dialled: use up to 36 of A-Z a-z 0-9 + * # . _ -, as in 2000 or +4930123456"
        )
    return alias


def extension(text: str) -> str:
    """Return a number that a dialplan context is asked for, without the signs between its groups of digits.

    Raises `BadInput`.
    """
    number = _without_separators(text)
    if not is_extension(number):
        raise BadInput(f"{text!r} cannot be dialled: use up to 36 of A-Z a-z 0-9 + * # . _ -, as in +4930123456")
    return number


def telephone_number(text: str) -> str:
    """Return a number that the site calls, as it is dialled. Raises `BadInput`.

    Names of extensions, numbers of zeros and international numbers that E.164 cannot have are none.
    """
    number = _without_separators(NATIONAL_ZERO.sub(r"\1", text.strip()))
    if not _TELEPHONE_NUMBER.fullmatch(number) or len(re.findall("[0-9]", number)) > MAX_TELEPHONE_DIGITS:
        raise BadInput(f"{text!r} cannot be dialled: write the digits of a number, as in 2001 or +4930123456")
    return number


def is_no_number(text: str) -> bool:
    """Return whether digits with dots or slashes are no telephone number: 192.168.1.10, 1.5 and 1/2.

    22.123.45.67 may be either; an address of a private network is none.
    """
    is_long = len(re.findall("[0-9]", text)) >= MIN_TELEPHONE_DIGITS
    if is_long and _GROUPS_OF_A_NUMBER.fullmatch(text):
        return is_ip_address(text) and ipaddress.ip_address(text).is_private
    return is_ip_address(text) or (_DOTS_OR_SLASHES.fullmatch(text) is not None and not is_long)


def is_ip_address(text: str) -> bool:
    """Return whether a text is the address of a machine."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _without_separators(text: str) -> str:
    """Return a number without the signs between its groups of digits, as in +49 (30) 123-456: they are not dialled.

    Raises `BadInput` for two numbers of the same length, which are the ends of a range; for a country code alone,
    which is the first item of a list that was meant as one number; and for dots and slashes in what is no telephone
    number, such as 1.5, which is not extension 15, and 192.168.1.10.
    """
    number = text.strip()
    ends = _RANGE.fullmatch(number)
    if ends and len(ends[1]) == len(ends[2]):
        raise BadInput(f"{text!r} looks like a range: write each of its numbers")
    is_grouped = _GROUPED_NUMBER.fullmatch(number) is not None
    if is_no_number(number) or (_DOTS_OR_SLASHES.fullmatch(number) and not is_grouped):
        raise BadInput(f"{text!r} is not a number: write its digits without a dot or slash, as in 2000")
    if is_grouped:
        number = re.sub(r"[^0-9+]", "", number)
    if _COUNTRY_CODE.fullmatch(number):
        raise BadInput(f"{text!r} is a country code and no number: write the number without blanks, as in +4930123456")
    return number


def is_extension(text: str) -> bool:
    """Return whether a text can be dialled in a dialplan context.

    It becomes part of dialplan expressions, so characters with a meaning there are excluded.
    """
    return _EXTENSION.fullmatch(text) is not None and not text.endswith("\n")


def is_context(text: str) -> bool:
    """Return whether a text can be the name of a dialplan context in a dialplan expression."""
    return _CONTEXT.fullmatch(text) is not None


def dialplan_context(text: str) -> str:
    """Return the name of a dialplan context without the blanks around it; empty: none. Raises `BadInput`."""
    name = text.strip()
    if name and not is_context(name):
        raise BadInput(f"{text!r} is not the name of a dialplan context: use up to 79 of A-Z a-z 0-9 _ . -")
    return name


def is_mwi_mailbox(name: str) -> bool:
    """Return whether Asterisk and our dialplan accept a text as the name of an MWI mailbox, such as 1000@ivr."""
    return _MWI_NAME.fullmatch(name) is not None


def mwi_target(text: str) -> str:
    """Return a further message light of a mailbox: a number, or a whole name such as 1000@office. Raises `BadInput`."""
    target = text.strip()
    if not (is_mwi_mailbox(target) if "@" in target else _MWI_NUMBER.fullmatch(target)):
        raise BadInput(f"{text!r} is not the name of a message light: write a number, or NAME@CONTEXT")
    return target
