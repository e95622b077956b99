"""SIP messages (RFC 3261 §7): parsing, building, and the address headers in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_COMPACT = (
    ("v", "Via"),
    ("f", "From"),
    ("t", "To"),
    ("m", "Contact"),
    ("i", "Call-ID"),
    ("l", "Content-Length"),
    ("c", "Content-Type"),
    ("o", "Event"),
    ("u", "Allow-Events"),
    ("k", "Supported"),
    ("s", "Subject"),
)
_STATUS_LINE = re.compile(r"SIP/2\.0 ([1-6]\d\d)(?: (.*))?", re.ASCII)
_REQUEST_LINE = re.compile(r"([A-Z]+) (\S+) SIP/2\.0", re.ASCII)
_HEADER = re.compile(r"([\w!%*+`'~.-]+)[ \t]*:([^\r\n]*)", re.ASCII)
_FOLD = re.compile(r"\r?\n[ \t]+")
_LIST_ITEM = re.compile(r'(?:"(?:[^"\\]|\\.)*"|<[^>]*>|[^,"<]|["<])+')
_NAME_ADDR = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|([^<"]*?))\s*<([^>]*)>(.*)', re.DOTALL)
_PARAM = re.compile(r';\s*([^\s;=]+)(?:\s*=\s*("(?:[^"\\]|\\.)*"|[^;\s]*))?')
_HOST = re.compile(r"sips?:(?:[^@>]*@)?(\[[^\]]*\]|[^:;?>@\s]+)(?::(\d{1,5}))?", re.ASCII)
_CSEQ = re.compile(r"(\d{1,10})\s+([A-Z]+)", re.ASCII)


class SipSyntaxError(ValueError):
    """A datagram that is no SIP message, or a header that is not what its name says."""


@dataclass
class SipMessage:
    """A request or a response; header names as they are written in full, in order."""

    start_line: str
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""

    @property
    def method(self) -> str:
        """The method of a request, "" of a response."""
        found = _REQUEST_LINE.fullmatch(self.start_line)
        return found[1] if found else ""

    @property
    def status(self) -> int:
        """The status code of a response, 0 of a request."""
        found = _STATUS_LINE.fullmatch(self.start_line)
        return int(found[1]) if found else 0

    @property
    def reason(self) -> str:
        """The reason phrase of a response."""
        found = _STATUS_LINE.fullmatch(self.start_line)
        return (found[2] or "") if found else ""

    def all(self, name: str) -> list[str]:
        """Every value of a header, one for each line that carried it."""
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def get(self, name: str) -> str:
        """The first value of a header; a message without it is malformed."""
        for value in self.all(name):
            return value
        raise SipSyntaxError(f"no {name} header")

    def list_values(self, name: str) -> Iterator[str]:
        """Every value of a header whose lines may carry several, joined by commas."""
        for line in self.all(name):
            yield from (item.strip() for item in _LIST_ITEM.findall(line) if item.strip())

    def cseq(self) -> tuple[int, str]:
        """The number and method of CSeq."""
        found = _CSEQ.fullmatch(self.get("CSeq"))
        if not found:
            raise SipSyntaxError(f"CSeq: {self.get('CSeq')}")
        return int(found[1]), found[2]

    def branch(self) -> str:
        """The branch of the topmost Via: what a transaction is known by."""
        via = next(self.list_values("Via"), "")
        return parse_params(via[via.find(";") :] if ";" in via else "").get("branch", "")

    def encode(self) -> bytes:
        """The bytes for the wire, Content-Length added."""
        lines = [
            self.start_line,
            *(f"{name}: {value}" for name, value in self.headers),
            f"Content-Length: {len(self.body)}",
        ]
        if any("\r" in line or "\n" in line for line in lines):
            raise SipSyntaxError("a line break inside a header")
        return "\r\n".join([*lines, "", ""]).encode(errors="surrogateescape") + self.body


@dataclass(frozen=True)
class SipAddress:
    """What From, To, Contact or Route says: "display" <uri>;params."""

    uri: str
    display: str = ""
    params: dict[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> SipAddress:
        """Reads the first form with <uri> or the short one without."""
        found = _NAME_ADDR.fullmatch(text)
        if found:
            display = re.sub(r"\\(.)", r"\1", found[1]) if found[1] is not None else found[2]
            return cls(found[3], display, parse_params(found[4]))
        uri, semicolon, rest = text.strip().partition(";")
        return cls(uri, "", parse_params(semicolon + rest))

    @property
    def user(self) -> str:
        """The part of the URI before the @, or ""."""
        return self.uri.partition(":")[2].rpartition("@")[0].partition(";")[0]

    def __str__(self) -> str:
        escaped = self.display.replace("\\", "\\\\").replace('"', '\\"')
        name = f'"{escaped}" ' if self.display else ""
        return f"{name}<{self.uri}>" + "".join(f";{k}={v}" if v else f";{k}" for k, v in self.params.items())


def parse_params(text: str) -> dict[str, str]:
    """The ;name=value parameters of a header."""
    return {name.lower(): value for name, value in _PARAM.findall(text)}


def host_port(uri: str) -> tuple[str, int]:
    """Where the requests for a URI go."""
    found = _HOST.match(uri)
    if not found or int(found[2] or 5060) > 65535:
        raise SipSyntaxError(f"no SIP URI: {uri}")
    return found[1], int(found[2] or 5060)


def parse_message(datagram: bytes) -> SipMessage:
    """The message in a datagram; SipSyntaxError when there is none."""
    head, blank, body = datagram.partition(b"\r\n\r\n")
    text = head.decode(errors="surrogateescape")
    start_line, *lines = _FOLD.sub(" ", text).split("\r\n")
    if not blank or not (_STATUS_LINE.fullmatch(start_line) or _REQUEST_LINE.fullmatch(start_line)):
        raise SipSyntaxError("no SIP message")
    full_names = dict(_COMPACT)
    message = SipMessage(start_line)
    length = len(body)
    for line in lines:
        found = _HEADER.fullmatch(line)
        if not found:
            raise SipSyntaxError(f"no header: {line!r}")
        name, value = full_names.get(found[1].lower(), found[1]), found[2].strip(" \t")
        if name.lower() == "content-length":
            if not re.fullmatch(r"\d{1,9}", value, re.ASCII) or int(value) > len(body):
                raise SipSyntaxError(f"Content-Length: {value}")
            length = int(value)
        else:
            message.headers.append((name, value))
    message.body = body[:length]
    return message
