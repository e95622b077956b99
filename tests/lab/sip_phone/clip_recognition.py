"""Recognises known clips in 8 kHz audio."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import get_ident
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
        rivals_folder: Path | None = None,
    ) -> None:
        """With a folder, what the clips could be mistaken for is computed by the first of many processes."""
        self.replaced = replaced
        """The clips that a recording was played for, by its name: "phrase/message-1" for "Message" "one"."""
        self.threshold = threshold
        templates = (Template(clip) for clip in clips)
        self._templates = [template for template in templates if len(template.onset)]
        self._by_name = {template.clip.name: template for template in self._templates}
        self._correlator = Correlator([template.onset for template in self._templates])
        self._rivals: dict[Clip, list[tuple[Template, int]]] = {}
        self._rivals_folder = rivals_folder

    @classmethod
    def from_folder(cls, folder: Path, *, rivals_folder: Path | None = None) -> Vocabulary:
        """Every recording below a folder, named by its path without the ending ("number/1")."""
        paths = sorted((*folder.rglob("*.wav"), *folder.rglob("*.ulaw")))
        clips = (Clip.from_prompt(path, path.relative_to(folder).with_suffix("").as_posix()) for path in paths)
        return cls(clips, replaced=_replaced_clips(folder), rivals_folder=rivals_folder)

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
            file = self._rivals_file(clip)
            if file and file.exists():
                places = json.loads(file.read_text())
            else:
                places = self._find_rivals(clip)
                if file:
                    _write_at_once(file, json.dumps(places))
            self._rivals[clip] = [(self._templates[index], offset) for index, offset in places]  # threads ask, too
        return self._rivals[clip]

    def _find_rivals(self, clip: Clip) -> list[tuple[int, int]]:
        """The index of each other clip's template, and the sample at which this clip's onset stands there."""
        own = Template(clip)
        found: list[tuple[int, int]] = []
        for peak in Correlator([own.onset]).peaks(self._concatenated, self.threshold - _EDGE_MARGIN):
            index = int(np.searchsorted(self._concatenated_starts, peak.position, side="right")) - 1
            if not self._are_identical(own, self._templates[index]):
                found.append((index, peak.position - int(self._concatenated_starts[index])))
        return found

    def _rivals_file(self, clip: Clip) -> Path | None:
        """Where the rivals of a clip of this vocabulary are kept; None: nowhere, as those of speech made for a test."""
        if self._rivals_folder is None or not (own := self._by_name.get(clip.name)) or own.clip is not clip:
            return None
        return self._rivals_folder / self._digest / f"{self._templates.index(own)}.json"

    @cached_property
    def _digest(self) -> str:
        """Another one where a clip, the threshold or the code that recognises clips is another."""
        digest = hashlib.sha256(repr((self.threshold, _EDGE_MARGIN, [clip.name for clip in self])).encode())
        for file in sorted(Path(__file__).parent.glob("*.py")):
            digest.update(file.read_bytes())
        digest.update(self._concatenated.samples.tobytes())
        return digest.hexdigest()

    @cached_property
    def _concatenated(self) -> SearchableAudio:
        """All clips one after the other, a pause between them."""
        quiet = np.zeros(RATE // 4, np.int16)
        parts = (part for clip in self for part in (clip.samples, quiet))
        return SearchableAudio(np.concatenate([quiet, *parts]), keep_spectra=True)

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


def _write_at_once(file: Path, text: str) -> None:
    """Processes that write the same file at the same time do not see half of it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(f".{os.getpid()}-{get_ident()}")
    part.write_text(text)
    part.replace(file)


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
