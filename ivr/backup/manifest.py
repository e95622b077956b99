"""The manifest of a backup: its files with their hashes, and what took it when. It is written last."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath

from ivr.errors import InvalidBackup

FORMAT = 1
MANIFEST_NAME = "manifest.json"
DATA_PREFIX = "data/"
CONFIG_PREFIX = "config/"
DATABASE_NAME = "data/ivr.db"
TIME_FORMAT = "%Y-%m-%dT%H-%M-%SZ"
"""Names of snapshots: UTC, so that their order is that of their times."""


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file of a backup. `sha256`: in hexadecimal digits. `mode`: the permissions of the original."""

    size: int
    mtime_ns: int
    mode: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """The content of a backup."""

    taken_at: int
    """Unix seconds."""
    version: str
    """Version of this program that took it."""
    schema_version: int
    data_folder: str
    message_count: int
    files: Mapping[str, FileEntry]
    """By path: below `data/` of the data folder, below `config/` of the machine."""

    @property
    def name(self) -> str:
        """The name of the snapshot."""
        return datetime.fromtimestamp(self.taken_at, UTC).strftime(TIME_FORMAT)

    @property
    def size(self) -> int:
        """The size of all files, in bytes."""
        return sum(entry.size for entry in self.files.values())

    def to_json(self) -> bytes:
        """Return the text of the manifest."""
        return (json.dumps({"format": FORMAT, **asdict(self)}, indent=1, sort_keys=True) + "\n").encode()


def read_manifest(text: bytes) -> Manifest:
    """Return the manifest with this text. Raises `InvalidBackup`."""
    try:
        document = json.loads(text)
        found = document.pop("format")
        if found != FORMAT:
            raise InvalidBackup(f"the backup has format {found}, this version of ivr reads {FORMAT}: use a newer one")
        files = {name: FileEntry(**entry) for name, entry in document.pop("files").items()}
        manifest = Manifest(files=files, **document)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise InvalidBackup(f"{MANIFEST_NAME} is damaged: {error}") from None
    for name in manifest.files:
        check_entry_name(name)
    return manifest


def check_entry_name(name: str) -> None:
    """Raise `InvalidBackup` for a name that could lead out of the folder that a backup is restored to."""
    path = PurePosixPath(name)
    is_inside = name.startswith((DATA_PREFIX, CONFIG_PREFIX)) and ".." not in path.parts and str(path) == name
    if not is_inside or re.search(r"[\0\n]", name):
        raise InvalidBackup(f"the backup contains the file name {name!r}, which is not one of ivr")
