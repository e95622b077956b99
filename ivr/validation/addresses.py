"""Mail addresses, lists of them, and URLs."""

from __future__ import annotations

import re
import unicodedata
from email.utils import parseaddr
from urllib.parse import urlsplit

from ivr.errors import BadInput
from ivr.validation.text import has_invisible_characters

MAX_ADDRESS_BYTES = 254
MAX_LOCAL_PART_BYTES = 64
DEFAULT_PORTS = {"http": ":80", "https": ":443"}
MAX_URL_LENGTH = 2000
MAX_SHOWN_LENGTH = 100
"""Characters of a refused text that its error repeats."""
MAX_SENDER_LENGTH = 320
"""Characters of a name and an address."""
EXAMPLE = "write it as alice@example.com"

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u00a1-\U0010ffff-]+"
_LOCAL_PART = re.compile(rf"{_ATOM}(\.{_ATOM})*")
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_SEPARATORS = re.compile(r"[\s,;]+")


def mail_address(text: str) -> str:
    """Return one address without the blanks around it, its characters composed (RFC 6532). Raises `BadInput`.

    Quoted local parts and addresses of IP addresses are refused: few mail servers accept them.
    """
    address = unicodedata.normalize("NFC", text.strip())
    if not address:
        raise BadInput(f"the mail address is empty: {EXAMPLE}")
    if wrong := _fault_of_form(address) or _fault_of_parts(*address.rsplit("@", 1)):
        raise BadInput(f"{text[:MAX_SHOWN_LENGTH]!r} {wrong}: {EXAMPLE}")
    return address


def _fault_of_form(address: str) -> str:
    """Return what is wrong with an address before its parts are looked at; "" if it is one text with one @."""
    if has_invisible_characters(address):
        return "has characters that cannot be seen"
    if address.lower().startswith("mailto:"):
        return "begins with 'mailto:', which is no part of an address"
    if "<" in address or ">" in address:
        return "is not an address alone, without a name and the signs < and >"
    if '"' in address:
        return "has quotation marks, and few mail servers accept such an address"
    if "(" in address or ")" in address:
        return "has brackets, and no mail address has any"
    if _SEPARATORS.search(address) or address.count("@") > 1:
        return "is not one address (notify_email_addresses takes several, with commas between them)"
    return "" if "@" in address else "is not a mail address, since it has no @"


def _fault_of_parts(local_part: str, domain: str) -> str:
    """Return what is wrong with what is before and behind the @; "" if mail can be sent to it."""
    if not local_part or not domain:
        return f"is not a mail address, since nothing is {'before' if domain else 'behind'} the @"
    if (length := len(local_part.encode(errors="replace"))) > MAX_LOCAL_PART_BYTES:
        return f"has {length} bytes before the @, and at most {MAX_LOCAL_PART_BYTES} are possible"
    if local_part != local_part.strip(".") or ".." in local_part:
        return "has a dot at its start, before the @ or behind another dot"
    if not _LOCAL_PART.fullmatch(local_part) or "=?" in local_part:  # It would begin an encoded word in headers.
        return "has signs before the @ that no mail address has"
    if domain != domain.strip("."):
        return "ends with a dot" if domain.endswith(".") else "has a dot behind the @"
    if domain.startswith("[") or domain.rpartition(".")[2].isdigit():  # RFC 3696: the last part is no number.
        return "names a machine by its number, and no domain"
    ascii_form = ascii_domain(domain)
    if ascii_form is None or ascii_form.rpartition(".")[2].isdigit():
        return f"is not a mail address, since {domain[:MAX_SHOWN_LENGTH]!r} cannot be the name of a domain"
    if len(address := f"{local_part}@{ascii_form}".encode()) > MAX_ADDRESS_BYTES:
        return f"has {len(address)} bytes, and at most {MAX_ADDRESS_BYTES} are possible"
    return ""


def is_mail_address(text: str) -> bool:
    """Return whether a text is one address. Addresses that an earlier version stored may not be."""
    try:
        return mail_address(text) == text
    except BadInput:
        return False


def split_addresses(text: str) -> list[str]:
    """Return the addresses of a text, which are separated by commas, semicolons or blanks; they are not checked.

    A text with a name, such as `Alice <a@example.com>`, is one item.
    """
    return [text] if "<" in text or '"' in text else [item for item in _SEPARATORS.split(text) if item]


def unique_addresses(addresses: list[str]) -> list[str]:
    """Return each address once, compared without regard to case."""
    unique: dict[str, str] = {}
    for address in addresses:
        unique.setdefault(address.lower(), address)
    return list(unique.values())


def sender_address(text: str) -> str:
    """Return the sender of mails: an address, or a name and an address as in `Voicemail <vm@example.com>`.

    Its domain is written in ASCII, and its local part has to be: every mail server on the way to any recipient takes
    such a sender. Raises `BadInput`.
    """
    # The parser of the library recurses, and takes seconds for some long texts.
    is_short = len(text) <= MAX_SENDER_LENGTH
    written = text.strip()
    address = (parseaddr(written)[1] if is_short else "") if "<" in written else written
    example = "write vm@example.com or Voicemail <vm@example.com>"
    try:
        smtp_address = to_smtp(mail_address(address))
    except BadInput as error:
        raise BadInput(f"{text[:MAX_SENDER_LENGTH]!r} is not a sender of mail: {example}") from error
    if has_invisible_characters(text):
        raise BadInput(f"{text!r} is not a sender of mail: it has characters that cannot be seen")
    if not smtp_address.isascii():
        raise BadInput(f"{text!r} is not a sender of mail, since many servers take A to Z only before an @: {example}")
    return smtp_address.join(written.rsplit(address, 1))


def to_smtp(address: str) -> str:
    """Return an address as a mail server takes it: the domain in ASCII."""
    local_part, _, domain = address.rpartition("@")
    return f"{local_part}@{ascii_domain(domain) or domain}"


def mail_domain(text: str) -> str:
    """Return the domain of mail addresses in ASCII and lower case, as they are compared. Raises `BadInput`."""
    domain = ascii_domain(text.strip().lower())
    if domain is None or domain.rpartition(".")[2].isdigit():
        raise BadInput(f"{text[:MAX_SHOWN_LENGTH]!r} is not the domain of a mail address: write it as example.com")
    return domain


def ascii_domain(domain: str) -> str | None:
    """Return a domain in ASCII (IDNA 2008); None for a text that is no domain."""
    if not domain.isascii():
        import idna  # Large tables, which only such domains need.

        try:
            domain = idna.encode(domain, uts46=True).decode()
        except (idna.IDNAError, UnicodeError, ValueError, IndexError):
            return None
    if len(domain) > 253 or not all(_LABEL.fullmatch(label) for label in domain.split(".")):
        return None
    return domain


def web_origin(text: str) -> str:
    """Return an origin as browsers send it, such as https://portal.example.com, or `*`. Raises `BadInput`."""
    if text.strip() == "*":
        return "*"
    wrong = f"{text!r} is not an origin: write it as https://portal.example.com, without a path, or *"
    try:
        url = web_url(text)
    except BadInput as error:
        raise BadInput(wrong) from error
    parts = urlsplit(url.lower())
    if parts.path or parts.query or parts.fragment or parts.username or "*" in url:
        raise BadInput(wrong)
    return f"{parts.scheme}://{parts.netloc.removesuffix(DEFAULT_PORTS[parts.scheme])}"


OWN_PATHS = ("page", "v2")
"""Where the paths of the service begin, which follow its address."""


def service_address(text: str) -> str:
    """Return the address of this service for the world, without a / at its end. Raises `BadInput`."""
    url = base_url(text, "write it as https://voicemail.example.com")
    if urlsplit(url).path.split("/")[1:2] in ([own] for own in OWN_PATHS):
        raise BadInput(f"{text!r} is the address of a page: write the part before it, as https://voicemail.example.com")
    return url


def base_url(text: str, example: str = "write it as https://s3.example.com") -> str:
    """Return a URL that paths are appended to: as `web_url`, without a / at its end. Raises `BadInput`."""
    url = web_url(text, example)
    parts = urlsplit(url)
    if "?" in url or "#" in url:
        raise BadInput(f"{text!r} has a ? or a #, and paths are appended to it: {example}")
    folders = parts.path.rstrip("/").split("/")[1:]
    if parts.netloc.endswith(":") or any(not _FOLDER.fullmatch(one) or one in (".", "..") for one in folders):
        raise BadInput(f"{text!r} is no address that paths can be appended to: {example}")
    return url.rstrip("/")


_FOLDER = re.compile(r"([A-Za-z0-9._~!$&'()*+,=:@-]|%[0-9A-Fa-f]{2})+")


def web_url(text: str, example: str = "write it as https://crm.example/hook") -> str:
    """Return an http or https URL without the blanks around it. Raises `BadInput`."""
    url = text.strip()
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise BadInput(f"{text!r} is not a URL ({error}): {example}") from error
    if parts.scheme not in ("http", "https"):
        raise BadInput(f"{text!r} is not an http or https URL: {example}")
    if "#" in url:  # No request carries it.
        raise BadInput(f"{text!r} has a #, and what follows it is never sent: {example}")
    if "@" in parts.netloc:  # Requests go without it, so each would be refused.
        raise BadInput(f"a URL has no user and no password here: {example}")
    host = parts.hostname or ""
    is_host = ":" in host or ascii_domain(host.rstrip(".")) is not None
    if not is_host or port == 0 or not url.isascii() or not url.isprintable() or " " in url:
        raise BadInput(f"{text!r} is not a URL that can be requested: {example}, with %20 for a blank")
    if len(url) > MAX_URL_LENGTH:
        raise BadInput(f"the URL has {len(url)} characters: at most {MAX_URL_LENGTH} are accepted")
    return url
