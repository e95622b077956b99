"""What is wrong with the recordings, in words, each with its remedy."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from ivr.audio import wav
from ivr.errors import AudioRefused, CatalogueError
from ivr.prompts.catalogue import Catalogue, Clip
from ivr.prompts.recording import ledger, shaping
from ivr.prompts.recording.building import PROMPT_SPEAKER, orphans

BUILD = "run `ivr sounds build`"
AGAIN = "delete the file and run `ivr sounds build`, or record it again"


def check(folder: Path, used: Collection[str]) -> list[str]:
    """The problems of the recordings in `folder`, none if all is well; `used` are the keys that the menus say.

    Raises `CatalogueError` for a catalogue that cannot be read at all, `SoundsError` for such a ledger.
    """
    catalogue = Catalogue.load(folder)
    made = ledger.read(folder)
    found = [*_lacking(catalogue, used)]
    for key in catalogue:
        found += _of_clip(catalogue[key], catalogue.recording(key), made.get(key))
    found += [f"{path} is of no prompt in the catalogue: delete it, or add its line" for path in orphans(catalogue)]
    return found


def problems_of(path: Path, expected_db: float = shaping.SPEECH_DB) -> list[str]:
    """What is wrong with the one recording at `path`, whatever it says; its level should be `expected_db` dBFS."""
    try:
        samples = shaping.from_pcm(wav.samples(path))
    except AudioRefused as error:
        return [f"{error}: {AGAIN}"]
    except OSError as error:
        return [f"{path} cannot be read ({error.strerror}): {AGAIN}"]
    return list(_of_samples(path, samples, expected_db))


def _lacking(catalogue: Catalogue, used: Collection[str]) -> Iterator[str]:
    for key in sorted(used):
        try:
            catalogue[key]
        except CatalogueError as error:
            yield str(error)


def _of_clip(clip: Clip, path: Path, made_from: str | None) -> list[str]:
    if not path.exists():
        return [f"{clip.key} has no recording at {path}: {BUILD}"]
    problems = problems_of(path, shaping.TONE_DB if clip.tone_hz else shaping.SPEECH_DB)
    if made_from != ledger.clip_fingerprint(clip, PROMPT_SPEAKER):
        problems.append(f'{path} was not made from "{clip.say}" in the voice of now: {BUILD}')
    return problems


def _of_samples(path: Path, samples: shaping.Samples, expected_db: float) -> Iterator[str]:
    level_db = shaping.speech_db(samples)
    if abs(level_db - expected_db) > shaping.SPEECH_TOLERANCE_DB:
        yield f"{path} is at {level_db:.1f} dBFS instead of {expected_db:.0f}: {AGAIN}"
    if shaping.peak_db(samples) > shaping.PEAK_DB + 0.1:
        yield f"{path} peaks above {shaping.PEAK_DB:.0f} dBFS: {AGAIN}"
    for edge, ms in zip(("begins", "ends"), shaping.silence_ms(samples), strict=True):
        if ms > shaping.MAX_EDGE_MS:
            yield f"{path} {edge} with {ms} ms of silence, {shaping.MAX_EDGE_MS} are allowed: {AGAIN}"
