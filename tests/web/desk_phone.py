"""A desk phone: it reads a screen, checks it against what its vendor documents, and follows it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import httpx
from lxml import etree

SCHEMAS = Path(__file__).parent / "desk_phone_schemas"
MAX_YEALINK_BYTES = 10_000
KINDS = ("yealink", "snom", "cisco", "polycom")

_DIALLED = re.compile(r"^(?:Dial:|tel://|snom://mb_exit#numberdial=)(.+)")


@cache
def schema_of(kind: str) -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(SCHEMAS / f"{kind}.xsd"))


@dataclass(frozen=True)
class ShownScreen:
    """A screen as a person sees it."""

    title: str
    entries: list[tuple[str, str]]
    """Text and address of each line of a list."""
    text: str
    dials: list[str]
    """What the phone would dial, from keys and lines."""
    links: list[str]
    """The addresses behind keys and lines."""


def read_screen(kind: str, content: bytes) -> ShownScreen:
    """Read a screen. Raises `DocumentInvalid` if it is not as the vendor documents it."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    document = etree.fromstring(content, parser)
    schema_of(kind).assertValid(document)
    if kind == "yealink":
        assert len(content) <= MAX_YEALINK_BYTES
    for element in document.iter():
        element.tag = etree.QName(element).localname
    items = [*document.iter("MenuItem"), *document.iter("a")]
    entries = [(" ".join(_label(item).split()), _address(item)) for item in items]
    addresses = [_address(element) for element in (*items, *document.iter("SoftKey", "SoftKeyItem", "softkey"))]
    dials = [found[1] for address in addresses if (found := _DIALLED.match(address))]
    dials += [element.text or "" for element in document.iter("Dial")]
    text = " ".join("".join(part for block in document.iter("Text", "p") for part in block.itertext()).split())
    title = next(document.iter("Title", "title")).text or ""
    links = [address for address in addresses if address.startswith("http")]
    return ShownScreen(title, entries, text, list(dict.fromkeys(dials)), links)


def _label(item: etree._Element) -> str:
    return item.findtext("Prompt") or item.findtext("Name") or item.text or ""


def _address(item: etree._Element) -> str:
    return item.findtext("URI") or item.findtext("URL") or item.get("href") or item.get("action") or ""


class DeskPhone:
    """A desk phone of one kind. `auth`: name and password of `Authorization: Basic`."""

    def __init__(self, kind: str, url: str, auth: tuple[str, str] | None = None) -> None:
        self.kind = kind
        self.http = httpx.AsyncClient(base_url=url, timeout=60, auth=auth, verify=False)
        self.response = httpx.Response(200)

    async def open(self, address: str = "") -> ShownScreen:
        """Open a screen; "": the first one."""
        self.response = await self.http.get(address or f"/phone/{self.kind}/")
        return read_screen(self.kind, self.response.content)
