"""Reads the recordings of a sentence. What is missing or broken in one language is said in English."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence

import structlog

from ivr.audio import wav
from ivr.errors import CatalogueError, InvalidAudio
from ivr.prompts import clip_file
from ivr.prompts.catalogue import Catalogue
from ivr.prompts.concatenation import ClipSource
from ivr.prompts.languages import FALLBACK_LANGUAGE

BEEP_KEY = "tone/beep"
BEEP_HZ, BEEP_MS = 440, 500
"""The beep where its recording cannot be read, or heard."""
MIN_BEEP_MS = 50
MIN_BEEP_PEAK = 300
"""Of 32,768: about -40 dBFS."""

log = structlog.get_logger()


class ClipReader:
    """Reads clips of all languages. Safe to use from several threads."""

    def __init__(self, catalogues: Mapping[str, Catalogue]) -> None:
        self._catalogues = catalogues
        self._reported: set[tuple[str, str]] = set()

    def read(self, language: str, clip_keys: Sequence[str]) -> tuple[list[ClipSource], bool]:
        """Return the recordings to concatenate, and whether all could be read.

        Each recording that could not is logged once. A phrase is replaced by its clips, a clip by that of the fallback
        language; where that has none either it is left out. The beep is never missing.
        """
        catalogue = self._catalogues[language]
        sources: list[ClipSource] = []
        is_complete = True
        for key in catalogue.choose_recordings(clip_keys):
            found = self._read(language, key)
            is_complete = is_complete and found is not None
            sources += [found] if found else self._read_replaced(language, key)
        return sources, is_complete

    def _read_replaced(self, language: str, key: str) -> list[ClipSource]:
        catalogue = self._catalogues[language]
        parts = catalogue[key].replaces if key in catalogue else ()
        if parts:
            found = [self._read(language, part) or self._read_fallback(part) for part in parts]
        else:
            found = [self._read_fallback(key)]
        return [source for source in found if source]

    def _read_fallback(self, key: str) -> ClipSource | None:
        if found := self._read(FALLBACK_LANGUAGE, key):
            return found
        return ClipSource(key, "(beep)", _make_beep()) if key == BEEP_KEY else None

    def _read(self, language: str, key: str) -> ClipSource | None:
        catalogue = self._catalogues[language]
        try:
            path = catalogue.recording_path(key)
            samples = clip_file.read_samples(path)
            if key == BEEP_KEY and not _is_audible(samples):
                raise InvalidAudio(f"{path} is no beep: it cannot be heard")
            return ClipSource(key, catalogue[key].text, samples)
        except (OSError, InvalidAudio, CatalogueError) as error:
            if (language, key) not in self._reported:
                self._reported.add((language, key))
                remedy = "run 'ivr sounds check'"
                log.error("prompt.clip_missing", language=language, clip=key, error=str(error), remedy=remedy)
        return None


def _is_audible(beep: bytes) -> bool:
    """Return whether callers notice a beep."""
    samples = array("h", beep)
    return len(beep) >= MIN_BEEP_MS * wav.BYTES_PER_MS and max(samples) - min(samples) > 2 * MIN_BEEP_PEAK


def _make_beep() -> bytes:
    from ivr.prompts.recording import audio_processing

    return audio_processing.to_pcm(audio_processing.tone(BEEP_HZ, BEEP_MS))
