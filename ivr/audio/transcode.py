"""Any audio that a person has → the one form that we keep. pydub with ffmpeg; burns CPU, so never in the call path."""

from __future__ import annotations

import io
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from ivr.audio import wav
from ivr.errors import InvalidAudio

if TYPE_CHECKING:
    from pydub import AudioSegment

FFMPEG = "ffmpeg"
REMEDY = "install ffmpeg (apt install ffmpeg), or give a WAV of 8 kHz, mono, 16 bit"


def decode_to_samples(path: Path) -> bytes:
    """The samples, at 8 kHz mono 16 bit, of a WAV, MP3, OGG, M4A or whatever else ffmpeg reads.

    Raises `InvalidAudio` for what is no audio, or needs ffmpeg where there is none; OSError.
    """
    with path.open("rb") as file:
        start = file.read(wav.HEADER_BYTES)
    if wav.is_canonical(start):
        return wav.read_samples(path)
    if not shutil.which(FFMPEG):
        raise InvalidAudio(f"{path} must be converted: {REMEDY}")
    # Only now: where there is no ffmpeg, pydub warns of it as soon as it is imported.
    from pydub import AudioSegment
    from pydub.exceptions import CouldntDecodeError

    try:
        audio = _decode(path, start)
        converted = io.BytesIO()
        audio.export(converted, "wav", parameters=["-ar", str(wav.SAMPLE_RATE), "-ac", "1", "-sample_fmt", "s16"])
        samples = bytes(AudioSegment.from_file(converted, "wav").raw_data)
    except (CouldntDecodeError, IndexError, KeyError) as error:
        raise InvalidAudio(f"{path} is not audio that ffmpeg can read") from error
    if not samples:
        raise InvalidAudio(f"{path} has no sound in it")
    return samples


def _decode(path: Path, start: bytes) -> AudioSegment:
    from pydub import AudioSegment

    if start.startswith(b"RIFF"):
        with path.open("rb") as file:  # Given a path, pydub leaves a WAV file open.
            return AudioSegment.from_file(file, "wav")
    return AudioSegment.from_file(path)
