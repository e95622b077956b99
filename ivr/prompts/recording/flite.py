"""Speech synthesis by flite, which needs no model.

flite lets the pitch fall at the end of every text. A text that ends in a comma must not sound finished, so flite gets
two more words, and the recording is cut in the pause at the comma.
"""

from __future__ import annotations

import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from ivr.errors import SoundsError
from ivr.prompts.recording import telephone_band
from ivr.prompts.recording.audio_processing import Samples
from ivr.prompts.recording.telephone_band import run_program

CONTINUATION_TEXT = " and more."
_PAUSE_SEGMENT = "pau"


@dataclass(frozen=True, slots=True)
class FliteSpeaker:
    """A voice of flite. `stretch`: slower above 1, faster below. `speed`: resampling, which also changes the pitch."""

    voice: str
    stretch: float = 1.0
    speed: float = 1.0

    @property
    def name(self) -> str:
        return f"flite:{self.voice}"

    @property
    def inputs(self) -> dict[str, object]:
        return {**asdict(self), "continuation": CONTINUATION_TEXT}

    def require(self) -> None:
        """Raise `SoundsError` unless flite has the voice.

        Without this check flite would use another voice, and report no error.
        """
        telephone_band.require()
        voices = run_program("flite", "-lv").decode().split()
        if self.voice not in voices:
            raise SoundsError(
                f"flite has no voice {self.voice}: install the Debian package flite of version 2 or later"
            )

    def pronounce(self, text: str) -> str:
        return ""

    def speak(self, text: str) -> Samples:
        is_continued = text.endswith(",")
        with tempfile.TemporaryDirectory() as folder:
            spoken = Path(folder, "spoken.wav")
            segments = self._flite(text + CONTINUATION_TEXT if is_continued else text, spoken)
            cut = ("trim", "0", f"={_last_pause_s(text, segments):.3f}") if is_continued else ()
            resampling = () if self.speed == 1 else ("speed", str(self.speed))
            return telephone_band.from_file(spoken, *cut, *resampling)

    def _flite(self, text: str, output: Path) -> str:
        """Write the WAV `output`; return its segments, each as "name:end in seconds"."""
        stretch = f"duration_stretch={self.stretch}"
        # Without -t, flite takes a text that has no space for a file name.
        return run_program(
            "flite", "-voice", self.voice, "--setf", stretch, "-psdur", "-t", text, "-o", str(output)
        ).decode()


def _last_pause_s(text: str, segments: str) -> float:
    """Return the end of the pause before "and more", in seconds."""
    ends = [float(end) for name, _, end in (s.partition(":") for s in segments.split()) if name == _PAUSE_SEGMENT]
    if len(ends) < 3:  # The pauses at the start, at the comma and at the end.
        raise SoundsError(f'flite made no pause after "{text}": give it a "say" without the comma')
    return ends[-2]
