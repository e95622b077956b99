"""Speech synthesis by Pico (SVOX). Needs the extra `voice-build`: the package py-nanotts has engine and voices.

Each text is spoken by a process of its own: within one process, the samples depend on the texts before.
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
from dataclasses import dataclass
from importlib import resources
from importlib.util import find_spec
from pathlib import Path

from ivr.errors import SoundsError, install_command
from ivr.prompts.recording import telephone_band
from ivr.prompts.recording.audio_processing import Samples
from ivr.prompts.recording.telephone_band import run_program

PACKAGE = "py_nanotts"
VOICE_SHA256 = {
    "de-DE": {
        "de-DE_ta.bin": "df292826754713d5efb6c95d60582c17753e95856b4c735c3150db722b2c218a",
        "de-DE_gl0_sg.bin": "39147b816d08bbbe64b23797804cf691a761ab73a7689ca9e2b6f87ace722654",
    },
}
"""The files of each voice: text analysis, and signal generation."""
SPEED = 0.9
CLARITY_EFFECTS = ("gain", "-12", "treble", "12", "2500")
"""Effects of sox: the consonants of Pico are too faint for a telephone."""
INSTALL_REMEDY = f"install ivr with the extra voice-build: {install_command('voice-build')}"


@dataclass(frozen=True, slots=True)
class PicoSpeaker:
    """A voice of Pico. `speed`: slower below 1."""

    voice: str
    speed: float = SPEED

    @property
    def name(self) -> str:
        return f"pico:{self.voice}"

    @property
    def inputs(self) -> dict[str, object]:
        files = VOICE_SHA256.get(self.voice, {})
        return {"files": files, "speed": self.speed, "effects": CLARITY_EFFECTS}

    def require(self) -> None:
        telephone_band.require()
        if self.voice not in VOICE_SHA256:
            raise SoundsError(f"Pico has no voice {self.voice} here: choose one of {', '.join(VOICE_SHA256)}")
        if find_spec(PACKAGE) is None:
            raise SoundsError(f"the Python package {PACKAGE} is not installed: {INSTALL_REMEDY}")
        for name, expected in VOICE_SHA256[self.voice].items():
            content = resources.files(PACKAGE).joinpath("lang", name).read_bytes()
            if hashlib.sha256(content).hexdigest() != expected:
                raise SoundsError(f"{name} of the package {PACKAGE} has not the sha256 {expected}: {INSTALL_REMEDY}")

    def pronounce(self, text: str) -> str:
        return ""

    def speak(self, text: str) -> Samples:
        with tempfile.TemporaryDirectory() as folder:
            spoken = Path(folder, "spoken.wav")
            options = ("-v", self.voice, "--speed", str(self.speed), "-o", str(spoken))
            run_program(sys.executable, "-m", PACKAGE, *options, "--", text)
            return telephone_band.from_file(spoken, *CLARITY_EFFECTS)
