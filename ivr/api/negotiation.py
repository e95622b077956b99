"""Which form of audio an `Accept` header wants (kazoo-behaviour §4.6)."""

from __future__ import annotations

from collections.abc import Sequence

from ivr.audio.formats import AudioFormat
from ivr.errors import NotAcceptable

WILDCARD_TYPES = ("*/*", "application/octet-stream", "multipart/form-data", "multipart/mixed")
"""Types that say nothing about the form; Kazoo's clients send them too."""


def best_format(accept: str | None, available: Sequence[AudioFormat]) -> AudioFormat:
    """The wanted form; of several wanted as much, the first available. Raises `NotAcceptable`."""
    if not accept or not accept.strip():
        return available[0]
    wishes = [_parse_item(part) for part in accept.split(",") if part.strip()]
    marks = [
        max((mark for mark in (_quality(form, *wish) for wish in wishes) if mark is not None), default=None)
        for form in available
    ]
    wanted = [(mark[1], -n) for n, mark in enumerate(marks) if mark is not None and mark[1] > 0]
    if not wanted:
        names = ", ".join(form.content_type for form in available)
        raise NotAcceptable(f"this can be given as {names}")
    return available[-max(wanted)[1]]


def _quality(audio_format: AudioFormat, media_type: str, quality: float) -> tuple[int, float] | None:
    """How closely a wish names the form, and how much it is wished; the closest wish about a form counts."""
    if media_type in audio_format.content_types:
        return (2, quality)
    if media_type == "audio/*":
        return (1, quality)
    return (0, quality) if media_type in WILDCARD_TYPES else None


def _parse_item(item: str) -> tuple[str, float]:
    kind, *parameters = [one.strip() for one in item.split(";")]
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "q":
            try:
                return kind.lower(), float(value)
            except ValueError:
                return kind.lower(), 0.0
    return kind.lower(), 1.0
