"""Compares the voices and prints a table, the best understood first; `python -m tests.voices`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import mean

import numpy as np

from ivr.audio import wav
from ivr.prompts import clip_file
from ivr.prompts.catalogue import Catalogue
from ivr.prompts.concatenation import ClipSource, concatenate
from ivr.prompts.language import ClipKeys
from ivr.prompts.recording import audio_processing
from ivr.prompts.recording.audio_processing import Samples
from tests.voices import texts
from tests.voices.speech_recogniser import SpeechRecogniser, word_errors
from tests.voices.synthesis_voices import VOICES, SynthesisVoice, synthesise

ENGLISH = Path(__file__).parents[2] / "sounds" / "en"
RECORDED = "the recordings in use, joined"
CLARITY_FROM_HZ = 1000
"""Above this lie the consonants, by which words are told apart."""
COLUMNS = (
    "voice", "wrong in sentences %", "wrong in clips %", "words/s", "clear dB", "band dB", "crest dB", "edges ms",
    "made in s",
)  # fmt: skip


@dataclass(slots=True)
class VoiceScore:
    """What one voice came to, measured before the speech is trimmed and levelled: each list has an entry a sentence,
    `band_db` and `took_s` one a text."""

    name: str
    pace: list[float] = field(default_factory=list)
    """Words a second."""
    clarity_db: list[float] = field(default_factory=list)
    band_db: list[float] = field(default_factory=list)
    """What the telephone's band leaves of the level."""
    crest_db: list[float] = field(default_factory=list)
    """The highest peak over the level: beyond 17 dB a prompt must be limited."""
    edges_ms: list[float] = field(default_factory=list)
    synthesis_s: list[float] = field(default_factory=list)

    def measure(self, raw: Samples, words: Sequence[str]) -> None:
        """Note what can be measured of one sentence."""
        gain = 10 ** ((audio_processing.SPEECH_DB - audio_processing.speech_db(raw)) / 20)
        levelled = [s * gain for s in raw]
        self.pace.append(len(words) / (len(audio_processing.trim(levelled)) / wav.SAMPLE_RATE))
        self.clarity_db.append(_clarity_db(raw))
        self.crest_db.append(audio_processing.peak_db(raw) - audio_processing.speech_db(raw))
        self.edges_ms.append(sum(audio_processing.edge_silence_ms(levelled)))

    def cells(self) -> list[str]:
        """As `COLUMNS` has them, from the words a second on."""
        means = (
            (self.pace, "{:.1f}"), (self.clarity_db, "{:+.1f}"), (self.band_db, "{:+.1f}"), (self.crest_db, "{:.1f}"),
            (self.edges_ms, "{:.0f}"), (self.synthesis_s, "{:.2f}"),
        )  # fmt: skip
        return [form.format(mean(values)) if values else "" for values, form in means]


def main() -> None:
    catalogue = Catalogue.load(ENGLISH)
    print(f"{len(texts.sentences(catalogue))} sentences, {len(texts.short_clips(catalogue))} short clips", flush=True)
    rows = []
    with ProcessPoolExecutor() as processes:
        for row in processes.map(partial(_row, catalogue), (None, *VOICES)):
            print(" ".join(row), flush=True)
            rows.append(row)
    for row in (list(COLUMNS), ["---"] * len(COLUMNS), *sorted(rows, key=lambda row: float(row[1]))):
        print(f"| {' | '.join(row)} |")


def _row(catalogue: Catalogue, voice: SynthesisVoice | None) -> list[str]:
    """One voice; None: what callers hear now."""
    sentences, short = texts.sentences(catalogue), texts.short_clips(catalogue)
    score = VoiceScore(voice.name if voice else RECORDED)
    heard: dict[ClipKeys, Samples] = {}
    for clips in (*sentences, *short):
        raw = _synthesise_text(voice, catalogue, clips, score) if voice else _concatenate_clips(catalogue, clips)
        heard[clips] = audio_processing.trim(audio_processing.normalize_level(raw))
        if clips in sentences:
            score.measure(raw, _words(catalogue, clips))
    listener = SpeechRecogniser({word for key in catalogue for word in _words(catalogue, (key,))})
    wrong = [_word_error_rate(listener, catalogue, heard, of) for of in (sentences, short)]
    return [score.name, *(f"{share:.1f}" for share in wrong), *score.cells()]


def _synthesise_text(voice: SynthesisVoice, catalogue: Catalogue, clips: ClipKeys, score: VoiceScore) -> Samples:
    """The whole text said in one go."""
    spoken = synthesise(voice, " ".join(catalogue[clip].text for clip in clips))
    score.band_db.append(spoken.band_db)
    score.synthesis_s.append(spoken.synthesis_s)
    return spoken.samples


def _concatenate_clips(catalogue: Catalogue, clips: ClipKeys) -> Samples:
    """As the service joins it."""
    return audio_processing.from_pcm(
        concatenate(
            [
                ClipSource(key, catalogue[key].text, clip_file.read_samples(catalogue.recording_path(key)))
                for key in catalogue.choose_recordings(clips)
            ]
        ).pcm
    )


def _words(catalogue: Catalogue, clips: ClipKeys) -> list[str]:
    return [word for clip in clips for word in texts.words(catalogue[clip].text)]


def _word_error_rate(
    listener: SpeechRecogniser, catalogue: Catalogue, heard: dict[ClipKeys, Samples], texts: Iterable[ClipKeys]
) -> float:
    """Word errors for 100 words."""
    expected_words = {clips: _words(catalogue, clips) for clips in texts}
    return (
        100
        * sum(word_errors(expected_words[c], listener.recognise(heard[c])) for c in expected_words)
        / sum(map(len, expected_words.values()))
    )


def _clarity_db(samples: Samples) -> float:
    """The power from `CLEAR_FROM_HZ` to 3,400 Hz against that from 300 Hz up to there."""
    power = np.abs(np.fft.rfft(np.asarray(samples))) ** 2
    hz = np.fft.rfftfreq(len(samples), 1 / wav.SAMPLE_RATE)
    high, low = (power[(hz >= a) & (hz < b)].sum() for a, b in ((CLARITY_FROM_HZ, 3400), (300, CLARITY_FROM_HZ)))
    return float(10 * np.log10(high / low))


if __name__ == "__main__":
    main()
