"""Screens of desk phones as XML of their vendors: one template for each kind of phone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from jinja2 import Environment, FileSystemLoader, StrictUndefined

TEMPLATES = Path(__file__).parent / "desk_phone_templates"
MAX_TITLE = 32
MAX_LABEL = 48
MAX_TEXT = 900
"""Characters of a title, an entry and a text. The least of the vendors' limits are 32 and 64 characters (Cisco), and
10,000 bytes of XML (Yealink), with each character escaped."""

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that no XML document may contain, not even escaped."""
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;"})
"""Phones know these five; not all of them know numbers of characters."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of a list. `url`: what it opens; `dial`: what the phone dials for it, if it can dial from a list."""

    label: str
    url: str
    dial: str = ""


@dataclass(frozen=True, slots=True)
class DeskPhoneScreen:
    """What a phone shows: a list, or a text.

    `play`: what the key `Play` dials; "": the screen has no such key. `back`: the address behind the key `Back`.
    """

    title: str
    entries: tuple[Entry, ...] = ()
    text: str = ""
    play: str = ""
    back: str = ""


MEDIA_TYPES: Mapping[str, str] = MappingProxyType(
    {"yealink": "text/xml", "snom": "text/xml", "cisco": "text/xml", "polycom": "application/xhtml+xml"}
)
"""The kinds of phones, and the media type of their screens."""


class ScreenRenderer:
    """Renders screens. Every value in a template is escaped: names of callers are what callers claim."""

    def __init__(self) -> None:
        self._environment = Environment(
            loader=FileSystemLoader(TEMPLATES),
            autoescape=False,  # It escapes quotes by number.
            finalize=escape_xml,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )

    def compile_templates(self) -> None:
        """Compile all templates. Else the first screen of each kind would keep calls waiting."""
        for name in self._environment.list_templates():
            self._environment.get_template(name)

    def render(self, kind: str, screen: DeskPhoneScreen, labels: Mapping[str, str]) -> bytes:
        """Return a screen as UTF-8. `labels`: the words on the keys play, details, back and exit."""
        template = self._environment.get_template(f"{kind}.xml")
        entries = [(shorten(entry.label, MAX_LABEL), entry.url, entry.dial) for entry in screen.entries]
        text = _NOT_XML.sub("", screen.text)
        text = text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 1].rstrip()}…"
        return template.render(
            title=shorten(screen.title, MAX_TITLE),
            entries=entries,
            text=text,
            lines=text.split("\n"),
            play=screen.play,
            back=screen.back,
            labels=labels,
        ).encode()


def escape_xml(value: object) -> str:
    """Return a value as text of an XML document, or as the value of an attribute."""
    return _NOT_XML.sub("", str(value)).translate(_ENTITIES)


def shorten(text: str, length: int) -> str:
    """Return the text in one line of 1 to `length` characters."""
    line = " ".join(_NOT_XML.sub("", text).split())
    return (line if len(line) <= length else f"{line[: length - 1].rstrip()}…") or "-"
