"""What a menu means, as a sound of the call's language."""

from __future__ import annotations

import asyncio
import contextlib

from ivr.audio.sound import Sound
from ivr.errors import CatalogueError, SoundsError
from ivr.prompts import english
from ivr.prompts.language import Language
from ivr.prompts.prompt_cache import PromptCache

Prompt = str | tuple[str, ...]
"""One key of the catalogue, or several as a language's rules give them."""

LANGUAGES: dict[str, Language] = {"en": english}


class Voice:
    """The voice of one call in one language: `rules` says how it forms counts and dates."""

    def __init__(self, prompt_cache: PromptCache, language_code: str) -> None:
        self.language_code = language_code if language_code in LANGUAGES else "en"
        self.language = LANGUAGES[self.language_code]
        self._prompt_cache = prompt_cache

    def find_cached(self, *prompts: Prompt) -> Sound | None:
        """One sound that says `meanings` in a row, if it was joined before."""
        return self._prompt_cache.find_cached(self.language_code, _clip_keys(prompts))

    def prepare(self, *prompts: Prompt) -> None:
        """Have the same joined in another thread, to be known when it is needed. What fails fails again then."""
        if self.find_cached(*prompts) is None:
            asyncio.get_running_loop().run_in_executor(None, self._try_render, _clip_keys(prompts))

    def _try_render(self, clip_keys: tuple[str, ...]) -> None:
        with contextlib.suppress(CatalogueError, SoundsError):
            self._prompt_cache.render(self.language_code, clip_keys)

    async def render(self, *prompts: Prompt) -> Sound:
        """The same, joined now in another thread. Raises `CatalogueError`, `SoundsError`."""
        return await asyncio.to_thread(self._prompt_cache.render, self.language_code, _clip_keys(prompts))


def _clip_keys(prompts: tuple[Prompt, ...]) -> tuple[str, ...]:
    return tuple(clip for meaning in prompts for clip in ((meaning,) if isinstance(meaning, str) else meaning))
