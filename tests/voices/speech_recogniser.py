"""A speech recogniser as the listener, and how much of a text it did not hear."""

from __future__ import annotations

import math
import subprocess
import tempfile
from collections.abc import Iterable, Sequence

from pocketsphinx import Decoder

from ivr.audio import wav
from ivr.prompts.recording import audio_processing
from ivr.prompts.recording.audio_processing import Samples

RATE = 16_000
"""The recogniser's model is of this rate; what a telephone carries is lifted to it and stays empty above 4 kHz."""
PAUSE_MS = 250
"""Before and after each text: a recogniser wants to hear where it begins."""
HOMOPHONES = {"to": "two", "too": "two", "hear": "here", "for": "four", "b": "be", "u": "you", "eye": "i", "oh": "o"}
"""Homophones."""


class SpeechRecogniser:
    """Hears any sequence of `vocabulary`, every word as likely as every other at every place."""

    def __init__(self, vocabulary: Iterable[str]) -> None:
        with tempfile.NamedTemporaryFile("w", suffix=".arpa") as model:
            model.write(_uniform_language_model(sorted(vocabulary)))
            model.flush()
            self._decoder = Decoder(loglevel="FATAL", lm=model.name, samprate=RATE, fwdflat=False)

    def recognise(self, samples: Samples) -> list[str]:
        """The words recognised."""
        pause = wav.silence(PAUSE_MS)
        form = ("-t", "raw", "-e", "signed", "-b", "16", "-L", "-c", "1")
        command = ("sox", "-D", *form, "-r", str(wav.SAMPLE_RATE), "-", *form, "-r", str(RATE), "-")
        pcm = pause + audio_processing.to_pcm(samples) + pause
        lifted = subprocess.run(command, input=pcm, capture_output=True, check=True).stdout
        self._decoder.start_utt()
        self._decoder.process_raw(lifted, full_utt=True)
        self._decoder.end_utt()
        found = self._decoder.hyp()
        return [word.strip(".") for word in found.hypstr.split()] if found else []


def word_errors(spoken: Sequence[str], heard: Sequence[str]) -> int:
    """Words to change, add or leave out to make `heard` of `said` (Levenshtein); words that sound the same are."""
    spoken, heard = ([HOMOPHONES.get(word, word) for word in words] for words in (spoken, heard))
    row = list(range(len(heard) + 1))
    for n, word in enumerate(spoken, 1):
        before, row[0] = row[0], n
        for m, other in enumerate(heard, 1):
            before, row[m] = row[m], min(row[m] + 1, row[m - 1] + 1, before + (word != other))
    return row[-1]


def _uniform_language_model(words: Sequence[str]) -> str:
    """A language model in which each word is as likely as each other."""
    share = math.log10(1 / (len(words) + 1))
    lines = [f"{share:.4f} {word}" for word in ("</s>", *words)]
    return "\n".join(["\\data\\", f"ngram 1={len(words) + 2}", "", "\\1-grams:", "-99 <s>", *lines, "", "\\end\\", ""])
