"""Who called: number, name, or withheld, from the forms in which SIP, trunks and PBXs write a caller id.

Messages store the caller as the network reported it, so that nothing is lost. What is spoken, shown or dialled
comes from `identify`: a URI is not spelled letter by letter, and "anonymous" is no name.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote, unquote

from ivr.storage.records import Caller

WITHHELD = "anonymous"
"""The user part of a SIP address whose caller withholds the number (RFC 3323)."""
_WITHHELD_WORDS = frozenset(
    {  # Of networks (P and O are those of caller name services), and in the languages of the mails.
        *("anonymous", "anonymouscaller", "anonymousinvalid", "restricted", "private", "privatenumber"),
        *("privatecaller", "withheld", "blocked", "blockedcaller", "hidden", "hiddennumber", "suppressed"),
        *("prohibited", "confidential", "idwithheld", "numberwithheld", "p"),
        *("anonym", "unterdrückt", "rufnummerunterdrückt", "privat", "anonyme", "masqué", "privé", "numéroprivé"),
        *(
            "anónimo",
            "anonimo",
            "oculto",
            "númerooculto",
            "privado",
            "númeroprivado",
            "privato",
            "numeroprivato",
            "anônimo",
        ),
    }
)
_UNKNOWN_WORDS = frozenset(
    {
        *("unknown", "unknowncaller", "unknownnumber", "unavailable", "notavailable", "nonumber", "nocallerid"),
        *("outofarea", "none", "null", "undefined", "asterisk", "notprovided", "invalid", "o"),
        *("unbekannt", "unbekannteranrufer", "inconnu", "desconocido", "sconosciuto", "desconhecido"),
    }
)
_QUOTED = re.compile(r'\s*"([^"]*)"\s*')
_QUOTED_PAIR = re.compile(r"\\(.)")
_ZEROS = re.compile(r"0{6,}")
"""What some networks write where there is no number."""
_SCHEME = re.compile(r"(sips?|tel):", re.IGNORECASE)
_SEPARATORS = re.compile(r"[\s().\-/]+")
_NATIONAL_ZERO = re.compile(r"^(\+[0-9 ]+)\(0\)")
_NUMBER = re.compile(r"\+?[0-9*#]+")
MAX_E164_DIGITS = 15
MAX_NUMBER_LENGTH = 32
"""What is longer is no number: it would be spelled for minutes."""
_SAFE_IN_USER_PART = "+*#&=$,;?/!~'()"


@dataclass(frozen=True, slots=True)
class CallerIdentity:
    """A caller. `number`: digits, `*` and `#`, with a leading "+" if it is international; "" if there is none."""

    number: str
    name: str
    is_withheld: bool
    """The caller withholds the number."""

    @property
    def is_known(self) -> bool:
        return bool(self.number or self.name)


def identify(caller: Caller) -> CallerIdentity:
    """Return the number and the name of a caller, whatever form the network has given them."""
    display_name, user, _ = _split_address(caller.number)
    number = _clean_number(user)
    words = [_letters(text) for text in (user, display_name, caller.name)]
    name = next((text for text in (_clean_name(caller.name), display_name) if text and not _is_no_name(text)), "")
    if not name and not number and user and not _is_no_name(user):
        name = user
    if number and _clean_number(name).lstrip("+") == number.lstrip("+"):
        name = ""
    return CallerIdentity(number, name, not number and any(word in _WITHHELD_WORDS for word in words))


def sip_address(caller: Caller, realm: str | None) -> str:
    """Return the caller as `user@realm`, without blanks and passwords; an address that has a realm keeps it."""
    _, user, host = _split_address(caller.number)
    if _is_no_name(user):
        user = WITHHELD
    number = user if host else _clean_number(user)
    return f"{quote(number or user or WITHHELD, safe=_SAFE_IN_USER_PART)}@{host or realm}"


def _split_address(text: str) -> tuple[str, str, str]:
    """Return name, user and host of `"Bob" <sip:2001@example.org;user=phone>`, or of a bare number or URI."""
    parts = _split_name(text)
    display_name, address = (_clean_name(parts[0]), parts[1]) if parts else ("", text)
    address = address.strip().strip('"')
    has_scheme = bool(_SCHEME.match(address))
    is_sip = address.lower().startswith("sip")
    address = _SCHEME.sub("", address, count=1)
    user, at, host = address.partition("@")
    if has_scheme and is_sip and not at:
        user = user if _NUMBER.fullmatch(user) else ""  # `sip:example.org` names a host and no user.
    user = unquote(user.split(";", 1)[0].split(":", 1)[0]).strip()
    return display_name, user, host.split(";", 1)[0].strip() if user else ""


def _split_name(text: str) -> tuple[str, str] | None:
    """Return name and address of `"name" <address>`; None for another form.

    Without a regular expression: some texts of 2,000 characters took one several seconds.
    """
    before, bracket, rest = text.rpartition("<")
    address, end, _ = rest.partition(">")
    name = before.strip()
    if len(name) > 1 and name[0] == name[-1] == '"':
        name = _QUOTED_PAIR.sub(r"\1", name[1:-1])
    elif "<" in name or '"' in name:
        return None
    return (name, address) if bracket and end else None


def _clean_number(text: str) -> str:
    ascii_digits = "".join(str(unicodedata.digit(c)) if c.isdigit() and not c.isascii() else c for c in text)
    compact = _SEPARATORS.sub("", _NATIONAL_ZERO.sub(r"\1", unicodedata.normalize("NFKC", ascii_digits).strip()))
    is_number = _NUMBER.fullmatch(compact) and len(compact) <= MAX_NUMBER_LENGTH and not _ZEROS.fullmatch(compact)
    return compact if is_number else ""


def _clean_name(text: str) -> str:
    quoted = _QUOTED.fullmatch(text)
    return " ".join((quoted[1] if quoted else text).split())


def _letters(text: str) -> str:
    return "".join(character for character in text.lower() if character.isalpha())


def _is_no_name(text: str) -> bool:
    """Return whether a text is one of the words for no name, or only signs."""
    is_sign = not any(map(str.isalnum, text)) or bool(_ZEROS.fullmatch(text))
    return is_sign or _letters(text) in _WITHHELD_WORDS | _UNKNOWN_WORDS


DialForm = Literal["received", "plus", "international", "national"]


@dataclass(frozen=True, slots=True)
class NumberPlan:
    """How the site's dialplan writes numbers. Without `country_code`, national and international are kept apart."""

    country_code: str = ""
    international_prefix: str = "00"
    national_prefix: str = "0"


def dial_forms(number: str, plan: NumberPlan, forms: Sequence[DialForm]) -> list[str]:
    """Return the ways in which `number` can be dialled, in the order of `forms`; empty if it cannot be dialled."""
    if not re.fullmatch(r"\+?[0-9]+", number):
        return []
    e164 = _to_e164(number, plan)
    if len((e164 or number).lstrip("+")) > MAX_E164_DIGITS:
        return []
    by_form: dict[str, str] = {"received": number}
    if e164:
        by_form |= {"plus": f"+{e164}", "international": plan.international_prefix + e164}
        if plan.country_code and e164.startswith(plan.country_code):
            by_form["national"] = plan.national_prefix + e164.removeprefix(plan.country_code)
    return list(dict.fromkeys(_choose(by_form, forms)))


def _choose(by_form: dict[str, str], forms: Sequence[DialForm]) -> Iterator[str]:
    return (by_form[form] for form in forms if form in by_form)


def _to_e164(number: str, plan: NumberPlan) -> str:
    """Return the digits from the country code on; "" for a number whose country is not known, such as an extension."""
    if number.startswith("+"):
        return number[1:]
    if plan.international_prefix and number.startswith(plan.international_prefix):
        return number.removeprefix(plan.international_prefix)
    if plan.country_code and plan.national_prefix and number.startswith(plan.national_prefix):
        return plan.country_code + number.removeprefix(plan.national_prefix)
    return ""
