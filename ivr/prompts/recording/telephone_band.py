"""sox resamples speech to 8 kHz and filters it to the telephone band."""

from __future__ import annotations

import subprocess
import sys
from array import array
from pathlib import Path

from ivr.errors import SoundsError
from ivr.prompts.recording.audio_processing import FULL_SCALE, Samples

EFFECTS = ("gain", "-9", "rate", "-v", "8000", "highpass", "300", "highpass", "300")
"""Effects of sox. Most of the voices' power is below 300 Hz; it masks the rest, and telephones do not transmit it."""

_FLOATS = ("-t", "raw", "-e", "floating-point", "-b", "32", "-L", "-c", "1")


def require() -> None:
    """Raise `SoundsError` unless sox is installed."""
    run_program("sox", "--version")


def from_file(source: Path, *effects: str) -> Samples:
    """Return the samples of an audio file after `effects` of sox. Raises `SoundsError`."""
    return _parse(run_program("sox", "-D", str(source), *_FLOATS, "-", *effects, *EFFECTS))


def from_floats(samples: bytes, rate: int) -> Samples:
    """Return little-endian floats of full scale 1 as samples. `rate`: samples per second. Raises `SoundsError`."""
    return _parse(run_program("sox", "-D", *_FLOATS, "-r", str(rate), "-", *_FLOATS, "-", *EFFECTS, stdin=samples))


def run_program(program: str, *arguments: str, stdin: bytes = b"") -> bytes:
    """Return what a program writes to its standard output. Raises `SoundsError` if it fails or is not installed."""
    try:
        return subprocess.run((program, *arguments), check=True, capture_output=True, input=stdin).stdout
    except FileNotFoundError as error:
        raise SoundsError(f"{program} is not installed: install the Debian package {program}") from error
    except subprocess.CalledProcessError as error:
        stderr = error.stderr.decode(errors="replace").strip()
        raise SoundsError(f"{program} failed: {stderr or f'exit status {error.returncode}'}") from error


def _parse(floats: bytes) -> Samples:
    samples = array("f", floats)
    if sys.byteorder == "big":
        samples.byteswap()
    return [sample * FULL_SCALE for sample in samples]
