"""The voices that are compared, and how each is made to speak."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from array import array
from dataclasses import dataclass
from pathlib import Path

from ivr.prompts.recording.audio_processing import FULL_SCALE, Samples, rms_db
from ivr.prompts.recording.telephone_band import EFFECTS


@dataclass(frozen=True, slots=True)
class SynthesisVoice:
    """One voice of one program. In the words of `command`, TO is the WAV to write and TEXT what is to be said; where
    there is no TEXT, the program reads it from its input."""

    name: str
    command: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SynthesisedSpeech:
    """What was said, at 8 kHz in the telephone's band, neither trimmed nor levelled."""

    samples: Samples
    band_db: float
    """What the band left of the speech's level."""
    synthesis_s: float
    """How long the synthesiser needed."""


def synthesise(voice: SynthesisVoice, text: str) -> SynthesisedSpeech:
    """Raises CalledProcessError, FileNotFoundError where the program is not installed."""
    with tempfile.TemporaryDirectory() as folder:
        wav = Path(folder, "spoken.wav")
        words = [{"TO": str(wav), "TEXT": text}.get(word, word) for word in voice.command]
        began = time.monotonic()
        subprocess.run(words, input=text, text=True, capture_output=True, check=True)
        took_s = time.monotonic() - began
        whole = _samples(wav, "gain", "-9", "rate", "-v", "8000")
        band = _samples(wav, *EFFECTS)
    return SynthesisedSpeech(band, rms_db(band) - rms_db(whole), took_s)


def _samples(wav: Path, *effects: str) -> Samples:
    raw = ("-t", "raw", "-e", "floating-point", "-b", "32", "-L", "-c", "1", "-")
    samples = array("f", subprocess.run(("sox", "-D", wav, *raw, *effects), capture_output=True, check=True).stdout)
    if sys.byteorder == "big":
        samples.byteswap()
    return [sample * FULL_SCALE for sample in samples]


def _flite(voice: str) -> SynthesisVoice:
    return SynthesisVoice(f"flite {voice}", ("flite", "-voice", voice, "-t", "TEXT", "-o", "TO"))


def _festival(voice: str) -> SynthesisVoice:
    return SynthesisVoice(f"festival {voice}", ("text2wave", "-eval", f"(voice_{voice})", "-o", "TO"))


def _espeak(voice: str, pace: int) -> SynthesisVoice:
    command = ("espeak-ng", "-v", voice, "-s", str(pace), "-w", "TO", "TEXT")
    return SynthesisVoice(f"espeak-ng {voice}, {pace} words a minute", command)


VOICES = (
    _flite("rms"),
    _festival("cmu_us_slt_arctic_hts"),
    _espeak("en-us", 175),
    _flite("slt"),
    _festival("kal_diphone"),
    _espeak("en-us", 130),
    _flite("awb"),
    _flite("kal16"),
    _espeak("en-gb", 175),
    _flite("kal"),
)
