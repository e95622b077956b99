"""Phonemes of languages other than English, by the program espeak-ng (Debian package espeak-ng)."""

from __future__ import annotations

import re

from ivr.prompts.recording.telephone_band import run_program

_PUNCTUATION = re.compile(r"\s*([.,?!;:])\s*")
_UNSPOKEN = re.compile(r"[¿¡«»\"()]")
_LANGUAGE_SWITCH = re.compile(r"\([a-z-]+\)")
_JOINED_SYMBOLS = {
    "a^\u026a": "I",
    "a^ʊ": "W",
    "d^z": "ʣ",
    "d^ʒ": "ʤ",
    "e^\u026a": "A",
    "o^ʊ": "O",
    "ə^ʊ": "Q",
    "s^s": "S",
    "t^s": "ʦ",
    "t^ʃ": "ʧ",
    "ɔ^\u026a": "Y",
}
"""The symbols that Kokoro has for two sounds spoken as one."""


def phonemize(text: str, language: str) -> str:
    """Return the phonemes of `text` in Kokoro's symbols, with its punctuation. `language`: a voice of espeak-ng.

    Raises `SoundsError` if espeak-ng is not installed.
    """
    parts = _PUNCTUATION.split(_UNSPOKEN.sub("", text))
    spoken, marks = parts[::2], [*parts[1::2], ""]
    phonemes = [
        _phonemize_clause(clause, language) + mark for clause, mark in zip(spoken, marks, strict=True) if clause or mark
    ]
    return " ".join(phonemes)


def require() -> None:
    """Raise `SoundsError` unless espeak-ng is installed."""
    run_program("espeak-ng", "--version")


def _phonemize_clause(clause: str, language: str) -> str:
    if not clause:
        return ""
    output = run_program("espeak-ng", "-v", language, "-q", "--ipa", "--tie=^", clause).decode()
    phonemes = _LANGUAGE_SWITCH.sub("", " ".join(output.split()))
    for joined, symbol in _JOINED_SYMBOLS.items():
        phonemes = phonemes.replace(joined, symbol)
    return phonemes.replace("^", "").replace("-", "")
