"""A text becomes samples at 8 kHz: flite speaks it, sox brings it into the telephone's band.

A text that ends in a comma is spoken with more to come: flite, which lets the pitch of every text fall at its end, is
given two words more, and the recording ends in the pause at the comma.
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
"""Effects of sox. Most of the voices' power lies below 300 Hz, where it masks the rest and no telephone carries it."""

_PAUSE_SEGMENT = "pau"


@dataclass(frozen=True, slots=True)
class Speaker:
    """A voice of flite's; `stretch` makes it slower (above 1) or faster, `speed` makes it a higher or lower person."""

    voice: str
    stretch: float = 1.0
    speed: float = 1.0


def require_voice(speaker: Speaker) -> None:
    """Raises `SoundsError` unless this machine can make recordings of `speaker`: flite speaks with another voice, and
    without complaint, where it lacks the one it was asked for.
    """
    _run_program("sox", "--version")
    voices = _run_program("flite", "-lv").decode().split()
    if speaker.voice not in voices:
        raise SoundsError(f"flite has no voice {speaker.voice}: install the Debian package flite of version 2 or later")


def speak(speaker: Speaker, text: str) -> Samples:
    """The samples of `say`, untrimmed and not levelled. Raises `SoundsError`."""
    more = text.endswith(",")
    with tempfile.TemporaryDirectory() as folder:
        spoken = Path(folder, "spoken.wav")
        segments = _flite(speaker, text + CONTINUATION_TEXT if more else text, spoken)
        return _sox(spoken, speaker.speed, _last_pause_s(text, segments) if more else None)


def _flite(speaker: Speaker, text: str, output: Path) -> str:
    """Write `to`; returns its segments, each as "name:end in seconds"."""
    stretch = f"duration_stretch={speaker.stretch}"
    # flite takes a text without a space for the name of a file unless told by -t.
    return _run_program(
        "flite", "-voice", speaker.voice, "--setf", stretch, "-psdur", "-t", text, "-o", str(output)
    ).decode()


def _sox(source: Path, speed: float, end_s: float | None) -> Samples:
    cut = () if end_s is None else ("trim", "0", f"={end_s:.3f}")
    other = () if speed == 1 else ("speed", str(speed))
    raw = ("-t", "raw", "-e", "floating-point", "-b", "32", "-L", "-c", "1", "-")
    samples = array("f", _run_program("sox", "-D", str(source), *raw, *cut, *other, *TELEPHONE_BAND))
    if sys.byteorder == "big":
        samples.byteswap()
    return [sample * FULL_SCALE for sample in samples]


def _last_pause_s(text: str, segments: str) -> float:
    """Where the pause before "and more" ends."""
    ends = [float(end) for name, _, end in (s.partition(":") for s in segments.split()) if name == _PAUSE_SEGMENT]
    if len(ends) < 3:  # the pauses at the start, at the comma and at the end
        raise SoundsError(f'flite made no pause after "{text}": give it a "say" without the comma')
    return ends[-2]


def _run_program(program: str, *arguments: str) -> bytes:
    try:
        return subprocess.run((program, *arguments), check=True, capture_output=True).stdout
    except FileNotFoundError as error:
        raise SoundsError(f"{program} is not installed: install the Debian package {program}") from error
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip()
        raise SoundsError(f"{program} failed: {said or f'exit status {error.returncode}'}") from error
