"""Selection of the audio format that an `Accept` header prefers."""

from __future__ import annotations

from collections.abc import Sequence

from ivr.audio.formats import AudioFormat
from ivr.errors import NotAcceptable

WILDCARD_TYPES = ("*/*", "application/octet-stream", "multipart/form-data", "multipart/mixed")
"""Media types that accept any format. Clients of Kazoo send the last three too."""


def best_format(accept: str | None, available: Sequence[AudioFormat]) -> AudioFormat:
    """Return the preferred format; among equals, the first available one. Raises `NotAcceptable`."""
    if not accept or not accept.strip():
        return available[0]
    items = [_parse_item(item) for item in accept.split(",") if item.strip()]
    candidates = []
    for position, audio_format in enumerate(available):
        ratings = [rating for rating in (_rate(audio_format, *item) for item in items) if rating is not None]
        _, quality = max(ratings, default=(0, 0.0))
        if quality > 0:
            candidates.append((quality, -position))
    if not candidates:
        types = ", ".join(audio_format.content_type for audio_format in available)
        raise NotAcceptable(f"audio is available as {types}: change the Accept header")
    return available[-max(candidates)[1]]


def _rate(audio_format: AudioFormat, media_type: str, quality: float) -> tuple[int, float] | None:
    """Return how specifically an item names the format, and its quality. The most specific item counts."""
    if media_type in audio_format.content_types:
        return (2, quality)
    if media_type == "audio/*":
        return (1, quality)
    return (0, quality) if media_type in WILDCARD_TYPES else None


def _parse_item(item: str) -> tuple[str, float]:
    """Return the media type of an item and its quality; a malformed quality is 0."""
    media_type, *parameters = [part.strip() for part in item.split(";")]
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "q":
            try:
                return media_type.lower(), float(value)
            except ValueError:
                return media_type.lower(), 0.0
    return media_type.lower(), 1.0
