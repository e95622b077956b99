"""Digits that a caller dictated, written as digits."""

from __future__ import annotations

import re

MIN_RUN = 3
"""Fewer digits in a row may be meant as words: "one or two"."""
_WORDS = {
    "de": "null eins zwei drei vier fünf sechs sieben acht neun",
    "en": "zero one two three four five six seven eight nine",
    "es": "cero uno dos tres cuatro cinco seis siete ocho nueve",
    "fr": "zéro un deux trois quatre cinq six sept huit neuf",
    "it": "zero uno due tre quattro cinque sei sette otto nove",
    "pt": "zero um dois três quatro cinco seis sete oito nove",
}
_OTHER_WORDS = {"de": {"zwo": "2"}, "en": {"oh": "0", "o": "0"}, "fr": {"une": "1"}, "pt": {"meia": "6"}}
_SEPARATOR = re.compile(r"[\s,.\-]+")


def write_digits(text: str, language: str) -> str:
    """Return `text` with runs of at least three digit words joined to a number: "two five five seven" → "2557"."""
    base = language.replace("_", "-").partition("-")[0].lower()
    if base not in _WORDS:
        return text
    digits = {word: str(n) for n, word in enumerate(_WORDS[base].split())} | _OTHER_WORDS.get(base, {})
    pattern = "|".join(sorted(map(re.escape, digits), key=len, reverse=True))
    run = re.compile(rf"\b(?:{pattern})(?:[\s,.\-]+(?:{pattern})){{{MIN_RUN - 1},}}\b", re.IGNORECASE)
    return run.sub(lambda found: "".join(digits[w] for w in _SEPARATOR.split(found[0].lower())), text)
