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
from ivr.prompts.joining import Part, Sentence, join

IN_USE_S = 900
"""A sentence heard less long ago may still be playing, so it stays."""
SILENCE_MS = 60_000


class Sentences:
    """The joined sentences of all languages, one folder each under `folder`. Safe to use from several threads.

    `monotonic` gives seconds.
    """

    def __init__(
        self, folder: Path, catalogues: Mapping[str, Catalogue], monotonic: Callable[[], float], limit: int = 2000
    ) -> None:
        self._folder = folder
        self._catalogues = catalogues
        self._monotonic = monotonic
        self._limit = limit
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[str, tuple[str, ...]], Sound] = OrderedDict()
        self._heard_at: dict[tuple[str, tuple[str, ...]], float] = {}
        self._ready: dict[tuple[str, tuple[str, ...]], Sound] = {}

    def known(self, language: str, clips: tuple[str, ...]) -> Sound | None:
        """The sentence, if it has been joined before: costs nothing."""
        with self._lock:
            key = (language, clips)
            if ready := self._ready.get(key):
                return ready
            if sound := self._known.get(key):
                self._known.move_to_end(key)
                self._heard_at[key] = self._monotonic()
            return sound

    def joined(self, language: str, clips: tuple[str, ...]) -> Sound:
        """The sentence, joined now. Reads and writes files: not for the loop's thread.

        Raises `CatalogueError` for a clip that the catalogue lacks, `SoundsError` for one that cannot be read or a
        folder that cannot be written.
        """
        catalogue = self._catalogues[language]
        try:
            sentence = join([Part(key, catalogue[key].text, catalogue.recording(key)) for key in clips])
            sound = self._write(file_of(self._folder, catalogue, language, clips), sentence)
        except OSError as error:
            raise SoundsError(f"a sentence could not be made: {error}") from error
        with self._lock:
            if (language, clips) not in self._ready:
                self._known[language, clips] = sound
                self._heard_at[language, clips] = self._monotonic()
                self._forget_oldest()
        return sound

    def keep_ready(self, language: str, clips: tuple[str, ...]) -> None:
        """Join a sentence before it is needed and never let it go: what is said when the disk is full must lie there.

        Raises as `joined`.
        """
        sound = self.joined(language, clips)
        with self._lock:
            self._ready[language, clips] = sound
            self._known.pop((language, clips), None)
            self._heard_at.pop((language, clips), None)

    def silence(self) -> Sound:
        """A long file of nothing, to wait in."""
        path = self._folder / "silence.wav"
        return self._write(path, Sentence(wav.silence(SILENCE_MS), ()))

    def clear(self) -> None:
        """Take away what an earlier run left behind; only before any call."""
        for path in self._folder.glob("*/*"):
            path.unlink()

    def _write(self, path: Path, sentence: Sentence) -> Sound:
        path.parent.mkdir(mode=0o2750, parents=True, exist_ok=True)
        side = {"text": sentence.text, "length_ms": sentence.length_ms, "clips": [asdict(s) for s in sentence.spans]}
        _replace(path.with_suffix(".json"), json.dumps(side).encode())
        _replace(path, wav.header(len(sentence.pcm)) + sentence.pcm)
        return Sound(path, sentence.length_ms, sentence.text)

    def _forget_oldest(self) -> None:
        while len(self._known) > self._limit:
            key = next(iter(self._known))
            if self._monotonic() - self._heard_at[key] < IN_USE_S:
                return
            sound = self._known.pop(key)
            del self._heard_at[key]
            sound.path.unlink(missing_ok=True)
            sound.path.with_suffix(".json").unlink(missing_ok=True)


def file_of(folder: Path, catalogue: Catalogue, language: str, clips: tuple[str, ...]) -> Path:
    """Where a sentence lies; another one where the recordings have changed."""
    name = hashlib.sha256("\0".join((catalogue.version, *clips)).encode()).hexdigest()[:32]
    return folder / language / f"{name}.wav"


def _replace(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees it whole or not at all."""
    draft = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}")
    try:
        draft.write_bytes(content)
        os.replace(draft, path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
