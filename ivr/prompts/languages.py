"""The languages of the prompts, and the choice of one of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

from ivr.prompts.catalogue import Catalogue
from ivr.prompts.english import English
from ivr.prompts.french import French
from ivr.prompts.german import German
from ivr.prompts.italian import Italian
from ivr.prompts.language import Language
from ivr.prompts.portuguese import Portuguese
from ivr.prompts.spanish import Spanish

LANGUAGES: dict[str, Language] = {
    "en": English(),
    "es": Spanish(),
    "fr": French(),
    "it": Italian(),
    "pt-BR": Portuguese(),
    "de": German(),
}
"""The rules of each language. Its recordings are in the folder of prompts that has its code as name."""
FALLBACK_LANGUAGE = "en"


def find_languages(folder: Path) -> list[str]:
    """Return the languages that have a folder in `folder`, and English in any case."""
    return [code for code in LANGUAGES if code == FALLBACK_LANGUAGE or (folder / code).is_dir()]


def load_catalogues(folder: Path) -> dict[str, Catalogue]:
    """Return the prompts of each language that has a folder in `folder`. Raises `CatalogueError`.

    English must be there: it takes the place of what other languages lack.
    """
    return {code: Catalogue.load(folder / code) for code in find_languages(folder)}


def choose_language(preferred: Iterable[str | None], available: Collection[str]) -> str:
    """Return the first of `preferred` that has prompts, else English.

    "es-MX" and "es_MX" are served by "es" if there are no prompts of their own, "pt" and "pt-PT" by "pt-BR".
    """
    by_name = {name: code for code in reversed([*available]) for name in (_base(code), _normalize(code))}
    for code in preferred:
        if code and (found := by_name.get(_normalize(code)) or by_name.get(_base(code))):
            return found
    return FALLBACK_LANGUAGE


def has_prompts(code: str, available: Collection[str]) -> bool:
    """Return whether `code` is spoken in prompts of its own."""
    return _base(choose_language([code], available)) == _base(code)


def _normalize(code: str) -> str:
    return code.replace("_", "-").lower()


def _base(code: str) -> str:
    return _normalize(code).partition("-")[0]
