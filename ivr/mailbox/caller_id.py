"""Who called: number, name, or withheld, from the forms in which SIP, trunks and PBXs write a caller id.

Messages store the caller as the network reported it, so that nothing is lost. What is spoken, shown or dialled
comes from `identify`: a URI is not spelled letter by letter, and "anonymous" is no name.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal
from urllib.parse import quote, unquote

from ivr.storage.records import Caller
from ivr.validation.numbers import NATIONAL_ZERO, is_no_number

WITHHELD = "anonymous"
"""The user part of a SIP address whose caller withholds the number (RFC 3323)."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_WITHHELD_WORDS = _words(
    # P and O are those of caller name services; the languages are those of the mails, and of their neighbours.
    "anonymous anonymousinvalid undisclosed unpublished nonpublished"
    " restricted private withheld blocked hidden suppressed prohibited confidential p"
    " clir anonym unterdrückt privat geheim anonyme masqué masquée privé privée secret secrète anónimo anonimo anônimo"
    " oculto oculta privado privada retenido retenida nascosto nascosta privato privata riservato riservata retido"
    " ukryty zastrzeżony anoniem verborgen afgeschermd hemligt skjult"
    " anonymer anonymes geheime privater unterdrückte unterdrückter caché cachée masked incognito"
    " prywatny ukryta zastrzeżona anonim anonimowy skrytý skryté skrytá anonymní utajeno rejtett titkos névtelen"
    " ascuns ascunsă privat gizli salainen dold dolt hemlig hemmelig hemmeligt geblokkeerd verborgene ocult"
    " skriven skriveno skrit skrita privatan tajný ανώνυμος απόρρητο απόρρητος απόκρυψη ιδιωτικός скрытый скрыт скрыто"
    " анонимный аноним анонимно прихований приховано анонім приватний приватный скрит частен"
    " restrito restrita restringido restringida confidentiel confidencial riservata reservado vertraulich skjulte"
    " 非通知 匿名 匿名者 隐藏 隱藏 保密 私人 비공개 익명 발신번호표시제한 مجهول محجوب مخفي خاص חסוי אנונימי פרטי"
)
_UNKNOWN_WORDS = _words(
    "unknown unavailable unavail unassigned unidentified unlisted invalid none null nil undefined asterisk o pstn"
    " payphone unrecognised unrecognized unasserted asserted"
    " unbekannt unbekannte unbekannter inconnu inconnue indisponible desconocido desconocida sconosciuto"
    " sconosciuta desconhecido desconhecida nieznany onbekend okänt ukendt ukjent indisponível"
    " nieznana onbekende okänd neznámý neznámé neznámá ismeretlen necunoscut necunoscută bilinmeyen tuntematon"
    " desconegut nepoznat nepoznati neznan neznana άγνωστος άγνωστο неизвестный неизвестен неизвестно неизвестная"
    " невідомий невідомо непознат 不明 未知 알수없음 圏外 公衆電話 ناشناس"
)
_NEUTRAL_WORDS = _words(
    "caller call calling callerid cid id clid cli number phone name line user party display no not by the with"
    " without is of out area available provided keine kein rufnummer nummer anrufer anruf teilnehmer sans numéro numero"
    " appel appelant número llamada llamante chiamata chiamante sem chamada numer"
    " identified identity verfügbar identifiziert identität disponible identifié identifiée identité identificado"
    " beller numara arayan szám hívó hívószám číslo volající număr numero abonent broj klicatelj številka αριθμός"
    " κλήση номер абонент телефон вызов дзвінок 番号 号码 號碼 来电 來電 電話 电话 번호 발신자 رقم متصل מספר שיחה"
    " known found disclosed published listed assigned allowed recognised recognized presentation temporarily currently"
    " localhost anzeige übermittelt angezeigt angegeben bekannt communiqué affiché transmis renseigné identificar"
    " identificación identificação identificazione informado fornito bekend numeru tillgänglig"
    " identificada identidad disponibile identificato identità disponível identidade nicht non não pas niet beschikbaar"
)
"""They say nothing by themselves: "Caller ID Blocked" is a withheld number, and "Private Equity" is a name."""
_ABSENCE_WORDS = _words("no not out keine kein nicht ohne sans sin sem non não nessun nessuno pas niet brak ej without")
_TECHNICAL_WORDS = _words(
    "coverage network service services interworking data cnam lookup address information info subscriber"
    " carrier trunk exchange system sent netz"
)
"""They are neutral beside a word of absence: "Coverage Unavailable" is no name, and "Secret Service" is one."""
_ALL_WORDS = _WITHHELD_WORDS | _UNKNOWN_WORDS | _NEUTRAL_WORDS | _ABSENCE_WORDS | _TECHNICAL_WORDS
_TEXTS_OF_NO_NAME = frozenset(
    map(
        _words,
        (
            "interaction with other service",
            "interaction with other services",
            "interworking",
            "coin line",
            "coin line payphone",
            "pay phone",
            "pay phone call",
            "lookup failed",
            "lookup error",
            "data error",
            "network error",
        ),
    )
)
"""Reasons without a number that 3GPP TS 24.229 names, and errors of name services."""
_WITHHELD_TEXTS = frozenset(map(_words, ("reject by user", "rejected by user", "non pub", "ex directory")))
_WORD = re.compile(r"[^\W\d_]+")
_SHORT_WORDS = _words("non sin sem ej")
"""No parts of a text without blanks: "non" would take a letter of `nonumber`, and names have the others."""
_JOINED_WORD = re.compile(
    "|".join(sorted((word for word in _ALL_WORDS - _SHORT_WORDS if len(word) > 1), key=len, reverse=True))
)
"""Of a text without blanks, such as `PrivateNumber`."""
_NOT_AVAILABLE = re.compile(r"\bn ?/ ?a\b|\bn\. ?a\.")
_QUOTED = re.compile(r'\s*"([^"]*)"\s*')
_QUOTED_PAIR = re.compile(r"\\(.)")
_ZEROS = re.compile(r"\+0*|0+")
_PLACEHOLDER = re.compile(r"[-+]?0|-[0-9]{1,2}|[xX]{2,}")
"""What some networks write where there is no number."""
_PLUS_BEFORE_ZERO = re.compile(r"^\+(?=0[1-9])")
"""Of a trunk that writes it before national numbers too: no country code begins with 0."""
_HEADER = re.compile(r"[A-Za-z]+(-[A-Za-z]+)*:\s*(?=[<\"])")
"""The name of a header of SIP, such as `P-Asserted-Identity:`, before its value."""
_SPECIAL_EXTENSIONS = frozenset("siht")
"""Extensions of Asterisk's own, which it reports as a caller's number where there is none."""
_SCHEME = re.compile(r"(sips?|tel|callto|h323|im|pres|xmpp):", re.IGNORECASE)
_SEPARATORS = re.compile(r"[\s().\-/]+")
_DOUBLE_PREFIX = re.compile(r"^(00|\+)\+(00)?|^\+00(?=[1-9])")
_DIRECT_EXTENSION = re.compile(r"(?<=[0-9]{6})(ext|extension|x)[0-9]{1,6}", re.IGNORECASE)
"""Behind the number of a switchboard; it cannot be dialled with it."""
_NUMBER = re.compile(r"\+?[*#]*[0-9][0-9*#]*")
MAX_E164_DIGITS = 15
ZERO_IS_PART_OF_NUMBER = frozenset({"39", "378", "225", "241", "242"})
"""Countries without a national prefix, whose numbers may begin with 0, also behind the country code: +39 06 in Rome."""
_NATIONAL_LENGTHS = {"1": 10, "30": 10, "34": 9, "45": 8, "47": 8, "48": 9, "351": 9, "420": 9}
"""Digits of all national numbers of countries that dial them without a prefix, or have one that is not 0."""
_WITHOUT_ZERO_PREFIX = frozenset({*_NATIONAL_LENGTHS, "7", "36", "52", "370", "375"})
MIN_NATIONAL_DIGITS = 4
"""A shorter number is one of the site, though it begins with the national prefix."""
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
    no_names = [_words_of_no_name(text) for text in (user, display_name, caller.name)]
    name = next((text for text in (_name_of(caller.name), display_name) if text and not _is_no_name(text)), "")
    if not name and not number and user and not _is_no_name(user):
        name = user
    if number and _clean_number(name).lstrip("+") == number.lstrip("+"):
        name = ""
    return CallerIdentity(number, name, not number and any(map(_says_withheld, no_names)))


def sip_address(caller: Caller, realm: str | None) -> str:
    """Return the caller as `user@realm`, without blanks and passwords; an address that has a realm keeps it."""
    _, user, host = _split_address(caller.number)
    if _is_no_name(user):
        user = WITHHELD
    number = user if host else _clean_number(user)
    return f"{quote(number or user or WITHHELD, safe=_SAFE_IN_USER_PART)}@{host or realm}"


def _split_address(text: str) -> tuple[str, str, str]:
    """Return name, user and host of `"Bob" <sip:2001@example.org;user=phone>`, or of a bare number or URI."""
    parts = _split_name(_HEADER.sub("", text, count=1) if _HEADER.match(text) else text)
    display_name, address = (_clean_name(parts[0]), parts[1]) if parts else ("", text)
    address = address.strip().strip('"')
    has_scheme = bool(_SCHEME.match(address))
    is_sip = address.lower().startswith("sip")
    address = _SCHEME.sub("", address, count=1)
    user, at, host = address.partition("@")
    if has_scheme and is_sip and not at:
        user = user if _NUMBER.fullmatch(user) else ""  # `sip:example.org` names a host and no user.
    user = unquote(_with_country(user).split(":", 1)[0]).strip()
    user, at, inner_host = user.partition("@")  # `sip:2001%40acme@proxy` of a PBX for several customers.
    host = inner_host if at else host
    return display_name, user, host.split(";", 1)[0].strip() if user else ""


def _with_country(user: str) -> str:
    """Return a user part without its parameters; a national number with the country code of its `phone-context`.

    RFC 3966 lets a context only say where a number is valid: 911 of +1 is not +1911, and what is valid in an area or a
    domain stays as it is.
    """
    number, *parameters = unquote(user).split(";")
    contexts = [value for name, _, value in (one.partition("=") for one in parameters) if name == "phone-context"]
    digits = _SEPARATORS.sub("", number)
    country = re.fullmatch(r"\+([1-9][0-9]{0,2})", _SEPARATORS.sub("", contexts[0])) if contexts else None
    if not country or not re.fullmatch("[0-9]{7,15}", digits):
        return number
    code = country[1]
    if digits.startswith("0") and code in ZERO_IS_PART_OF_NUMBER:
        return f"+{code}{digits}"
    if re.match("0[1-9]", digits) and code not in _WITHOUT_ZERO_PREFIX:
        return f"+{code}{digits[1:]}"
    if code == "1" and re.fullmatch("1[2-9][0-9]{9}", digits):
        return f"+{digits}"
    return f"+{code}{digits}" if len(digits) == _NATIONAL_LENGTHS.get(code) else number


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
    plain = unicodedata.normalize("NFKC", "".join(map(_plain_sign, text))).strip(" '\"<>")
    if is_no_number(plain) or _PLACEHOLDER.fullmatch(plain):
        return ""
    compact = _SEPARATORS.sub("", NATIONAL_ZERO.sub(r"\1", plain))
    compact = _PLUS_BEFORE_ZERO.sub("", _DIRECT_EXTENSION.sub("", _DOUBLE_PREFIX.sub("+", compact)))
    is_number = _NUMBER.fullmatch(compact) and len(compact) <= MAX_NUMBER_LENGTH and not _ZEROS.fullmatch(compact)
    return compact if is_number else ""


def _plain_sign(character: str) -> str:
    """Return a digit of any script as 0 to 9, any dash as -, and nothing for a mark of direction or a control.

    A superscript or a fraction is no digit.
    """
    if character.isdecimal():
        return str(unicodedata.decimal(character))
    category = unicodedata.category(character)
    if category == "No":
        return "_"
    return "-" if category == "Pd" else "" if category in ("Cf", "Cc") else character


def _clean_name(text: str) -> str:
    quoted = _QUOTED.fullmatch(text)
    return " ".join((quoted[1] if quoted else text).split())


def _name_of(text: str) -> str:
    """Return the name in the text of a caller's name, which some networks fill with an address of SIP."""
    address = (_split_name(text) or ("", text))[1]
    if _SCHEME.match(address) or (address != text and _clean_number(address)):
        display_name, user, _ = _split_address(text)
        return display_name or user
    return _clean_name(text)


def _words_of_no_name(text: str) -> frozenset[str]:
    """Return the words of a text that says that there is no name or number; none if it is a name."""
    user, at, _ = text.partition("@")
    text = user if at and " " not in text else text  # An address of SIP: anonymous@example.org.
    if any(map(str.isdigit, text)):
        return frozenset()
    words = _WORD.findall(_NOT_AVAILABLE.sub("unavailable", unicodedata.normalize("NFC", text).lower()))
    if len(words) == 1 and words[0] not in _ALL_WORDS:
        parts = _JOINED_WORD.findall(words[0])
        words = parts if "".join(parts) == words[0] else words
    found = frozenset(words)
    if found in _TEXTS_OF_NO_NAME or found in _WITHHELD_TEXTS:
        return found
    is_absence = bool(found & _UNKNOWN_WORDS) or bool(found & _ABSENCE_WORDS and found - _ABSENCE_WORDS)
    is_withheld = bool(found & _WITHHELD_WORDS) and not found & _TECHNICAL_WORDS
    return found if found <= _ALL_WORDS and (is_absence or is_withheld) else frozenset()


def _says_withheld(words: frozenset[str]) -> bool:
    return bool(words & _WITHHELD_WORDS) or words in _WITHHELD_TEXTS


def _is_no_name(text: str) -> bool:
    """Return whether a text is words for no name, or only signs."""
    is_sign = not any(map(str.isalnum, text)) or bool(_ZEROS.fullmatch(_SEPARATORS.sub("", text)))
    return is_sign or bool(_PLACEHOLDER.fullmatch(text)) or text in _SPECIAL_EXTENSIONS or bool(_words_of_no_name(text))


DialForm = Literal["received", "plus", "international", "national"]


@dataclass(frozen=True, slots=True)
class NumberPlan:
    """How the site's dialplan writes numbers. Without `country_code`, national and international are kept apart."""

    country_code: str = ""
    international_prefix: str = "00"
    national_prefix: str = "0"


def dial_forms(number: str, plan: NumberPlan, forms: Sequence[DialForm]) -> list[str]:
    """Return the ways in which `number` can be dialled, in the order of `forms`; empty if it cannot be dialled."""
    if not re.fullmatch(r"\+?[0-9]+", number) or _ZEROS.fullmatch(number):
        return []
    if plan.country_code in ZERO_IS_PART_OF_NUMBER:
        plan = replace(plan, national_prefix="")
    e164 = _to_e164(number, plan)
    if plan.country_code and plan.national_prefix == "0":  # No number has this zero behind the country code.
        e164 = re.sub(f"^{plan.country_code}0+", plan.country_code, e164)
    if len((e164 or number).lstrip("+")) > MAX_E164_DIGITS or (e164 and e164 == plan.country_code):
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
    is_long = len(number) >= MIN_NATIONAL_DIGITS
    if is_long and plan.country_code and plan.national_prefix and number.startswith(plan.national_prefix):
        return plan.country_code + number.removeprefix(plan.national_prefix)
    return ""
