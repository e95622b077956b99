"""Renders the prompts of one call in the call's language."""

from __future__ import annotations

import asyncio
import contextlib

from ivr.audio.formats import Sound
from ivr.errors import CatalogueError, SoundsError
from ivr.prompts import english
from ivr.prompts.language import Language
from ivr.prompts.prompt_cache import PromptCache

Prompt = str | tuple[str, ...]
"""One key of the catalogue, or several in a row as a `Language` returns them."""

LANGUAGES: dict[str, Language] = {"en": english}


class Voice:
    """The prompts of one call in one language; English if `language_code` is unknown."""

    def __init__(self, prompt_cache: PromptCache, language_code: str) -> None:
        self.language_code = language_code if language_code in LANGUAGES else "en"
        self.language = LANGUAGES[self.language_code]
        self._prompt_cache = prompt_cache

    def find_cached(self, *prompts: Prompt) -> Sound | None:
        """Return `prompts` as one sound, if it is in the cache."""
        return self._prompt_cache.find_cached(self.language_code, _clip_keys(prompts))

    def prepare(self, *prompts: Prompt) -> None:
        """Start to render `prompts` in another thread, for later. An error is raised when they are rendered for use."""
        if self.find_cached(*prompts) is None:
            asyncio.get_running_loop().run_in_executor(None, self._try_render, _clip_keys(prompts))

    def _try_render(self, clip_keys: tuple[str, ...]) -> None:
        with contextlib.suppress(CatalogueError, SoundsError):
            self._prompt_cache.render(self.language_code, clip_keys)

    async def render(self, *prompts: Prompt) -> Sound:
        """Return `prompts` as one sound, rendered in another thread. Raises `CatalogueError`, `SoundsError`."""
        return await asyncio.to_thread(self._prompt_cache.render, self.language_code, _clip_keys(prompts))


def _clip_keys(prompts: tuple[Prompt, ...]) -> tuple[str, ...]:
    return tuple(clip for prompt in prompts for clip in ((prompt,) if isinstance(prompt, str) else prompt))
