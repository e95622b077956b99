"""Builds the recordings that are missing or whose text or voice has changed."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from pathlib import Path

from ivr.audio import wav
from ivr.errors import SoundsError
from ivr.prompts.catalogue import Catalogue, Clip
from ivr.prompts.recording import audio_processing, build_manifest, synthesis
from ivr.prompts.recording.audio_processing import Samples
from ivr.prompts.recording.synthesis import Speaker

PROMPT_SPEAKER = Speaker("rms")
"""The voice of all prompts; docs/dev/decisions/0001-prompt-voice.md says why."""


def build(
    folder: Path,
    *,
    keys: Collection[str] | None = None,
    on_progress: Callable[[str], None] = lambda _: None,
    remove_orphans: bool = False,
    speaker: Speaker = PROMPT_SPEAKER,
) -> list[str]:
    """Record the prompts that are missing or have changed; return their keys. The same texts give the same bytes.

    `keys`: record only these. `on_progress` is called with each key before it is recorded. `remove_orphans`: delete
    recordings that no key of the catalogue has. Raises `CatalogueError`, `SoundsError`.
    """
    catalogue = Catalogue.load(folder)
    selected = [catalogue[key] for key in (catalogue if keys is None else keys)]
    fingerprints = build_manifest.read(folder)
    outdated = [clip for clip in selected if not _is_up_to_date(clip, catalogue, fingerprints, speaker)]
    if any(clip.tone_hz is None for clip in outdated):
        synthesis.require_voice(speaker)
    try:
        for clip in outdated:
            on_progress(clip.key)
            write_recording(catalogue.recording_path(clip.key), _render_samples(clip, speaker))
            fingerprints[clip.key] = build_manifest.clip_fingerprint(clip, speaker)
        if remove_orphans:
            _remove_orphans(catalogue, fingerprints)
    finally:  # What was recorded before a failure need not be recorded again.
        build_manifest.write(folder, fingerprints)
    return [clip.key for clip in outdated]


def find_orphans(catalogue: Catalogue) -> list[Path]:
    """Return the recordings in the catalogue's folder that belong to none of its keys."""
    expected = {catalogue.recording_path(key) for key in catalogue}
    return sorted(path for path in catalogue.folder.rglob("*.wav") if path not in expected)


def render_speech(speaker: Speaker, text: str) -> Samples:
    """Return the spoken `text`, trimmed and levelled."""
    samples = synthesis.speak(speaker, text)
    for _ in range(2):  # What counts as silence depends on the level, and the level on where the frames start.
        samples = audio_processing.trim(audio_processing.normalize_level(samples))
    return samples


def write_recording(path: Path, samples: Samples) -> None:
    """Write a recording atomically. Raises `SoundsError`."""
    draft = path.with_name(f".{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        wav.write(draft, audio_processing.to_pcm(samples))
        os.replace(draft, path)
    except OSError as error:
        raise SoundsError(f"{path} cannot be written ({error.strerror}): make the folder writable") from error


def _is_up_to_date(clip: Clip, catalogue: Catalogue, fingerprints: dict[str, str], speaker: Speaker) -> bool:
    """Return whether `clip` has a recording that was made from its current text."""
    is_current = fingerprints.get(clip.key) == build_manifest.clip_fingerprint(clip, speaker)
    return is_current and catalogue.recording_path(clip.key).exists()


def _render_samples(clip: Clip, speaker: Speaker) -> Samples:
    if clip.tone_hz and clip.tone_ms:
        return audio_processing.tone(clip.tone_hz, clip.tone_ms)
    return render_speech(speaker, clip.say)


def _remove_orphans(catalogue: Catalogue, fingerprints: dict[str, str]) -> None:
    for path in find_orphans(catalogue):
        path.unlink()
    for key in [key for key in fingerprints if key not in catalogue]:
        del fingerprints[key]
