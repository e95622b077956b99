"""Texts in the languages of the mails, from catalogues of gettext (`<language>.po` beside this module).

The English text is the key of a text. What a catalogue lacks is English.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

Translate = Callable[[str], str]
ENGLISH = "en"
FOLDER = Path(__file__).parent
LANGUAGES = tuple(sorted({ENGLISH, *(path.stem for path in FOLDER.glob("*.po"))}))


def find_language(code: str) -> str | None:
    """Return the language of `LANGUAGES` that serves `code`: "pt" for "pt-BR" or "pt_BR"; None if there is none."""
    base = code.replace("_", "-").partition("-")[0].lower()
    return base if base in LANGUAGES else None


def load(language: str) -> Translate:
    """Return the function that translates into one of `LANGUAGES`."""
    if language == ENGLISH:
        return str
    from babel.messages.pofile import read_po  # Few commands need it.

    with (FOLDER / f"{language}.po").open("rb") as file:
        catalogue = read_po(file, locale=language)
    texts = {str(message.id): str(message.string) for message in catalogue if message.id and message.string}
    return lambda text: texts.get(text, text)
