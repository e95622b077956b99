"""Audio formats, recognised by the first bytes of a file: its name and its declared content type are not trusted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

SNIFF_BYTES = 16
"""How many bytes `sniff` needs."""


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """A file format that is accepted or delivered."""

    name: str
    extension: str
    content_type: str
    aliases: tuple[str, ...] = ()
    """Other content types of the same format."""

    @property
    def content_types(self) -> tuple[str, ...]:
        return (self.content_type, *self.aliases)


WAV = AudioFormat("wav", ".wav", "audio/x-wav", ("audio/wav", "audio/wave", "audio/vnd.wave"))
MP3 = AudioFormat("mp3", ".mp3", "audio/mpeg", ("audio/mp3", "audio/x-mpeg", "audio/mpeg3", "audio/x-mp3"))
MP4 = AudioFormat("mp4", ".m4a", "audio/mp4", ("audio/x-m4a", "audio/m4a", "video/mp4", "audio/aac"))
OGG = AudioFormat("ogg", ".ogg", "audio/ogg", ("application/ogg", "audio/opus", "audio/vorbis"))
FLAC = AudioFormat("flac", ".flac", "audio/flac", ("audio/x-flac",))
WEBM = AudioFormat("webm", ".webm", "audio/webm", ("video/webm",))
"""What browsers record."""
INPUT_FORMATS = (WAV, MP3, MP4, OGG, FLAC, WEBM)
"""Formats that are accepted, by REST and by commands."""
INPUT_NAMES = "WAV, MP3, OGG, M4A, FLAC or WebM"
DEMUXERS = {"wav": "wav", "mp3": "mp3", "mp4": "mov", "ogg": "ogg", "flac": "flac", "webm": "matroska"}
"""What ffmpeg calls them."""
DECODERS = (
    *("aac", "adpcm_ima_wav", "adpcm_ms", "alac", "amrnb", "amrwb", "flac", "g722", "g726", "gsm_ms"),
    *("libgsm_ms", "libopus", "libspeex", "libvorbis", "mp3", "mp3float", "opus", "pcm_alaw", "pcm_f32le", "pcm_f64le"),
    *("pcm_mulaw", "pcm_s16be", "pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_u8", "speex", "vorbis"),
)
"""Decoders of ffmpeg that may run. Without this list it decodes the pictures in a file to find out about them."""
OUTPUT_FORMATS = (WAV, MP3, MP4)
"""Formats that every message can be delivered in."""


def sniff(start: bytes) -> AudioFormat | None:
    """Return the format of a file that starts with `start`; None for any other than `INPUT_FORMATS`."""
    if start[:4] in (b"RIFF", b"RF64") and start[8:12] == b"WAVE":
        return WAV
    if start[:4] == b"OggS":
        return OGG
    if start[:4] == b"fLaC":
        return FLAC
    if start[:4] == b"\x1aE\xdf\xa3":
        return WEBM
    if start[4:8] == b"ftyp":
        return MP4
    # An ID3 tag, or the sync word of a layer III frame.
    if start[:3] == b"ID3" or (len(start) > 1 and start[0] == 0xFF and start[1] & 0xE6 == 0xE2):
        return MP3
    return None


def by_content_type(content_type: str) -> AudioFormat | None:
    """Return the format of a content type, which may have parameters."""
    media_type = content_type.split(";", 1)[0].strip().lower()
    return next((known for known in INPUT_FORMATS if media_type in known.content_types), None)


def by_name(name: str) -> AudioFormat:
    """Return the format called `name`. Raises KeyError."""
    return {known.name: known for known in INPUT_FORMATS}[name]


@dataclass(frozen=True, slots=True)
class Sound:
    """An 8 kHz mono 16-bit WAV file at a path that Asterisk can read."""

    path: Path
    length_ms: int
    text: str
    """The words of the sound, for the journal of the call."""
    is_prompt: bool = False
    """Made of our own prompts: if it cannot be played, the call goes on without it."""
