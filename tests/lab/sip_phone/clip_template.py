"""A clip that may be heard, and how far the audio at some place is this clip."""

from __future__ import annotations

import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.lab.sip_phone import ulaw
from tests.lab.sip_phone.ulaw import FRAME, RATE, Samples

ONSET = RATE // 4
"""A clip is recognised by so many samples of its sound; a shorter one by all."""
_QUIET_LEVEL = 0.02  # of the clip's peak: what is softer is silence
_NOISE = 32.0  # so is what is softer than this
_UNPLAYED_TAIL = 22  # Asterisk never plays the last 44 bytes of a WAV file: it takes the header for samples
_MIN_ENERGY = 12.0  # rms of a difference that is only noise of the coding
_COMPLETE_SHARE = 2.0  # a clip heard to its end counts for so many frames more than one that was cut there


@dataclass(frozen=True, eq=False)
class Clip:
    """A recording with a name; int16 at 8000 samples/s."""

    name: str
    samples: Samples

    @classmethod
    def from_prompt(cls, path: Path, name: str) -> Clip:
        """Reads a prompt: u-law without a header, or WAV."""
        if path.suffix == ".ulaw":
            return cls(name, ulaw.decode(path.read_bytes()))
        return cls.from_wav(path, name)

    @classmethod
    def from_wav(cls, path: Path, name: str) -> Clip:
        """Reads a mono 16-bit 8 kHz WAV file."""
        with wave.open(str(path), "rb") as file:
            if file.getparams()[:3] != (1, 2, RATE):
                raise ValueError(f"{path}: not mono, 16 bit, {RATE} Hz")
            return cls(name, np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.int16))


class Template:
    """What is needed again and again to recognise a clip."""

    def __init__(self, clip: Clip) -> None:
        self.clip = clip
        played = clip.samples[:-_UNPLAYED_TAIL]
        wide = np.abs(played.astype(np.int32))
        loud = np.flatnonzero(wide > max(_NOISE, _QUIET_LEVEL * wide.max(initial=0)))
        self.start = int(loud[0]) if len(loud) else 0
        """Samples of silence that the clip begins with."""
        self.onset: Samples = played[self.start : min(self.start + ONSET, int(loud[-1]) + 1 if len(loud) else 0)]
        self._sound = played[self.start :].astype(np.float64)
        frames = -(-len(self._sound) // FRAME)
        sounding = np.zeros(frames + 1, np.int64)
        np.add.at(sounding, (loud - self.start) // FRAME + 1, 1)
        self._sounding_before = np.cumsum(sounding > 0)
        self._energy = _per_frame(self._sound**2)

    def match_at(self, audio: Samples, at: int, threshold: float) -> Match | None:
        """How far the audio from sample `at` on is the clip; None when it would begin before the audio."""
        begin = at + self.start
        available = min(len(self._sound), len(audio) - begin)
        cut = available < len(self._sound)
        available -= available % FRAME if cut else 0
        if begin < 0 or available <= 0:
            return None
        heard = audio[begin : begin + available].astype(np.float64)
        cross, power = _per_frame(heard * self._sound[:available]), _per_frame(heard**2)
        energy = self._energy[: len(power)]
        gauge = max(len(self.onset) // FRAME, 1)
        gain = max(cross[:gauge].sum() / max(energy[:gauge].sum(), 1), 0)
        # With this gain, is the rest a part of the frame's energy that the threshold allows for?
        rest = power - 2 * gain * cross + gain**2 * energy
        broken = np.flatnonzero(rest > (1 - threshold**2) * gain**2 * energy + FRAME * _MIN_ENERGY**2)
        frames = int(broken[0]) if len(broken) else len(power)
        sounding = int(self._sounding_before[frames])
        complete = sounding == self._sounding_before[-1]
        likeness = cross[:frames].sum() / np.sqrt(max(power[:frames].sum() * energy[:frames].sum(), 1))
        last = int(np.searchsorted(self._sounding_before, sounding))  # no silence that follows
        return Match(
            self,
            at,
            begin,
            begin + min(last * FRAME, available),
            float(likeness),
            sounding,
            solid=frames >= gauge,
            complete=bool(complete),
            is_open=cut and not complete and not len(broken),
        )


@dataclass(frozen=True, eq=False)
class Match:
    """Audio that is the clip, from its first sound (`begin`) to the last that was heard (`end`).

    `at` is where the clip's first sample would lie; all three are samples of the audio.
    """

    template: Template
    at: int
    begin: int
    end: int
    score: float
    frames: int
    """How many frames with sound in them matched."""
    solid: bool
    """Its whole onset matched."""
    complete: bool
    """All its sound matched."""
    is_open: bool
    """It matched up to the end of the audio, and may go on."""

    @property
    def weight(self) -> float:
        """What counts when two clips explain the same audio."""
        return self.score * self.frames + _COMPLETE_SHARE * self.complete


def _per_frame(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Sums over 20 ms each, the last may be shorter."""
    if not len(values):
        return values
    return np.add.reduceat(values, np.arange(0, len(values), FRAME))
