"""Sentences for processes that live for one call: what one of them has joined, the next ones find."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path

from ivr.audio import wav
from ivr.audio.sound import Sound
from ivr.prompts.prompt_cache import EVICTION_GRACE_S, SILENCE_MS, PromptCache, prompt_path


class PersistentPromptCache(PromptCache):
    """The same sentences in a folder that no start clears; `trim` keeps it bounded."""

    def find_cached(self, language: str, clip_keys: tuple[str, ...]) -> Sound | None:
        """The sentence, if any process has joined it before."""
        if sound := super().find_cached(language, clip_keys):
            return sound
        path = prompt_path(self._folder, self._catalogues[language], language, clip_keys)
        try:
            side = json.loads(path.with_suffix(".json").read_bytes())
            os.utime(path)
        except (OSError, ValueError):
            return None
        return Sound(path, side["length_ms"], side["text"])

    def render_silence(self) -> Sound:
        path = self._folder / "silence.wav"
        with suppress(OSError):
            if path.with_suffix(".json").exists() and wav.length_ms(path) == SILENCE_MS:
                return Sound(path, SILENCE_MS, "")
        return super().render_silence()

    def trim(self, now: float) -> None:
        """Beyond the limit, those not heard for longest go; `now` in Unix seconds. Waits for the disk."""
        found: list[tuple[float, Path]] = []
        for path in self._folder.glob("*/*.wav"):
            with suppress(OSError):  # Another process trims, too.
                found.append((path.stat().st_mtime, path))
        for heard_at, path in sorted(found)[: max(0, len(found) - self._max_entries)]:
            if now - heard_at > EVICTION_GRACE_S:
                path.unlink(missing_ok=True)
                path.with_suffix(".json").unlink(missing_ok=True)
