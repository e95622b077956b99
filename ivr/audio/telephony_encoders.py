"""Encodes recordings in the formats of app_voicemail, which stores each message in all that its settings name."""

from __future__ import annotations

import tempfile
from pathlib import Path

from ivr.audio import wav
from ivr.audio.ffmpeg import DecoderLimits, run_ffmpeg
from ivr.audio.sandbox import FileAccess
from ivr.audio.telephony_formats import NO_FFMPEG
from ivr.errors import InvalidAudio, SoundsError

TIMEOUT_S = 120
LIMITS = DecoderLimits(cpu_s=TIMEOUT_S)
WAV_SUFFIX = "wav"
_PLAIN = ("-map_metadata", "-1", "-fflags", "+bitexact")
"""Without text chunks: Asterisk expects each chunk of a WAV file at its place."""

_ENCODERS: dict[str, tuple[str, ...]] = {
    "WAV": ("-codec:a", "libgsm_ms", *_PLAIN, "-f", "wav"),
    "gsm": ("-codec:a", "libgsm", "-f", "gsm"),
    "ulaw": ("-f", "mulaw"),
    "alaw": ("-f", "alaw"),
    "sln": ("-f", "s16le"),
    "sln16": ("-ar", "16000", "-f", "s16le"),
    "g722": ("-ar", "16000", "-codec:a", "g722", "-f", "g722"),
}
"""Options of ffmpeg for the output, by file name suffix."""
_SUFFIXES = {
    "wav": WAV_SUFFIX,
    "wav49": "WAV",
    "gsm": "gsm",
    "ulaw": "ulaw",
    "pcm": "ulaw",
    "ul": "ulaw",
    "alaw": "alaw",
    "al": "alaw",
    "sln": "sln",
    "slin": "sln",
    "raw": "sln",
    "sln16": "sln16",
    "g722": "g722",
}


def suffix_of(name: str) -> str | None:
    """Return the file name suffix of a format as voicemail.conf names it; None: it is not one that is written."""
    return "WAV" if name == "WAV" else _SUFFIXES.get(name.lower())


def encode(samples: bytes, suffix: str) -> bytes:
    """Return samples of 8 kHz mono 16 bit as the content of a file with this suffix.

    It waits for a child process, so it must not run in the event loop's thread. Raises `InvalidAudio`, `SoundsError`,
    OSError.
    """
    content = wav.header(len(samples)) + samples
    if suffix == WAV_SUFFIX:
        return content
    with tempfile.TemporaryDirectory(prefix="ivr-") as folder:
        source, target = Path(folder) / "source.wav", Path(folder) / "target"
        source.write_bytes(content)
        target.touch()  # ffmpeg can write to it, and cannot create a file.
        arguments = ("-protocol_whitelist", "file", "-f", "wav", "-i", f"file:{source}", *_ENCODERS[suffix])
        try:
            access = FileAccess((source,), (target,))
            done = run_ffmpeg((*arguments, "-y", f"file:{target}"), LIMITS, access, timeout_s=TIMEOUT_S)
        except FileNotFoundError:
            raise SoundsError(NO_FFMPEG) from None
        if done.returncode != 0 or not target.stat().st_size:
            raise InvalidAudio(f"ffmpeg cannot write the format {suffix}")
        return target.read_bytes()
