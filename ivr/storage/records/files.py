"""Records of audio files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file in a media directory."""

    id: str
    """The id of the row that it should belong to; "" for a draft, which belongs to none."""
    path: Path
    changed_at: float
    """Unix seconds at which the file got this name (a link to an old file is young)."""
