"""Reading a backup back: of a folder of snapshots, one snapshot, a tar file or a tar stream; and verifying it."""

from __future__ import annotations

import os
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import IO

from ivr.backup.copying import FILE_MODE, copy_stream, open_regular
from ivr.backup.manifest import DATA_PREFIX, DATABASE_NAME, MANIFEST_NAME, Manifest, check_entry_name, read_manifest
from ivr.backup.writers import MARKER, TAR_PREFIX, snapshot_names
from ivr.errors import BadInput, InvalidBackup, NotFound
from ivr.storage.protocols import DatabaseFileStore

Entry = tuple[str, IO[bytes]]
OpenTarget = Callable[[str], AbstractContextManager[Callable[[bytes], object]]]
"""Opens what an entry of a backup is written to."""


def find_snapshot(folder: Path, name: str | None) -> Path:
    """Return the snapshot `name` of a folder of backups, or its newest. Raises `NotFound`, `InvalidBackup`."""
    if (folder / MANIFEST_NAME).is_file():
        return folder
    names = snapshot_names(folder)
    if name:
        if name not in names:
            raise NotFound(f"{folder} has no backup {name!r}: see 'ivr backup list {folder}'")
        return folder / name
    if not names:
        only_begun = (folder / MARKER).exists()
        remedy = (
            "the first one was interrupted, run it again" if only_begun else "name the folder given to 'ivr backup'"
        )
        raise InvalidBackup(f"{folder} contains no complete backup: {remedy}")
    return folder / names[-1]


@contextmanager
def open_backup(source: str, snapshot: str | None = None) -> Iterator[tuple[str, Iterator[Entry]]]:
    """Open a backup; "-" is standard input. Yields its name for people and its files; the manifest is the last.

    Raises `NotFound`, `InvalidBackup`.
    """
    path = Path(source)
    if source != "-" and not path.exists():
        raise NotFound(f"{source} does not exist")
    if source != "-" and path.is_dir():
        folder = find_snapshot(path, snapshot)
        yield str(folder), _snapshot_entries(folder)
        return
    if snapshot:
        raise BadInput(f"{source} is one backup: --snapshot names one of a folder of backups")
    with nullcontext(sys.stdin.buffer) if source == "-" else path.open("rb") as stream:
        yield "standard input" if source == "-" else source, _tar_entries(stream)


def read_backup(entries: Iterator[Entry], open_target: OpenTarget) -> tuple[Manifest, list[str]]:
    """Write each file to what `open_target` opens for it. Return the manifest, and how the files differ from it.

    Raises `InvalidBackup` without a manifest.
    """
    found: dict[str, tuple[int, str]] = {}
    manifest: Manifest | None = None
    for name, stream in entries:
        if name == MANIFEST_NAME:
            manifest = read_manifest(stream.read())
            continue
        check_entry_name(name)
        try:
            with open_target(name) as write:
                found[name] = copy_stream(stream, write)
        except tarfile.TarError as error:
            raise InvalidBackup(f"the tar file is cut off in {name}: {error}") from error
    if manifest is None:
        raise InvalidBackup("the backup has no manifest: it is not complete")
    problems = []
    for name, entry in sorted(manifest.files.items()):
        if name not in found:
            problems.append(f"{name} is missing")
        elif found[name] != (entry.size, entry.sha256):
            problems.append(f"{name} is damaged: its SHA-256 is not that of the manifest")
    problems += [f"{name} is not in the manifest" for name in sorted(found.keys() - manifest.files.keys())]
    return manifest, problems


def verify_backup(entries: Iterator[Entry], databases: DatabaseFileStore) -> tuple[Manifest, list[str]]:
    """Return the manifest and everything that is wrong with a backup: hashes, database, rows without audio."""
    with tempfile.TemporaryDirectory(prefix="ivr-backup-") as folder:
        copy = Path(folder) / "ivr.db"
        manifest, problems = read_backup(entries, lambda name: writing_to(copy) if name == DATABASE_NAME else discard())
        return manifest, problems + (content_problems(manifest, copy, databases) if copy.exists() else [])


def content_problems(manifest: Manifest, database: Path, databases: DatabaseFileStore) -> list[str]:
    """Return what is wrong with the database of a backup, and the rows whose audio is not in the manifest."""
    content = databases.read_content(database)
    if content.is_newer:
        return [
            f"the database has schema {content.schema_version}, which is newer than this version of ivr: use version"
            f" {manifest.version}"
        ]
    problems = [f"the database is damaged: {line}" for line in content.damage]
    for path, owner in sorted(content.audio.items()):
        if DATA_PREFIX + path not in manifest.files:
            problems.append(f"{owner} has no audio: {path} was missing when the backup was taken")
    return problems


@contextmanager
def writing_to(path: Path) -> Iterator[Callable[[bytes], object]]:
    """Write a new file that only its owner can read, in place of an earlier one."""
    path.unlink(missing_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
    with os.fdopen(handle, "wb") as file:
        yield file.write


def discard() -> AbstractContextManager[Callable[[bytes], object]]:
    """Write to nowhere."""
    return nullcontext(len)


def _snapshot_entries(folder: Path) -> Iterator[Entry]:
    for parent, folders, files in os.walk(folder):
        folders.sort()
        for path in (Path(parent) / name for name in sorted(files)):
            name = str(path.relative_to(folder))
            if name != MANIFEST_NAME and path.is_file() and not path.is_symlink():
                with open_regular(path) as (file, _):
                    yield name, file
    with (folder / MANIFEST_NAME).open("rb") as file:
        yield MANIFEST_NAME, file


def _tar_entries(stream: IO[bytes]) -> Iterator[Entry]:
    try:
        with tarfile.open(fileobj=stream, mode="r|*") as tar:
            for member in tar:
                file = tar.extractfile(member) if member.isreg() else None
                if not file or not member.name.startswith(TAR_PREFIX):
                    raise InvalidBackup(f"it contains {member.name!r}, which no backup of ivr contains")
                yield member.name.removeprefix(TAR_PREFIX), file
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise InvalidBackup(f"this is no complete tar file of 'ivr backup -': {error}") from error
