"""Times of the command line: all in the time zone of this machine, with their offset from UTC."""

from __future__ import annotations

from datetime import datetime

from ivr.errors import BadInput

TIME_FORMAT = "YYYY-MM-DD HH:MM:SS, in the time zone of this machine unless an offset such as +00:00 follows"


def format_time(timestamp: float) -> str:
    """Return a Unix time as `2026-11-28 12:43:41+01:00`. The variable TZ changes the time zone, as everywhere."""
    return datetime.fromtimestamp(int(timestamp)).astimezone().isoformat(sep=" ")


def parse_time(text: str) -> int:
    """Return the Unix time of `2026-11-28 12:43:41` or of what `format_time` writes. Raises `BadInput`."""
    try:
        return int(datetime.fromisoformat(text).timestamp())
    except ValueError:
        raise BadInput(f"{text!r} is not a time: write {TIME_FORMAT}") from None
