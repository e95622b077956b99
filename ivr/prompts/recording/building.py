"""Builds the recordings that are missing or whose text or voice has changed."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

from ivr.audio import ulaw
from ivr.errors import SoundsError
from ivr.prompts import clip_file
from ivr.prompts.catalogue import Catalogue
from ivr.prompts.clip import Clip
from ivr.prompts.recording import audio_processing, build_manifest
from ivr.prompts.recording.audio_processing import Samples
from ivr.prompts.recording.speaker import Speaker


def build(
    folder: Path,
    *,
    keys: Collection[str] | None = None,
    on_progress: Callable[[str], None] = lambda _: None,
    remove_orphans: bool = False,
    speaker: Speaker | None = None,
) -> list[str]:
    """Record the prompts that are missing or have changed; return their keys. The same texts give the same bytes.

    A WAV is a recording of the site's own and stays.

    `keys`: record only these. `on_progress` is called with each key before it is recorded. `remove_orphans`: delete
    recordings that no key of the catalogue has. `speaker`: the voice, if not that of the present recordings;
    another one records everything again. Raises `CatalogueError`, `SoundsError`.
    """
    catalogue = Catalogue.load(folder)
    selected = [catalogue[key] for key in (catalogue if keys is None else keys)]
    fingerprints = build_manifest.read(folder)
    voice = speaker or build_manifest.find_current_speaker(fingerprints)
    outdated = [
        clip
        for clip in selected
        if not clip_file.is_own_recording(catalogue.recording_path(clip.key))
        and (
            not build_manifest.is_current(clip, fingerprints.get(clip.key, ""), voice)
            or not catalogue.recording_path(clip.key).exists()
        )
    ]
    if any(clip.is_speech for clip in outdated):
        voice.require()
    fingerprints[build_manifest.VOICE_KEY] = voice.name
    try:
        for clip in outdated:
            on_progress(clip.key)
            write_recording(catalogue.recording_path(clip.key), _render_samples(clip, voice))
            fingerprints[clip.key] = build_manifest.clip_fingerprint(clip, voice)
        if remove_orphans:
            _remove_orphans(catalogue, fingerprints)
    finally:  # What was recorded before a failure need not be recorded again.
        build_manifest.write(folder, fingerprints)
    return [clip.key for clip in outdated]


def render_speech(speaker: Speaker, text: str) -> Samples:
    """Return the spoken `text`, trimmed, levelled, and without long pauses."""
    samples = speaker.speak(text)
    for _ in range(2):  # What counts as silence depends on the level, and the level on where the frames start.
        samples = audio_processing.trim(audio_processing.normalize_level(samples))
    return audio_processing.shorten_pauses(samples)


def write_recording(path: Path, samples: Samples) -> None:
    """Write a recording atomically. Raises `SoundsError`."""
    try:
        clip_file.write(path, audio_processing.to_16_bit(samples))
    except OSError as error:
        raise SoundsError(f"{path} cannot be written ({error.strerror}): make the folder writable") from error


def _render_samples(clip: Clip, speaker: Speaker) -> Samples:
    if clip.tone_hz and clip.tone_ms:
        return audio_processing.tone(clip.tone_hz, clip.tone_ms)
    if clip.silence_ms:
        return audio_processing.silence(clip.silence_ms)
    return audio_processing.trim(_as_stored(render_speech(speaker, clip.say)))


def _as_stored(samples: Samples) -> Samples:
    """Return samples with the noise of µ-law, by which silence at the edges is judged."""
    return audio_processing.from_pcm(ulaw.decode(ulaw.encode(audio_processing.to_16_bit(samples))))


def _remove_orphans(catalogue: Catalogue, fingerprints: dict[str, str]) -> None:
    for path in catalogue.find_orphans():
        path.unlink()
    for key in fingerprints.keys() - {*catalogue, build_manifest.VOICE_KEY}:
        del fingerprints[key]
