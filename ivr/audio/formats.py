"""Which audio a file holds, by its first bytes; what its sender says, or its name, proves nothing."""

from __future__ import annotations

from dataclasses import dataclass

SNIFF_BYTES = 16
"""Bytes that are enough to tell."""


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """A kind of file that we take or give."""

    name: str
    extension: str
    content_type: str
    aliases: tuple[str, ...] = ()
    """Other content types that mean the same."""

    @property
    def content_types(self) -> tuple[str, ...]:
        return (self.content_type, *self.aliases)


WAV = AudioFormat("wav", ".wav", "audio/x-wav", ("audio/wav", "audio/wave", "audio/vnd.wave"))
MP3 = AudioFormat("mp3", ".mp3", "audio/mpeg", ("audio/mp3", "audio/x-mpeg", "audio/mpeg3", "audio/x-mp3"))
MP4 = AudioFormat("mp4", ".m4a", "audio/mp4", ("audio/x-m4a", "audio/m4a", "video/mp4", "audio/aac"))
OGG = AudioFormat("ogg", ".ogg", "audio/ogg", ("application/ogg", "audio/opus", "audio/vorbis"))
INPUT_FORMATS = (WAV, MP3, MP4, OGG)
"""What may be uploaded."""
OUTPUT_FORMATS = (WAV, MP3, MP4)
"""What any message can be given as."""


def sniff(start: bytes) -> AudioFormat | None:
    """What a file that begins with `start` holds, if we take it."""
    if start[:4] == b"RIFF" and start[8:12] == b"WAVE":
        return WAV
    if start[:4] == b"OggS":
        return OGG
    if start[4:8] == b"ftyp":
        return MP4
    # An ID3 tag, or the sync of a frame of layer III.
    if start[:3] == b"ID3" or (len(start) > 1 and start[0] == 0xFF and start[1] & 0xE6 == 0xE2):
        return MP3
    return None


def by_content_type(content_type: str) -> AudioFormat | None:
    """The format that a content type names, parameters and all."""
    plain = content_type.split(";", 1)[0].strip().lower()
    return next((known for known in INPUT_FORMATS if plain in known.content_types), None)


def by_name(name: str) -> AudioFormat:
    """The format of that name; raises KeyError."""
    return {known.name: known for known in INPUT_FORMATS}[name]
