"""What a menu means, as a sound of the call's language."""

from __future__ import annotations

import asyncio
import contextlib

from ivr.audio.sound import Sound
from ivr.errors import CatalogueError, SoundsError
from ivr.prompts import english
from ivr.prompts.language import Language
from ivr.prompts.sentences import Sentences

Meaning = str | tuple[str, ...]
"""One key of the catalogue, or several as a language's rules give them."""

LANGUAGES: dict[str, Language] = {"en": english}


class Voice:
    """The voice of one call in one language: `rules` says how it forms counts and dates."""

    def __init__(self, sentences: Sentences, language: str) -> None:
        self.language = language if language in LANGUAGES else "en"
        self.rules = LANGUAGES[self.language]
        self._sentences = sentences

    def known(self, *meanings: Meaning) -> Sound | None:
        """One sound that says `meanings` in a row, if it was joined before."""
        return self._sentences.known(self.language, _clips(meanings))

    def prepare(self, *meanings: Meaning) -> None:
        """Have the same joined in another thread, to be known when it is needed. What fails fails again then."""
        if self.known(*meanings) is None:
            asyncio.get_running_loop().run_in_executor(None, self._attempt, _clips(meanings))

    def _attempt(self, clips: tuple[str, ...]) -> None:
        with contextlib.suppress(CatalogueError, SoundsError):
            self._sentences.joined(self.language, clips)

    async def join(self, *meanings: Meaning) -> Sound:
        """The same, joined now in another thread. Raises `CatalogueError`, `SoundsError`."""
        return await asyncio.to_thread(self._sentences.joined, self.language, _clips(meanings))


def _clips(meanings: tuple[Meaning, ...]) -> tuple[str, ...]:
    return tuple(clip for meaning in meanings for clip in ((meaning,) if isinstance(meaning, str) else meaning))
