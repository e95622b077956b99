"""The manifest of a build, and the check of recordings against it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from ivr.errors import CatalogueError, InvalidAudio, SoundsError
from ivr.prompts import clip_file
from ivr.prompts.catalogue import MANIFEST_FILE, Catalogue
from ivr.prompts.clip import Clip
from ivr.prompts.recording import audio_processing, telephone_band
from ivr.prompts.recording.speaker import Speaker
from ivr.prompts.recording.speakers import PROMPT_VOICE, find_speaker

VOICE_KEY = "voice"
"""The line of the manifest with the name of the voice."""
RECIPE_VERSION = 2
"""To be increased whenever the code makes different samples of the same texts and settings."""


def fingerprint(text: str, speaker: Speaker, phonemes: str) -> str:
    """Return a hash of everything that affects the recording of `text`, followed by the phonemes if there are any.

    They stand beside the hash so that it can be checked where the synthesiser is not installed.
    """
    digest = _hash(
        text,
        speaker.inputs,
        phonemes,
        telephone_band.EFFECTS,
        audio_processing.SILENCE_DB,
        audio_processing.LEAD_MS,
        audio_processing.TAIL_MS,
        audio_processing.SPEECH_DB,
        audio_processing.PEAK_DB,
        audio_processing.MAX_PAUSE_MS,
    )
    return f"{digest} {phonemes}".rstrip()


def clip_fingerprint(clip: Clip, speaker: Speaker) -> str:
    """Return the fingerprint of a clip of the catalogue, which may be a tone."""
    return fingerprint(clip.say, speaker, speaker.pronounce(clip.say)) if clip.is_speech else _sound_fingerprint(clip)


def is_current(clip: Clip, recorded: str, speaker: Speaker) -> bool:
    """Return whether a clip was recorded from its present text and voice, and the phonemes that `recorded` names."""
    _, _, phonemes = recorded.partition(" ")
    return recorded == (fingerprint(clip.say, speaker, phonemes) if clip.is_speech else _sound_fingerprint(clip))


def _sound_fingerprint(clip: Clip) -> str:
    """Return the fingerprint of a tone or a pause."""
    if clip.silence_ms:
        return _hash(clip.silence_ms)
    return _hash(clip.tone_hz, clip.tone_ms, audio_processing.TONE_DB)


def find_current_speaker(fingerprints: Mapping[str, str]) -> Speaker:
    """Return the voice that the recordings of a manifest were made in; that of the prompts if there are none."""
    return find_speaker(fingerprints.get(VOICE_KEY, PROMPT_VOICE))


def read(folder: Path) -> dict[str, str]:
    """Return the fingerprint of each recording by key or file name. Raises `SoundsError`."""
    path = folder / MANIFEST_FILE
    try:
        manifest = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise SoundsError(f"{path} cannot be read ({error}): delete it and build all recordings again") from error
    return {str(key): str(value) for key, value in manifest.items()} if isinstance(manifest, dict) else {}


def write(folder: Path, fingerprints: Mapping[str, str]) -> None:
    """Replace the manifest."""
    draft = folder / f".{MANIFEST_FILE}"
    draft.write_text(json.dumps(fingerprints, indent=0, sort_keys=True, ensure_ascii=False) + "\n")
    os.replace(draft, folder / MANIFEST_FILE)


def _hash(*inputs: object) -> str:
    return hashlib.sha256(json.dumps((RECIPE_VERSION, *inputs), sort_keys=True).encode()).hexdigest()[:16]


BUILD_REMEDY = "run `ivr sounds build`"
RERECORD_REMEDY = "delete the file and run `ivr sounds build`, or record it again"


def check(folder: Path, used_keys: Collection[str], *, speaker: Speaker | None = None) -> list[str]:
    """Return the problems of the recordings in `folder`. `used_keys`: the keys that the menus play.
    `speaker`: the voice they should be in, if not that of the manifest.

    Raises `CatalogueError` for a catalogue that cannot be read, `SoundsError` for such a manifest.
    """
    catalogue = Catalogue.load(folder)
    fingerprints = read(folder)
    expected_speaker = speaker or find_current_speaker(fingerprints)
    problems = [*_missing_prompts(catalogue, used_keys), *catalogue.incomplete_phrases]
    for key in catalogue:
        recorded = fingerprints.get(key, "")
        problems += _check_clip(catalogue[key], catalogue.recording_path(key), recorded, expected_speaker)
    problems += [
        f"{path} belongs to no prompt of the catalogue: delete it, or add its line" for path in catalogue.find_orphans()
    ]
    return problems


def check_recording(path: Path, expected_db: float = audio_processing.SPEECH_DB) -> list[str]:
    """Return the problems of the recording at `path`. Its level should be `expected_db` dBFS."""
    try:
        samples = audio_processing.from_pcm(clip_file.read_samples(path))
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


def _check_clip(clip: Clip, path: Path, recorded: str, speaker: Speaker) -> list[str]:
    if not path.exists():
        return [f"{clip.key} has no recording at {path}: {BUILD_REMEDY}"]
    if clip_file.is_own_recording(path):
        return _check_own_recording(path)
    expected_db = audio_processing.TONE_DB if clip.tone_hz else audio_processing.SPEECH_DB
    problems = [] if clip.silence_ms else check_recording(path, expected_db)
    if not is_current(clip, recorded, speaker):
        problems.append(f'{path} was not made from "{clip.say}" in the current voice: {BUILD_REMEDY}')
    return problems


def _check_own_recording(path: Path) -> list[str]:
    """Return the problems of a recording that a site has put there: its level and its pauses are the site's."""
    try:
        clip_file.read_samples(path)
    except (InvalidAudio, OSError) as error:
        return [f"{error}: convert it with: sox FILE -r 8000 -c 1 -b 16 {path.name}"]
    return []


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
