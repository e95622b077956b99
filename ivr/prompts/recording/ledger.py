"""What each recording was made from: `recordings.json` beside the catalogue, so that a build makes what changed."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from ivr.errors import SoundsError
from ivr.prompts.catalogue import LEDGER, Clip
from ivr.prompts.recording import shaping, synthesis
from ivr.prompts.recording.synthesis import Speaker

RECIPE = 1
"""Raised whenever the code makes other samples of the same texts and settings."""


def fingerprint(say: str, speaker: Speaker) -> str:
    """Another one whenever `say` would be recorded another way."""
    return _hash(
        say, asdict(speaker), synthesis.MORE_TO_COME, synthesis.TELEPHONE_BAND, shaping.SILENCE_DB, shaping.LEAD_MS,
        shaping.TAIL_MS, shaping.SPEECH_DB, shaping.PEAK_DB,
    )  # fmt: skip


def clip_fingerprint(clip: Clip, speaker: Speaker) -> str:
    """The same for a clip of the catalogue, which may be a tone."""
    if clip.tone_hz:
        return _hash(clip.tone_hz, clip.tone_ms, shaping.TONE_DB)
    return fingerprint(clip.say, speaker)


def read(folder: Path) -> dict[str, str]:
    """Key or file → fingerprint of what was recorded last. Raises `SoundsError`."""
    path = folder / LEDGER
    try:
        made = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise SoundsError(f"{path} cannot be read ({error}): delete it and build all recordings again") from error
    return {str(key): str(value) for key, value in made.items()} if isinstance(made, dict) else {}


def write(folder: Path, made: Mapping[str, str]) -> None:
    """Replace the ledger whole."""
    draft = folder / f".{LEDGER}"
    draft.write_text(json.dumps(made, indent=0, sort_keys=True) + "\n")
    os.replace(draft, folder / LEDGER)


def _hash(*made_from: object) -> str:
    return hashlib.sha256(json.dumps((RECIPE, *made_from)).encode()).hexdigest()[:16]
