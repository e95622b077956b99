"""Checks recordings: each problem is one sentence with its remedy."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from ivr.audio import wav
from ivr.errors import CatalogueError, InvalidAudio
from ivr.prompts.catalogue import Catalogue, Clip
from ivr.prompts.recording import audio_processing, build_manifest
from ivr.prompts.recording.building import PROMPT_SPEAKER, find_orphans

BUILD_REMEDY = "run `ivr sounds build`"
RERECORD_REMEDY = "delete the file and run `ivr sounds build`, or record it again"


def check(folder: Path, used_keys: Collection[str]) -> list[str]:
    """Return the problems of the recordings in `folder`. `used_keys`: the keys that the menus play.

    Raises `CatalogueError` for a catalogue that cannot be read, `SoundsError` for such a manifest.
    """
    catalogue = Catalogue.load(folder)
    fingerprints = build_manifest.read(folder)
    problems = [*_missing_prompts(catalogue, used_keys)]
    for key in catalogue:
        problems += _check_clip(catalogue[key], catalogue.recording_path(key), fingerprints.get(key))
    problems += [
        f"{path} belongs to no prompt of the catalogue: delete it, or add its line" for path in find_orphans(catalogue)
    ]
    return problems


def check_recording(path: Path, expected_db: float = audio_processing.SPEECH_DB) -> list[str]:
    """Return the problems of the recording at `path`. Its level should be `expected_db` dBFS."""
    try:
        samples = audio_processing.from_pcm(wav.read_samples(path))
    except InvalidAudio as error:
        return [f"{error}: {RERECORD_REMEDY}"]
    except OSError as error:
        return [f"{path} cannot be read ({error.strerror}): {RERECORD_REMEDY}"]
    return list(_check_samples(path, samples, expected_db))


def _missing_prompts(catalogue: Catalogue, used_keys: Collection[str]) -> Iterator[str]:
    for key in sorted(used_keys):
        try:
            catalogue[key]
        except CatalogueError as error:
            yield str(error)


def _check_clip(clip: Clip, path: Path, fingerprint: str | None) -> list[str]:
    if not path.exists():
        return [f"{clip.key} has no recording at {path}: {BUILD_REMEDY}"]
    problems = check_recording(path, audio_processing.TONE_DB if clip.tone_hz else audio_processing.SPEECH_DB)
    if fingerprint != build_manifest.clip_fingerprint(clip, PROMPT_SPEAKER):
        problems.append(f'{path} was not made from "{clip.say}" in the current voice: {BUILD_REMEDY}')
    return problems


def _check_samples(path: Path, samples: audio_processing.Samples, expected_db: float) -> Iterator[str]:
    level_db = audio_processing.speech_db(samples)
    if abs(level_db - expected_db) > audio_processing.SPEECH_TOLERANCE_DB:
        yield f"{path} is at {level_db:.1f} dBFS instead of {expected_db:.0f}: {RERECORD_REMEDY}"
    if audio_processing.peak_db(samples) > audio_processing.PEAK_DB + 0.1:
        yield f"{path} peaks above {audio_processing.PEAK_DB:.0f} dBFS: {RERECORD_REMEDY}"
    for edge, ms in zip(("begins", "ends"), audio_processing.edge_silence_ms(samples), strict=True):
        if ms > audio_processing.MAX_EDGE_SILENCE_MS:
            limit_ms = audio_processing.MAX_EDGE_SILENCE_MS
            yield f"{path} {edge} with {ms} ms of silence, {limit_ms} are allowed: {RERECORD_REMEDY}"
