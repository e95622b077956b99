"""ZIP files with recordings of people: written beside their name, readable by their writer only."""

from __future__ import annotations

import json
import os
import re
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ivr.audio import wav
from ivr.audio.asterisk_recording import copy_repaired
from ivr.clock import date_of
from ivr.errors import BadInput, InvalidAudio
from ivr.storage.records import Message

PRIVATE_MODE = 0o600
EARLIEST_ZIP_YEAR, LATEST_ZIP_YEAR = 1980, 2107


@contextmanager
def new_private_zip(file: Path) -> Iterator[zipfile.ZipFile]:
    """Context in which a ZIP file is written; it gets its name at the end, if nothing failed.

    Raises `BadInput` if it exists or its folder does not, OSError.
    """
    draft = _draft_of(file)
    try:
        # As root in a folder of others: what lies under that name is not followed, and not written.
        draft.unlink(missing_ok=True)
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, PRIVATE_MODE)
        with os.fdopen(handle, "wb") as raw, zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as archive:
            yield archive
        draft.rename(file)
    finally:
        draft.unlink(missing_ok=True)


def _draft_of(file: Path) -> Path:
    """Return the name of the file while it is written. Raises `BadInput`."""
    if file.suffix.lower() != ".zip":
        raise BadInput(f"{file} is not a .zip file: the export is a ZIP file")
    if file.exists():
        raise BadInput(f"{file} exists: choose another name")
    if not file.parent.is_dir():
        raise BadInput(f"{file.parent} is not a folder: create it, or choose another one")
    return file.with_name(f".{file.name}.draft")


def message_file_name(message: Message) -> str:
    """Return a name that sorts by time and says who has called; every file system accepts it."""
    time = date_of(message.time).strftime("%Y-%m-%d_%H%M%S")
    caller = re.sub(r"[^0-9A-Za-z+]", "", message.caller.number)[:32] or "anonymous"
    return f"{time}_{caller}_{message.id}.wav"


def write_audio(archive: zipfile.ZipFile, name: str, paths: Sequence[Path], time: int) -> bool:
    """Write recordings one behind the other as one WAV. Return whether all of them could be read."""
    try:
        samples = b"".join(wav.read_samples(path) for path in paths)
    except (FileNotFoundError, InvalidAudio):
        return False
    archive.writestr(_entry(name, time), wav.header(len(samples)) + samples)
    return True


def write_take(archive: zipfile.ZipFile, name: str, recording: Path, time: int) -> bool:
    """Write a recording in progress, which Asterisk can replace by anything. Return whether there was one."""
    with tempfile.TemporaryFile() as copy:
        try:
            copy_repaired(recording, copy.fileno())
        except (OSError, InvalidAudio):
            return False
        copy.seek(0)
        archive.writestr(_entry(name, time), copy.read())
    return True


def write_json(archive: zipfile.ZipFile, name: str, document: Any, time: float) -> None:
    """Write a document as a file of the archive."""
    archive.writestr(_entry(name, time), json.dumps(document, indent=2, ensure_ascii=False, default=str) + "\n")


def _entry(name: str, time: float) -> zipfile.ZipInfo:
    """Return an entry with a local time, in a year that ZIP files can express: imports have others."""
    local = date_of(int(time))
    year = min(max(local.year, EARLIEST_ZIP_YEAR), LATEST_ZIP_YEAR)
    entry = zipfile.ZipInfo(name, (year, local.month, local.day, local.hour, local.minute, local.second))
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = PRIVATE_MODE << 16
    return entry
