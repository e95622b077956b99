"""A sentence is one sound file: joined when first needed, kept where Asterisk can read it.

Beside each `<name>.wav` lies `<name>.json` with its text and where each clip begins and ends, which the terminal phone
shows while it plays. The folder is bounded: beyond `limit` sentences those not heard for longest go.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

from ivr.audio import wav
from ivr.audio.sound import Sound
from ivr.errors import SoundsError
from ivr.prompts.catalogue import Catalogue
from ivr.prompts.concatenation import ClipSource, RenderedPrompt, concatenate

EVICTION_GRACE_S = 900
"""A sentence heard less long ago may still be playing, so it stays."""
SILENCE_MS = 60_000


class PromptCache:
    """The joined sentences of all languages, one folder each under `folder`. Safe to use from several threads.

    `monotonic` gives seconds.
    """

    def __init__(
        self, folder: Path, catalogues: Mapping[str, Catalogue], monotonic: Callable[[], float], max_entries: int = 2000
    ) -> None:
        self._folder = folder
        self._catalogues = catalogues
        self._monotonic = monotonic
        self._max_entries = max_entries
        self._lock = threading.Lock()
        self._cached: OrderedDict[tuple[str, tuple[str, ...]], Sound] = OrderedDict()
        self._last_used_at: dict[tuple[str, tuple[str, ...]], float] = {}
        self._preloaded: dict[tuple[str, tuple[str, ...]], Sound] = {}

    def find_cached(self, language: str, clip_keys: tuple[str, ...]) -> Sound | None:
        """The sentence, if it has been joined before: costs nothing."""
        with self._lock:
            key = (language, clip_keys)
            if ready := self._preloaded.get(key):
                return ready
            if sound := self._cached.get(key):
                self._cached.move_to_end(key)
                self._last_used_at[key] = self._monotonic()
            return sound

    def render(self, language: str, clip_keys: tuple[str, ...]) -> Sound:
        """The sentence, joined now. Reads and writes files: not for the loop's thread.

        Raises `CatalogueError` for a clip that the catalogue lacks, `SoundsError` for one that cannot be read or a
        folder that cannot be written.
        """
        catalogue = self._catalogues[language]
        try:
            sentence = concatenate(
                [ClipSource(key, catalogue[key].text, catalogue.recording_path(key)) for key in clip_keys]
            )
            sound = self._write(prompt_path(self._folder, catalogue, language, clip_keys), sentence)
        except OSError as error:
            raise SoundsError(f"a sentence could not be made: {error}") from error
        with self._lock:
            if (language, clip_keys) not in self._preloaded:
                self._cached[language, clip_keys] = sound
                self._last_used_at[language, clip_keys] = self._monotonic()
                self._evict_oldest()
        return sound

    def preload(self, language: str, clip_keys: tuple[str, ...]) -> None:
        """Join a sentence before it is needed and never let it go: what is said when the disk is full must lie there.

        Raises as `joined`.
        """
        sound = self.render(language, clip_keys)
        with self._lock:
            self._preloaded[language, clip_keys] = sound
            self._cached.pop((language, clip_keys), None)
            self._last_used_at.pop((language, clip_keys), None)

    def render_silence(self) -> Sound:
        """A long file of nothing, to wait in."""
        path = self._folder / "silence.wav"
        return self._write(path, RenderedPrompt(wav.silence(SILENCE_MS), ()))

    def clear(self) -> None:
        """Take away what an earlier run left behind; only before any call."""
        for path in self._folder.glob("*/*"):
            path.unlink()

    def _write(self, path: Path, prompt: RenderedPrompt) -> Sound:
        path.parent.mkdir(mode=0o2750, parents=True, exist_ok=True)
        side = {"text": prompt.text, "length_ms": prompt.length_ms, "clips": [asdict(s) for s in prompt.spans]}
        _write_atomically(path.with_suffix(".json"), json.dumps(side).encode())
        _write_atomically(path, wav.header(len(prompt.pcm)) + prompt.pcm)
        return Sound(path, prompt.length_ms, prompt.text)

    def _evict_oldest(self) -> None:
        while len(self._cached) > self._max_entries:
            key = next(iter(self._cached))
            if self._monotonic() - self._last_used_at[key] < EVICTION_GRACE_S:
                return
            sound = self._cached.pop(key)
            del self._last_used_at[key]
            sound.path.unlink(missing_ok=True)
            sound.path.with_suffix(".json").unlink(missing_ok=True)


def prompt_path(folder: Path, catalogue: Catalogue, language: str, clip_keys: tuple[str, ...]) -> Path:
    """Where a sentence lies; another one where the recordings have changed."""
    name = hashlib.sha256("\0".join((catalogue.version, *clip_keys)).encode()).hexdigest()[:32]
    return folder / language / f"{name}.wav"


def _write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees it whole or not at all."""
    draft = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}")
    try:
        draft.write_bytes(content)
        os.replace(draft, path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
