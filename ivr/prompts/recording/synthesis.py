"""Speech synthesis: flite speaks a text, sox resamples it to 8 kHz and filters it to the telephone band.

flite lets the pitch fall at the end of every text. A text that ends in a comma must not sound finished, so flite gets
two more words, and the recording is cut in the pause at the comma.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from array import array
from dataclasses import dataclass
from pathlib import Path

from ivr.errors import SoundsError
from ivr.prompts.recording.audio_processing import FULL_SCALE, Samples

CONTINUATION_TEXT = " and more."
TELEPHONE_BAND = ("gain", "-9", "rate", "-v", "8000", "highpass", "300", "highpass", "300")
"""Effects of sox. Most of the voices' power is below 300 Hz; it masks the rest, and telephones do not transmit it."""

_PAUSE_SEGMENT = "pau"


@dataclass(frozen=True, slots=True)
class Speaker:
    """A voice of flite. `stretch`: slower above 1, faster below. `speed`: resampling, which also changes the pitch."""

    voice: str
    stretch: float = 1.0
    speed: float = 1.0


def require_voice(speaker: Speaker) -> None:
    """Raise `SoundsError` unless flite has the voice of `speaker`.

    Without this check flite would use another voice, and report no error.
    """
    _run_program("sox", "--version")
    voices = _run_program("flite", "-lv").decode().split()
    if speaker.voice not in voices:
        raise SoundsError(f"flite has no voice {speaker.voice}: install the Debian package flite of version 2 or later")


def speak(speaker: Speaker, text: str) -> Samples:
    """Return the samples of `text`, neither trimmed nor levelled. Raises `SoundsError`."""
    is_continued = text.endswith(",")
    with tempfile.TemporaryDirectory() as folder:
        spoken = Path(folder, "spoken.wav")
        segments = _flite(speaker, text + CONTINUATION_TEXT if is_continued else text, spoken)
        return _sox(spoken, speaker.speed, _last_pause_s(text, segments) if is_continued else None)


def _flite(speaker: Speaker, text: str, output: Path) -> str:
    """Write the WAV `output`; return its segments, each as "name:end in seconds"."""
    stretch = f"duration_stretch={speaker.stretch}"
    # Without -t, flite takes a text that has no space for a file name.
    return _run_program(
        "flite", "-voice", speaker.voice, "--setf", stretch, "-psdur", "-t", text, "-o", str(output)
    ).decode()


def _sox(source: Path, speed: float, end_s: float | None) -> Samples:
    cut = () if end_s is None else ("trim", "0", f"={end_s:.3f}")
    resampling = () if speed == 1 else ("speed", str(speed))
    raw = ("-t", "raw", "-e", "floating-point", "-b", "32", "-L", "-c", "1", "-")
    samples = array("f", _run_program("sox", "-D", str(source), *raw, *cut, *resampling, *TELEPHONE_BAND))
    if sys.byteorder == "big":
        samples.byteswap()
    return [sample * FULL_SCALE for sample in samples]


def _last_pause_s(text: str, segments: str) -> float:
    """Return the end of the pause before "and more", in seconds."""
    ends = [float(end) for name, _, end in (s.partition(":") for s in segments.split()) if name == _PAUSE_SEGMENT]
    if len(ends) < 3:  # The pauses at the start, at the comma and at the end.
        raise SoundsError(f'flite made no pause after "{text}": give it a "say" without the comma')
    return ends[-2]


def _run_program(program: str, *arguments: str) -> bytes:
    try:
        return subprocess.run((program, *arguments), check=True, capture_output=True).stdout
    except FileNotFoundError as error:
        raise SoundsError(f"{program} is not installed: install the Debian package {program}") from error
    except subprocess.CalledProcessError as error:
        stderr = error.stderr.decode(errors="replace").strip()
        raise SoundsError(f"{program} failed: {stderr or f'exit status {error.returncode}'}") from error
