"""Decides, while the audio of a call still comes in, whether one clip is being heard."""

from __future__ import annotations

from tests.lab.sip_phone.clip_recognition import Vocabulary
from tests.lab.sip_phone.clip_template import Clip, Match, Template
from tests.lab.sip_phone.correlation import Correlator
from tests.lab.sip_phone.ulaw import FRAME, Samples

_SCORE_MARGIN = 80  # samples; a peak so near the newest audio may still be rising
_TIE_TOLERANCE = 0.25  # frames; two clips that explain the audio equally well differ by less


class ClipWatch:
    """One clip, listened for from a sample of the audio on (to its end if `whole`); each sample is searched once."""

    def __init__(self, vocabulary: Vocabulary, clip: Clip, start: int, *, whole: bool = False) -> None:
        self._whole = whole
        self._threshold = vocabulary.threshold
        self._template = Template(clip)
        if not len(self._template.onset):
            raise ValueError(f"{clip.name}: no sound to recognise it by")
        self._correlator = Correlator([self._template.onset])
        self._rivals = vocabulary.rivals(clip)
        self._searched = max(start - FRAME, 0)
        self._candidates: set[int] = set()  # where its first sound may be

    def search(self, audio: Samples, settled: bool) -> Match | None:
        """The clip where it is first heard; None: not yet. Settled means that no more audio is coming for now.

        The earliest moment is when the onset was heard; while another clip of the vocabulary explains the same audio
        up to its end, the answer waits for what comes next.
        """
        last = len(audio) - len(self._template.onset)
        if last >= self._searched:
            for peak in self._correlator.peaks(audio[self._searched :], self._threshold):
                if settled or peak.position + self._searched <= last - _SCORE_MARGIN // 2:
                    self._candidates.add(peak.position + self._searched)
            self._searched = max(last - _SCORE_MARGIN, self._searched)
        for begin in sorted(self._candidates):
            match = self._template.match_at(audio, begin - self._template.start, self._threshold)
            if match and match.solid:
                best, undecided = self._best_rival(audio, match)
                wins = match.weight >= best - _TIE_TOLERANCE and (settled or not undecided)
                if wins and (match.complete or not self._whole):
                    return match
                if match.is_open or (undecided and not settled):
                    continue
            self._candidates.discard(begin)
        return None

    def _best_rival(self, audio: Samples, match: Match) -> tuple[float, bool]:
        """The weight of the best other explanation, and whether there is one that may still get better."""
        best, undecided = 0.0, False
        for rival, offset in self._rivals:
            other = rival.match_at(audio, match.begin - offset, self._threshold)
            if other and other.end > match.begin + len(self._template.onset) // 2:
                best, undecided = max(best, other.weight), undecided or other.is_open
        return best, undecided
