"""Make the recordings that are missing or whose text or voice has changed."""

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
"""The voice of all prompts; docs/dev/decisions/0001-the-voice.md says why."""


def build(
    folder: Path,
    *,
    keys: Collection[str] | None = None,
    on_progress: Callable[[str], None] = lambda _: None,
    remove_orphans: bool = False,
) -> list[str]:
    """Record what is missing or changed, of `keys` only if given; returns the keys recorded. The same texts give the
    same bytes. `progress` is told each key as it is begun. Raises `CatalogueError`, `SoundsError`.
    """
    catalogue = Catalogue.load(folder)
    wanted = [catalogue[key] for key in (catalogue if keys is None else keys)]
    made = build_manifest.read(folder)
    due = [clip for clip in wanted if not is_up_to_date(clip, catalogue, made)]
    if any(clip.tone_hz is None for clip in due):
        synthesis.require_voice(PROMPT_SPEAKER)
    try:
        for clip in due:
            on_progress(clip.key)
            write_recording(catalogue.recording_path(clip.key), _render_samples(clip))
            made[clip.key] = build_manifest.clip_fingerprint(clip, PROMPT_SPEAKER)
        if remove_orphans:
            _remove_orphans(catalogue, made)
    finally:  # what was recorded before a failure need not be recorded again
        build_manifest.write(folder, made)
    return [clip.key for clip in due]


def is_up_to_date(clip: Clip, catalogue: Catalogue, fingerprints: dict[str, str]) -> bool:
    """Whether there is a recording of `clip`, made from its text as it is now."""
    same = fingerprints.get(clip.key) == build_manifest.clip_fingerprint(clip, PROMPT_SPEAKER)
    return same and catalogue.recording_path(clip.key).exists()


def find_orphans(catalogue: Catalogue) -> list[Path]:
    """Recordings in the catalogue's folder that no key of it has."""
    known = {catalogue.recording_path(key) for key in catalogue}
    return sorted(path for path in catalogue.folder.rglob("*.wav") if path not in known)


def render_speech(speaker: Speaker, text: str) -> Samples:
    """`say` as it is recorded: trimmed and levelled."""
    samples = synthesis.speak(speaker, text)
    for _ in range(2):  # what is silence depends on the level, and the level on where the frames begin
        samples = audio_processing.trim(audio_processing.normalize_level(samples))
    return samples


def write_recording(path: Path, samples: Samples) -> None:
    """Write a recording so that nobody ever reads half of one. Raises `SoundsError`."""
    draft = path.with_name(f".{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        wav.write(draft, audio_processing.to_pcm(samples))
        os.replace(draft, path)
    except OSError as error:
        raise SoundsError(f"{path} cannot be written ({error.strerror}): make the folder writable") from error


def _render_samples(clip: Clip) -> Samples:
    if clip.tone_hz and clip.tone_ms:
        return audio_processing.tone(clip.tone_hz, clip.tone_ms)
    return render_speech(PROMPT_SPEAKER, clip.say)


def _remove_orphans(catalogue: Catalogue, fingerprints: dict[str, str]) -> None:
    for path in find_orphans(catalogue):
        path.unlink()
    for key in [key for key in fingerprints if key not in catalogue]:
        del fingerprints[key]
