"""Time zones: the names of the IANA database, and the name that is meant by another one.

People write the names of Windows, abbreviations, cities of another spelling, and countries. What such a
name means is read from CLDR, in the languages that the prompts have.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from ivr.errors import BadInput

INHERIT = "inherit"
"""A time zone of a mailbox that means: that of the owner or account."""
MAX_TIMEZONE_LENGTH = 32
"""Of Kazoo; the longest name of the IANA database has 32 characters."""
MAX_SHOWN_LENGTH = 128

_NAME = re.compile(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*")
_OFFSET = re.compile(r"[+-] ?[0-9]{1,2}(:?[0-9]{2})?$")
_DISPLAY = re.compile(r" *\([^()]*\) *")
"""What is around the names in the settings of Windows: (UTC-05:00) Eastern Time (US & Canada)."""
_SIGNS = re.compile(r"[^\w/+]|_")
_NO_TIMEZONES = ("Factory", "localtime", "posixrules")
_OLD_AREAS = ("Brazil", "Canada", "Chile", "Mexico", "US")
"""Areas of names that stay for compatibility, such as Canada/Eastern."""
_LANGUAGES = ("en", "en_GB", "en_AU", "de", "es", "fr", "it", "pt")
_SIMILAR = 0.75
"""How similar a city must be to one of the database: Munich must not become Zurich."""
_MAX_SUGGESTIONS = 3
_MAX_PARTS = 4
"""Parts between commas that are compared with all names; each takes some milliseconds."""


def time_zone(text: str) -> str:
    """Return the name of an existing time zone, such as Europe/Berlin or UTC. Raises `BadInput`."""
    name = text.strip()
    if len(name) <= MAX_TIMEZONE_LENGTH and _is_time_zone(name):
        return name
    shown = text[:MAX_SHOWN_LENGTH]
    if _OFFSET.search(name):
        # Etc/GMT+1 is an hour behind UTC, so the nearest name would be the wrong one.
        raise BadInput(
            f"{shown!r} is not a time zone, since offsets know no summer time: write it as Europe/Berlin or UTC"
        )
    meant = _meant(name) if len(text) <= MAX_SHOWN_LENGTH else []  # Comparing takes long.
    if not meant:
        raise BadInput(f"{shown!r} is not a time zone: write the IANA name of one, such as Europe/Berlin or UTC")
    raise BadInput(f"{shown!r} is not a time zone: did you mean {_joined(meant)}? write its IANA name")


@cache
def known_time_zones() -> frozenset[str]:
    """Return the names of all time zones of the machine, read once: it takes 20 ms."""
    return frozenset(available_timezones())


def _is_time_zone(name: str) -> bool:
    if not _NAME.fullmatch(name) or name.startswith(("posix/", "right/")) or name in _NO_TIMEZONES:
        return False
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        return False
    return True


def _joined(zones: list[str]) -> str:
    return " or ".join([", ".join(zones[:-1]), zones[-1]] if len(zones) > 1 else zones)


def _meant(name: str) -> list[str]:
    """Return the zones that a text may mean, the likeliest first."""
    words = _DISPLAY.sub("", name)
    parts = (words, *words.split(","))[:_MAX_PARTS]
    for part in parts:
        area, _, city = part.strip().rpartition("/")
        exact = zones_by_name().get(_folded(part)) or zones_by_name().get(_folded(city), ())
        if within := [zone for zone in exact if zone.startswith(area)]:
            return within[:_MAX_SUGGESTIONS]
    for part in parts:
        folded = _folded(part)
        if len(folded) > 4 and (similar := get_close_matches(folded, zones_by_name(), n=1, cutoff=_SIMILAR)):
            zones = zones_by_name()[similar[0]]
            area, _, city = part.strip().rpartition("/")
            # The area makes every name of it similar, so the city decides.
            if not area or any(get_close_matches(_folded(city), [_city(zone)], cutoff=_SIMILAR) for zone in zones):
                return list(zones[:_MAX_SUGGESTIONS])
    return []


def _folded(text: str) -> str:
    """Return the letters, digits and slashes of a name, without case and accents."""
    return _SIGNS.sub("", unicodedata.normalize("NFKD", text.casefold()))


def _city(zone: str) -> str:
    return _folded(zone.rpartition("/")[2])


@cache
def zones_by_name() -> dict[str, tuple[str, ...]]:
    """Return the zones by all names, folded. The first source of a name wins.

    Read once: it takes 0.1 s, so a service does it before it answers.
    """
    sources = (_names_of_database, _names_of_windows, _names_of_times, _names_of_places)
    found: dict[str, tuple[str, ...]] = {}
    for source in sources:
        names: dict[str, dict[str, None]] = {}
        for name, zone in source():
            names.setdefault(_folded(name), {})[zone] = None
        found = {**{name: tuple(zones) for name, zones in names.items() if name}, **found}
    return found


def _names_of_database() -> Iterator[tuple[str, str]]:
    """Return each zone with a place, under its name and its city."""
    for zone in sorted(zone for zone in known_time_zones() if "/" in zone and not zone.startswith("Etc/")):
        yield zone, zone
        if zone.partition("/")[0] not in _OLD_AREAS:
            yield zone.rpartition("/")[2], zone
    yield from (("utc", "UTC"), ("z", "UTC"), ("Coordinated Universal Time", "UTC"))


def _names_of_windows() -> Iterator[tuple[str, str]]:
    from babel.core import get_global

    windows: dict[str, str] = dict(get_global("windows_zone_mapping"))
    for name, zone in sorted(windows.items()):
        yield name, _current(zone)
        yield name.replace("Standard", "Daylight"), _current(zone)


def _names_of_times() -> Iterator[tuple[str, str]]:
    """Return the abbreviations and names of times, such as CEST and Central European Time, with their main zones."""
    from babel import Locale
    from babel.core import get_global

    areas = get_global("meta_zones")
    main_zones = dict.fromkeys(get_global("windows_zone_mapping").values())
    locales = [Locale.parse(language) for language in _LANGUAGES]
    for zone in sorted(main_zones, key=_by_importance):
        for locale in locales:
            texts = locale.meta_zones.get(areas.get(zone, ""), {})
            for length in ("short", "long"):
                for text in dict(texts.get(length, {})).values():
                    yield text, _current(zone)
                    yield text.removesuffix(" Time"), _current(zone)
        yield from ((abbreviation, _current(zone)) for abbreviation in _abbreviations(zone))


def _abbreviations(zone: str) -> Iterable[str]:
    from datetime import datetime

    names = (datetime(2026, month, 1, tzinfo=ZoneInfo(zone)).tzname() or "" for month in (1, 7))
    return {name for name in names if name.isalpha()}


def _by_importance(zone: str) -> tuple[int, str]:
    """Order the zones of one time: the largest places first."""
    largest = ("Berlin", "Paris", "New_York", "Chicago", "Los_Angeles", "Denver", "Shanghai", "Calcutta", "London")
    city = zone.rpartition("/")[2]
    return (largest.index(city) if city in largest else len(largest), zone)


def _names_of_places() -> Iterator[tuple[str, str]]:
    """Return the cities and countries of other languages."""
    from babel import Locale
    from babel.core import get_global

    zones_of = get_global("territory_zones")
    for language in _LANGUAGES:
        locale = Locale.parse(language)
        for zone, names in locale.time_zones.items():
            if (city := dict(names).get("city")) and zone in known_time_zones() and "/" in zone:
                yield city, _current(zone)
        for code, country in locale.territories.items():
            if 0 < len(zones := zones_of.get(code, ())) <= _MAX_SUGGESTIONS:
                yield from ((country, _current(zone)) for zone in zones)


def _current(zone: str) -> str:
    """Return the name of today: CLDR keeps the first name that a zone had, such as Asia/Calcutta."""
    from babel.core import get_global

    aliases = get_global("zone_aliases")
    return str(aliases.get(zone, zone))
