"""How well whisper-base understands the recorded prompts of a language.

`python -m bench.intelligibility LANGUAGE [--noise]`: the word error rate, in percent, of the prompts that a caller
hears one after the other, in windows of about 20 s with 300 ms between the sentences. `--noise` adds pink noise from
300 to 3,400 Hz, 5 dB below the speech. Needs the extras `transcription-whisper` and `test`.

What a recogniser may write either way is the same word: numbers in digits, ordinals ("June 12th"), times ("6.30am"),
three or more digits in a row as single digits.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import numpy as np
import typer
from num2words import num2words

from bench.transcription import word_edit_distance
from ivr.audio import wav
from ivr.notifications.transcription.engines import load_engine
from ivr.prompts import clip_file
from ivr.prompts.catalogue import Catalogue
from ivr.prompts.concatenation import ClipSource, concatenate
from ivr.prompts.languages import LANGUAGES

SOUNDS = Path(__file__).parents[1] / "sounds"
SAMPLES_A_S = 8000
WINDOW_S = 20
PAUSE = np.zeros(SAMPLES_A_S * 3 // 10)
NOISE_BAND_HZ = (300, 3400)
NOISE_BELOW_SPEECH_DB = 5
SPEECH_AMPLITUDE = 0.01
"""Samples above it are speech, of 1."""
NOW = datetime(2026, 11, 20, 12)
MESSAGE_COUNTS = ((1, 0), (0, 1), (3, 2), (1, 14), (21, 1), (16, 60))
CALLER_NUMBERS = ("0155017342", "4169")
LENGTHS_MS = (5_000, 61_000, 119_000, 738_000)
NUM2WORDS_LANGUAGES = {"pt-BR": "pt_BR"}


def main(language: str, noise: bool = False) -> None:
    """Print each window that is misheard, and the word error rate of all."""
    recognize = load_engine("whisper", None, "")
    wrong = words = 0
    noise_of = np.random.default_rng(7)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "window.wav"
        for text, samples in windows(language):
            heard_samples = add_noise(samples, noise_of) if noise else samples
            wav.write(path, (np.clip(heard_samples, -1, 1) * 32767).astype("<i2").tobytes())
            expected, heard = split_words(text, language), split_words(recognize(path, language[:2]).text, language)
            errors = word_edit_distance(expected, heard)
            wrong, words = wrong + errors, words + len(expected)
            if errors:
                print(f"{errors} of {len(expected)}\n    {' '.join(expected)}\n    {' '.join(heard)}")
    print(f"{language}: {wrong} of {words} words, {100 * wrong / words:.1f} %")


def windows(language: str) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the text and the samples (8 kHz, from -1 to 1) of sentences that are heard one after the other."""
    texts: list[str] = []
    parts = [PAUSE]
    for text, samples in sentences(language):
        if texts and sum(map(len, parts)) + len(samples) > WINDOW_S * SAMPLES_A_S:
            yield " ".join(texts), np.concatenate(parts)
            texts, parts = [], [PAUSE]
        texts.append(text)
        parts += [samples, PAUSE]
    yield " ".join(texts), np.concatenate(parts)


def sentences(language: str) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the menu options, counts, times, callers and lengths of a language, joined of recordings as for a call."""
    rules, catalogue = LANGUAGES[language], Catalogue.load(SOUNDS / language)
    options = [key.removeprefix("to/") for key in catalogue if key.startswith("to/")]
    prompts = [rules.menu_option(option, "1234567890*#"[n % 12]) for n, option in enumerate(options)]
    prompts += [rules.message_counts(new, saved) for new, saved in MESSAGE_COUNTS]
    prompts += [rules.received_time(datetime(2026, n, 2 * n, n, 5 * n), NOW) for n in range(1, 11)]
    prompts += [rules.caller_and_time(rules.caller_id(number), NOW, NOW) for number in CALLER_NUMBERS]
    prompts += [rules.length(length_ms) for length_ms in LENGTHS_MS]
    for clips in prompts:
        recordings = catalogue.choose_recordings(clips)
        pcm = concatenate([_clip_source(catalogue, key) for key in recordings]).pcm
        samples = np.frombuffer(pcm, "<i2") / 32768
        yield " ".join(catalogue[key].text for key in clips), samples


def _clip_source(catalogue: Catalogue, key: str) -> ClipSource:
    return ClipSource(key, catalogue[key].text, clip_file.read_samples(catalogue.recording_path(key)))


def add_noise(samples: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Add pink noise in the band of the telephone."""
    frequencies = np.fft.rfftfreq(len(samples), 1 / SAMPLES_A_S)
    in_band = (frequencies >= NOISE_BAND_HZ[0]) & (frequencies <= NOISE_BAND_HZ[1])
    shape = np.where(in_band, 1 / np.sqrt(np.maximum(frequencies, 1)), 0)
    noise = np.fft.irfft(np.fft.rfft(random.standard_normal(len(samples))) * shape, len(samples))
    speech_power = np.mean(samples[np.abs(samples) > SPEECH_AMPLITUDE] ** 2)
    noise *= np.sqrt(speech_power / 10 ** (NOISE_BELOW_SPEECH_DB / 10) / np.mean(noise**2))
    return np.asarray(samples + noise)


def split_words(text: str, language: str) -> list[str]:
    """Return the words of a text, with numbers, ordinals and times in one form each."""
    text = text.lower()
    text = re.sub(r"\b([ap])\.? ?m\b\.?", r"\1m", text)
    text = re.sub(r"(\d)([ap]m)\b", r"\1 \2", text)
    text = re.sub(r"\b(\d{1,2})(\d\d)(?= [ap]m\b)", r"\1:\2", text)
    text = re.sub(r"\b(\d{1,2})[.:h](\d\d)\b", lambda time: _hour_and_minute(time, language), text)
    text = re.sub(r"(\d+)(?:st|nd|rd|th|er|º|ª|°)\b", r"\1", text)
    if language == "fr":
        text = re.sub(r"(\d+) ?h(?:eures?)?\b", r"\1 heures", text)
    text = re.sub(r"\d+", lambda number: f" {_number(number.group(), language)} ", text)
    text = " ".join(re.sub(r"[^\w ]", " ", text).split())
    for ordinal, cardinal in _ordinals(language):
        text = re.sub(rf"\b{ordinal}\b", cardinal, text)
    return text.split()


def _hour_and_minute(time: re.Match[str], language: str) -> str:
    oh = "oh " if language == "en" and time[2].startswith("0") else ""
    return f" {time[1]} {oh}{int(time[2])} "


def _number(digits: str, language: str) -> str:
    """Return a number in words. Three and more digits are those of a telephone number: no prompt says a hundred."""
    code = NUM2WORDS_LANGUAGES.get(language, language)
    numbers = map(int, digits) if len(digits) > 2 else [int(digits)]
    return " ".join(num2words(number, lang=code).replace("-", " ") for number in numbers)


def _ordinals(language: str) -> list[tuple[str, str]]:
    """Return the ordinals to 31 and what is counted for them, the longest first: a recogniser writes "March 6"."""
    if language not in ("en", "de"):
        return []
    endings = ("", "r", "s", "n") if language == "de" else ("",)
    pairs = [
        (num2words(n, to="ordinal", lang=language).replace("-", " ") + ending, _number(str(n), language))
        for n in range(1, 32)
        for ending in endings
    ]
    return sorted(pairs, key=lambda pair: -len(pair[0]))


if __name__ == "__main__":
    typer.run(main)
