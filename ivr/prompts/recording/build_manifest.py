"""The build manifest, `recordings.json` beside the catalogue: a fingerprint of what each recording was made from.

A build only records prompts whose fingerprint has changed.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from ivr.errors import SoundsError
from ivr.prompts.catalogue import MANIFEST_FILE, Clip
from ivr.prompts.recording import audio_processing, synthesis
from ivr.prompts.recording.synthesis import Speaker

RECIPE_VERSION = 1
"""To be increased whenever the code makes different samples of the same texts and settings."""


def fingerprint(text: str, speaker: Speaker) -> str:
    """Return a hash of everything that affects the recording of `text`."""
    return _hash(
        text,
        asdict(speaker),
        synthesis.CONTINUATION_TEXT,
        synthesis.TELEPHONE_BAND,
        audio_processing.SILENCE_DB,
        audio_processing.LEAD_MS,
        audio_processing.TAIL_MS,
        audio_processing.SPEECH_DB,
        audio_processing.PEAK_DB,
    )


def clip_fingerprint(clip: Clip, speaker: Speaker) -> str:
    """Return the fingerprint of a clip of the catalogue, which may be a tone."""
    if clip.tone_hz:
        return _hash(clip.tone_hz, clip.tone_ms, audio_processing.TONE_DB)
    return fingerprint(clip.say, speaker)


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
    draft.write_text(json.dumps(fingerprints, indent=0, sort_keys=True) + "\n")
    os.replace(draft, folder / MANIFEST_FILE)


def _hash(*inputs: object) -> str:
    return hashlib.sha256(json.dumps((RECIPE_VERSION, *inputs)).encode()).hexdigest()[:16]
