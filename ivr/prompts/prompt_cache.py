"""The prompt cache: each sentence is one sound file, concatenated when first needed, where Asterisk can read it.

Beside each `<name>.wav` is `<name>.json` with its text and the start and end of each clip, which the terminal phone
shows while the file plays. The number of sentences is bounded; the least recently used ones are deleted first.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path

import structlog

from ivr.audio import wav
from ivr.audio.formats import Sound
from ivr.errors import SoundsError, describe_error
from ivr.prompts.catalogue import Catalogue
from ivr.prompts.clip_reader import ClipReader
from ivr.prompts.concatenation import RenderedPrompt, concatenate

EVICTION_GRACE_S = 900
"""A sentence used less long ago may still be playing and is not deleted."""
SILENCE_MS = 60_000
PAUSE_MS = 200
"""Length of what is played in place of a sentence that cannot be written."""

log = structlog.get_logger()


class PromptCache:
    """The rendered sentences of all languages, in one subfolder of `folder` per language.

    `monotonic` returns seconds. `max_entries`: how many sentences are cached. Safe to use from several threads.
    """

    def __init__(
        self, folder: Path, catalogues: Mapping[str, Catalogue], monotonic: Callable[[], float], max_entries: int = 2000
    ) -> None:
        self._folder = folder
        self._catalogues = catalogues
        self._reader = ClipReader(catalogues)
        self._monotonic = monotonic
        self._max_entries = max_entries
        self._lock = threading.Lock()
        self._cached: OrderedDict[tuple[str, tuple[str, ...]], Sound] = OrderedDict()
        self._last_used_at: dict[tuple[str, tuple[str, ...]], float] = {}
        self._preloaded: dict[tuple[str, tuple[str, ...]], Sound] = {}
        self._pause: Sound | None = None

    @property
    def languages(self) -> tuple[str, ...]:
        """The codes of the languages that have prompts."""
        return tuple(self._catalogues)

    def find_cached(self, language: str, clip_keys: tuple[str, ...]) -> Sound | None:
        """Return the sentence if it has been rendered before. Reads no file."""
        with self._lock:
            key = (language, clip_keys)
            if preloaded := self._preloaded.get(key):
                return preloaded
            if sound := self._cached.get(key):
                self._cached.move_to_end(key)
                self._last_used_at[key] = self._monotonic()
            return sound

    def render(self, language: str, clip_keys: tuple[str, ...]) -> Sound:
        """Concatenate the sentence now. Reads and writes files, so it must not run in the event loop's thread.

        A clip that is missing or broken is replaced as `ClipReader` says: a site's own recordings may lack some. Such a
        sentence is not cached, so that it is complete as soon as the clip is. Where the sentence cannot be written, a
        short pause takes its place; raises `SoundsError` if there is none (`render_silence`).
        """
        catalogue = self._catalogues[language]
        sources, is_complete = self._reader.read(language, clip_keys)
        rendered = concatenate(sources)
        path = prompt_path(self._folder, catalogue, language, clip_keys)
        try:
            sound = self._write(path if is_complete else path.with_stem(f"{path.stem}-incomplete"), rendered)
        except OSError as error:
            if self._pause is None:
                raise SoundsError(f"a prompt could not be rendered: {describe_error(error)}") from error
            log.error("prompt.not_written", path=str(path), error=str(error))
            return replace(self._pause, text=rendered.text)
        with self._lock:
            if is_complete and (language, clip_keys) not in self._preloaded:
                self._cached[language, clip_keys] = sound
                self._last_used_at[language, clip_keys] = self._monotonic()
                self._evict_oldest()
        return sound

    def preload(self, language: str, clip_keys: tuple[str, ...]) -> None:
        """Render a sentence that is never evicted: error prompts must be playable when the disk is full.

        Raises as `render`.
        """
        sound = self.render(language, clip_keys)
        with self._lock:
            self._preloaded[language, clip_keys] = sound
            self._cached.pop((language, clip_keys), None)
            self._last_used_at.pop((language, clip_keys), None)

    def render_silence(self) -> Sound:
        """Write a file of silence, to play while waiting for a key, and a short pause in place of lost sentences."""
        self._pause = self._write(self._folder / "pause.wav", RenderedPrompt(wav.silence(PAUSE_MS), ()))
        silence = self._write(self._folder / "silence.wav", RenderedPrompt(wav.silence(SILENCE_MS), ()))
        return replace(silence, is_prompt=False)

    def clear(self) -> None:
        """Delete the files of an earlier run. Only before the first call."""
        for path in self._folder.glob("*/*"):
            path.unlink()

    def _write(self, path: Path, prompt: RenderedPrompt) -> Sound:
        path.parent.mkdir(mode=0o2750, parents=True, exist_ok=True)
        metadata = {"text": prompt.text, "length_ms": prompt.length_ms, "clips": [asdict(s) for s in prompt.spans]}
        _write_atomically(path.with_suffix(".json"), json.dumps(metadata).encode())
        _write_atomically(path, wav.header(len(prompt.pcm)) + prompt.pcm)
        return Sound(path, prompt.length_ms, prompt.text, is_prompt=True)

    def _evict_oldest(self) -> None:
        while len(self._cached) > self._max_entries:
            key = next(iter(self._cached))
            if self._monotonic() - self._last_used_at[key] < EVICTION_GRACE_S:
                return
            sound = self._cached.pop(key)
            del self._last_used_at[key]
            _delete_prompt(sound.path)


class PersistentPromptCache(PromptCache):
    """A prompt cache for processes that live for one call: each finds what earlier ones have rendered.

    Its folder is not cleared at start; `trim` keeps it bounded.
    """

    def find_cached(self, language: str, clip_keys: tuple[str, ...]) -> Sound | None:
        """Return the sentence if any process has rendered it before. Reads a file."""
        if sound := super().find_cached(language, clip_keys):
            return sound
        path = prompt_path(self._folder, self._catalogues[language], language, clip_keys)
        try:
            metadata = json.loads(path.with_suffix(".json").read_bytes())
            os.utime(path)
        except (OSError, ValueError):
            return None
        return Sound(path, metadata["length_ms"], metadata["text"], is_prompt=True)

    def render_silence(self) -> Sound:
        path = self._folder / "silence.wav"
        with suppress(OSError):
            if path.with_suffix(".json").exists() and wav.length_ms(path) == SILENCE_MS:
                if (pause := self._folder / "pause.wav").exists():
                    self._pause = Sound(pause, PAUSE_MS, "", is_prompt=True)
                return Sound(path, SILENCE_MS, "")
        return super().render_silence()

    def trim(self, now: float) -> None:
        """Delete the least recently used sentences beyond the limit. `now`: Unix seconds. Blocks on the disk."""
        last_used: list[tuple[float, Path]] = []
        for path in self._folder.glob("*/*.wav"):
            with suppress(OSError):  # Another process may be trimming too.
                last_used.append((path.stat().st_mtime, path))
        for last_used_at, path in sorted(last_used)[: max(0, len(last_used) - self._max_entries)]:
            if now - last_used_at > EVICTION_GRACE_S:
                _delete_prompt(path)


def prompt_path(folder: Path, catalogue: Catalogue, language: str, clip_keys: tuple[str, ...]) -> Path:
    """Return the path of a sentence. It changes with the catalogue's version."""
    name = hashlib.sha256("\0".join((catalogue.version, *clip_keys)).encode()).hexdigest()[:32]
    return folder / language / f"{name}.wav"


def _delete_prompt(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.with_suffix(".json").unlink(missing_ok=True)


def _write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees all of it or nothing."""
    draft = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}")
    try:
        draft.write_bytes(content)
        os.replace(draft, path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
