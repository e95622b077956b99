"""Recognises known clips in 8 kHz audio."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from ivr.prompts import clip_file
from ivr.prompts.catalogue import CATALOGUE_FILE, Catalogue
from tests.lab.sip_phone.clip_template import ONSET, Clip, Match, Template
from tests.lab.sip_phone.correlation import Correlator, SearchableAudio
from tests.lab.sip_phone.ulaw import RATE, Samples

__all__ = ["Clip", "RecognisedClip", "Vocabulary", "find", "locate", "matches_at", "transcript"]
THRESHOLD = 0.85
_EDGE_MARGIN = 0.05  # a clip this little below the threshold still rivals one above it
_OVERLAP = 800  # samples that two clips heard one after the other may share


@dataclass(frozen=True)
class RecognisedClip:
    """A clip that was heard: seconds from the beginning of the audio, to the last of its sound that was heard."""

    name: str
    start_s: float
    end_s: float
    score: float
    complete: bool
    """Whether all its sound was heard."""

    def __str__(self) -> str:
        return f"{self.start_s:.2f}-{self.end_s:.2f} {self.name}{'' if self.complete else ' (cut)'}"


class Vocabulary:
    """The clips that may be heard, prepared for recognition; those without any sound are left out."""

    def __init__(
        self,
        clips: Iterable[Clip],
        *,
        threshold: float = THRESHOLD,
        replaced: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
    ) -> None:
        self.replaced = replaced
        """The clips that a recording was played for, by its name: "phrase/message-1" for "Message" "one"."""
        self.threshold = threshold
        templates = (Template(clip) for clip in clips)
        self._templates = [template for template in templates if len(template.onset)]
        self._by_name = {template.clip.name: template for template in self._templates}
        self._correlator = Correlator([template.onset for template in self._templates])
        self._rivals: dict[Clip, list[tuple[Template, int]]] = {}

    @classmethod
    def from_folder(cls, folder: Path) -> Vocabulary:
        """Every recording below a folder, named by its path without the ending ("number/1")."""
        paths = sorted((*folder.rglob("*.wav"), *folder.rglob("*.ulaw")))
        clips = (Clip.from_prompt(path, path.relative_to(folder).with_suffix("").as_posix()) for path in paths)
        return cls(clips, replaced=_replaced_clips(folder))

    @classmethod
    def for_prompts(cls, folder: Path, names: Iterable[str], *others: Clip) -> Vocabulary:
        """These recordings of a folder and those that may be played in their place, and other clips."""
        wanted = set(names)
        replaced = {name: parts for name, parts in _replaced_clips(folder).items() if wanted & {*parts}}
        found = [Clip.from_prompt(clip_file.find(folder, name), name) for name in sorted(wanted | replaced.keys())]
        return cls([*found, *others], replaced=replaced)

    def __iter__(self) -> Iterator[Clip]:
        return (template.clip for template in self._templates)

    def __len__(self) -> int:
        return len(self._templates)

    def __getitem__(self, name: str) -> Clip:
        return self._by_name[name].clip

    def replacing(self, names: Sequence[str]) -> list[Clip]:
        """The recordings that may be heard where these clips are expected, as far as one recording goes."""
        containing = {name: parts for name, parts in self.replaced.items() if names[0] in parts}
        exact = [
            name
            for name, parts in containing.items()
            if all(a == b for a, b in zip(parts[parts.index(names[0]) :], names, strict=False))
        ]
        plain = [names[0]] if names[0] in self._by_name else []
        return [self[name] for name in [*plain, *(exact if len(names) > 1 and exact else containing)]]

    def prepare(self) -> None:
        """Does before a call what would otherwise delay the first recognition in it."""
        self._concatenated.root(min(ONSET, self._concatenated.length))

    def matches(self, audio: Samples) -> list[Match]:
        """Every clip that can be heard anywhere, also those that are only similar to what is there."""
        found: list[Match] = []
        for peak in self._correlator.peaks(audio, self.threshold):
            template = self._templates[peak.window]
            match = template.match_at(audio, peak.position - template.start, self.threshold)
            if match and match.solid:
                found.append(match)
        return found

    def transcript(self, audio: Samples) -> list[Match]:
        """The clips that explain the audio best, in order of time."""
        chosen: list[Match] = []
        for match in sorted(self.matches(audio), key=lambda match: -match.weight):
            if all(_overlap(match, other) <= min(_OVERLAP, (match.end - match.begin) // 2) for other in chosen):
                chosen.append(match)
        return sorted(chosen, key=lambda match: match.begin)

    def rivals(self, clip: Clip) -> list[tuple[Template, int]]:
        """The other clips in which this one's onset stands, too, and where: what it could be mistaken for."""
        if clip not in self._rivals:
            own = Template(clip)
            found: list[tuple[Template, int]] = []
            for peak in Correlator([own.onset]).peaks(self._concatenated, self.threshold - _EDGE_MARGIN):
                index = int(np.searchsorted(self._concatenated_starts, peak.position, side="right")) - 1
                other, offset = self._templates[index], peak.position - int(self._concatenated_starts[index])
                if not self._are_identical(own, other):
                    found.append((other, offset))
            self._rivals[clip] = found  # complete: other threads ask, too
        return self._rivals[clip]

    @cached_property
    def _concatenated(self) -> SearchableAudio:
        """All clips one after the other, a pause between them."""
        quiet = np.zeros(RATE // 4, np.int16)
        return SearchableAudio(np.concatenate([quiet, *(part for clip in self for part in (clip.samples, quiet))]))

    @cached_property
    def _concatenated_starts(self) -> npt.NDArray[np.int64]:
        return np.cumsum([RATE // 4, *(len(clip.samples) + RATE // 4 for clip in self)], dtype=np.int64)

    def _are_identical(self, one: Template, other: Template) -> bool:
        """Whether nothing can tell the two apart, as two names for one recording."""
        there, back = (
            a.match_at(b.clip.samples, b.start - a.start, self.threshold) for a, b in ((one, other), (other, one))
        )
        return bool(there and back and there.complete and back.complete)


def _replaced_clips(folder: Path) -> dict[str, tuple[str, ...]]:
    if not (folder / CATALOGUE_FILE).exists():
        return {}
    catalogue = Catalogue.load(folder)
    return {key: catalogue[key].replaces for key in catalogue if catalogue[key].replaces}


def recognised_clip(match: Match) -> RecognisedClip:
    """A match in seconds."""
    return RecognisedClip(
        match.template.clip.name, max(match.at, 0) / RATE, match.end / RATE, match.score, match.complete
    )


def find(audio: Samples, clip: Clip, *, threshold: float = THRESHOLD) -> list[RecognisedClip]:
    """Where the clip was heard, from its beginning and as far as it goes; 250 ms of its sound are needed."""
    return transcript(audio, Vocabulary([clip], threshold=threshold))


def transcript(audio: Samples, clips: Iterable[Clip]) -> list[RecognisedClip]:
    """All clips in order of time; of those that would explain the same sound, the one that explains most of it."""
    vocabulary = clips if isinstance(clips, Vocabulary) else Vocabulary(clips)
    return [recognised_clip(match) for match in vocabulary.transcript(audio)]


def matches_at(audio: Samples, samples: Samples, at_s: float, *, threshold: float = THRESHOLD) -> bool:
    """Whether the audio from this second on, to the sample, is what was expected, for its whole length."""
    at = round(at_s * RATE)
    window = audio[max(at, 0) : at + len(samples)]
    return at >= 0 and len(window) == len(samples) > 0 and _similarity(window, samples) >= threshold


def locate(window: Samples, recording: Samples, *, threshold: float = 0.98) -> int | None:
    """At which sample of a recording the window of heard audio stands; the first place if it stands in several."""
    peaks = Correlator([window]).peaks(recording, threshold) if len(window) and window.any() else []
    if not peaks:
        return None
    best = max(peaks, key=lambda peak: round(peak.score, 3))
    last = len(recording) - len(window)
    near = range(max(best.position - 4, 0), min(best.position + 4, last) + 1)
    return max(near, key=lambda at: _similarity(recording[at : at + len(window)], window))


def _similarity(one: Samples, other: Samples) -> float:
    a, b = one.astype(np.float64), other.astype(np.float64)
    return float(a @ b / max(float(np.sqrt((a @ a) * (b @ b))), 1.0))


def _overlap(one: Match, other: Match) -> int:
    return min(one.end, other.end) - max(one.begin, other.begin)
