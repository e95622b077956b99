"""The file of one clip: µ-law without a header, as the prompts of this project are, or a WAV that a site has put there.

µ-law is what telephones carry and is half the size. Asterisk plays both.
"""

from __future__ import annotations

import os
from array import array
from pathlib import Path

from ivr.audio import ulaw, wav
from ivr.errors import InvalidAudio

ULAW_SUFFIX, WAV_SUFFIX = ".ulaw", ".wav"


def find(folder: Path, key: str) -> Path:
    """Return the recording of `key`: the WAV if there is one, else the µ-law file, whether it exists or not.

    A folder that may not be entered has none; `Path.exists` would raise `PermissionError`.
    """
    own = folder / f"{key}{WAV_SUFFIX}"
    return own if os.path.exists(own) else folder / f"{key}{ULAW_SUFFIX}"


def is_own_recording(path: Path) -> bool:
    """Return whether `path` is a recording that a site has put in place of ours."""
    return path.suffix == WAV_SUFFIX


def read_samples(path: Path) -> bytes:
    """Return the samples of a clip as 16-bit samples.

    Raises `InvalidAudio` for a WAV of another format and a file without samples, and OSError.
    """
    samples = wav.read_samples(path) if path.suffix == WAV_SUFFIX else ulaw.decode(path.read_bytes())
    if not samples:
        raise InvalidAudio(f"{path} is empty")
    return samples


def write(path: Path, samples: array[int]) -> None:
    """Write a clip atomically, as µ-law or WAV by the suffix of `path`. Raises OSError."""
    draft = path.with_name(f".{path.name}")
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ULAW_SUFFIX:
        draft.write_bytes(ulaw.encode(samples))
    else:
        wav.write(draft, samples.tobytes())
    os.replace(draft, path)
