"""Renders the prompts of one call in the call's language."""

from __future__ import annotations

import asyncio
import contextlib

from ivr.audio.formats import Sound
from ivr.errors import CatalogueError, SoundsError
from ivr.prompts.language import Language
from ivr.prompts.languages import LANGUAGES, choose_language
from ivr.prompts.prompt_cache import PromptCache

Prompt = str | tuple[str, ...]
"""One key of the catalogue, or several in a row as a `Language` returns them."""


class Voice:
    """The prompts of one call. `preferred`: codes of languages, the first that has prompts is spoken, else English."""

    def __init__(self, prompt_cache: PromptCache, *preferred: str | None) -> None:
        self._prompt_cache = prompt_cache
        self.language_code = choose_language(preferred, prompt_cache.languages)

    @property
    def language(self) -> Language:
        """The rules of the language that is spoken."""
        return LANGUAGES[self.language_code]

    @property
    def languages(self) -> tuple[str, ...]:
        """The codes of all languages that have prompts."""
        return self._prompt_cache.languages

    def switch_to(self, *preferred: str | None) -> None:
        """Speak another language from now on: the first of `preferred` that has prompts, else English."""
        self.language_code = choose_language(preferred, self.languages)

    def in_language(self, language_code: str) -> Voice:
        """Return a voice of the same prompts in another language."""
        return Voice(self._prompt_cache, language_code)

    def find_cached(self, *prompts: Prompt) -> Sound | None:
        """Return `prompts` as one sound, if it is in the cache."""
        return self._prompt_cache.find_cached(self.language_code, _clip_keys(prompts))

    def prepare(self, *prompts: Prompt) -> None:
        """Start to render `prompts` in another thread, for later. An error is raised when they are rendered for use."""
        if self.find_cached(*prompts) is None:
            code, clip_keys = self.language_code, _clip_keys(prompts)
            asyncio.get_running_loop().run_in_executor(None, self._try_render, code, clip_keys)

    def _try_render(self, language_code: str, clip_keys: tuple[str, ...]) -> None:
        with contextlib.suppress(CatalogueError, SoundsError):
            self._prompt_cache.render(language_code, clip_keys)

    async def render(self, *prompts: Prompt) -> Sound:
        """Return `prompts` as one sound, rendered in another thread. Raises `CatalogueError`, `SoundsError`."""
        return await asyncio.to_thread(self._prompt_cache.render, self.language_code, _clip_keys(prompts))


def _clip_keys(prompts: tuple[Prompt, ...]) -> tuple[str, ...]:
    return tuple(clip for prompt in prompts for clip in ((prompt,) if isinstance(prompt, str) else prompt))
