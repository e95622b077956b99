"""Where a backup goes: a folder of snapshots that share unchanged files, or a tar stream."""

from __future__ import annotations

import fcntl
import io
import os
import re
import shutil
import stat
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO, Protocol

from ivr.backup.copying import FILE_MODE, copy_file, copy_stream, make_folder, open_regular
from ivr.backup.manifest import MANIFEST_NAME, FileEntry, Manifest, read_manifest
from ivr.errors import Conflict, InvalidBackup
from ivr.storage.files import fsync, replace_file

MARKER = ".ivr-backup"
"""A file in each folder of backups; the backup that runs holds its lock."""
DRAFT = ".draft"
SCRATCH = ".scratch"
TAR_PREFIX = "ivr-backup/"
MAX_MEMORY_BYTES = 16 * 2**20
SNAPSHOT_PATTERN = re.compile(r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ(-\d+)?")


class BackupWriter(Protocol):
    """Receives the files of one backup, then its manifest. Raises OSError."""

    def add_file(self, name: str, source: Path) -> FileEntry | None:
        """Add a file, in place of an earlier one of the name. None: it does not exist any more."""

    def scratch_folder(self) -> AbstractContextManager[Path]:
        """Return a folder for a file that is added and removed again."""

    def finish(self, manifest: Manifest) -> str:
        """Complete the backup. Return how to name it to a person."""


class SnapshotWriter:
    """Writes the next snapshot of a folder. A file that is as in the previous one becomes a link to that.

    An interrupted backup leaves its draft, whose complete files are used again.
    """

    def __init__(self, folder: Path, *, sync: bool = True) -> None:
        self._folder = folder
        self._draft = folder / DRAFT
        self._sync = sync
        names = snapshot_names(folder)
        self._previous = folder / names[-1] if names else None
        self._previous_files = _files_of(self._previous) if self._previous else {}
        self.copied_count = 0
        make_folder(self._draft)

    def add_file(self, name: str, source: Path) -> FileEntry | None:
        target = self._draft / name
        make_folder(target.parent)
        try:
            status = source.lstat()
            return (
                self._link_unchanged(name, status) or self._find_in_draft(target, status) or self._copy(source, target)
            )
        except FileNotFoundError:
            if source.exists():
                raise
            return None

    @contextmanager
    def scratch_folder(self) -> Iterator[Path]:
        scratch = self._draft / SCRATCH
        shutil.rmtree(scratch, ignore_errors=True)
        make_folder(scratch)
        yield scratch
        shutil.rmtree(scratch)

    def finish(self, manifest: Manifest) -> str:
        for folder, _, files in os.walk(self._draft, topdown=False):
            for path in (Path(folder) / file for file in files):
                if str(path.relative_to(self._draft)) not in manifest.files:
                    path.unlink()
            if not os.listdir(folder):
                os.rmdir(folder)
            elif self._sync:
                fsync(Path(folder))
        replace_file(self._draft / MANIFEST_NAME, manifest.to_json(), mode=FILE_MODE)
        snapshot = self._folder / _free_name(self._folder, manifest.name)
        self._draft.rename(snapshot)
        fsync(self._folder)
        return str(snapshot)

    def _link_unchanged(self, name: str, status: os.stat_result) -> FileEntry | None:
        entry = self._previous_files.get(name)
        if not self._previous or not entry or (entry.size, entry.mtime_ns) != (status.st_size, status.st_mtime_ns):
            return None
        target = self._draft / name
        try:
            if (self._previous / name).stat().st_size != entry.size:
                return None
            target.unlink(missing_ok=True)
            os.link(self._previous / name, target)
        except OSError:  # It is missing, or the file system has no links.
            return None
        return FileEntry(entry.size, entry.mtime_ns, stat.S_IMODE(status.st_mode), entry.sha256)

    def _find_in_draft(self, target: Path, status: os.stat_result) -> FileEntry | None:
        if not target.is_file():
            return None
        found = target.stat()
        if (found.st_size, found.st_mtime_ns) != (status.st_size, status.st_mtime_ns):
            return None
        with open_regular(target) as (file, _):
            size, sha256 = copy_stream(file)
        return FileEntry(size, found.st_mtime_ns, stat.S_IMODE(status.st_mode), sha256)

    def _copy(self, source: Path, target: Path) -> FileEntry:
        self.copied_count += 1
        return copy_file(source, target, sync=self._sync)


class _Pipe:
    """A stream that can only be written, for tarfile.

    tarfile's own stream mode writes once more when it is destroyed, also to a pipe that nothing reads any more.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._position = 0

    def write(self, block: bytes) -> int:
        view = memoryview(block)
        while view:
            view = view[self._stream.write(view) :]
        self._position += len(block)
        return len(block)

    def tell(self) -> int:
        return self._position


class TarWriter:
    """Writes a tar stream. Of two entries with one name the last one counts, as for every tar program."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._tar = tarfile.TarFile(fileobj=_Pipe(stream), mode="w")  # type: ignore[arg-type]
        self.copied_count = 0

    def add_file(self, name: str, source: Path) -> FileEntry | None:
        try:
            # A recording in progress grows, and tar must know the size first.
            with open_regular(source) as (file, status), tempfile.SpooledTemporaryFile(MAX_MEMORY_BYTES) as copy:
                size, sha256 = copy_stream(file, copy.write)
                copy.seek(0)
                self._add(name, size, status.st_mtime_ns // 10**9, copy)
        except FileNotFoundError:
            return None
        self.copied_count += 1
        return FileEntry(size, status.st_mtime_ns, stat.S_IMODE(status.st_mode), sha256)

    def scratch_folder(self) -> AbstractContextManager[Path]:
        return _temporary_folder()

    def finish(self, manifest: Manifest) -> str:
        text = manifest.to_json()
        self._add(MANIFEST_NAME, len(text), manifest.taken_at, io.BytesIO(text))
        self._tar.close()
        return "the tar stream"

    def _add(self, name: str, size: int, mtime: int, content: IO[bytes]) -> None:
        info = tarfile.TarInfo(TAR_PREFIX + name)
        info.size, info.mtime, info.mode = size, mtime, FILE_MODE
        self._tar.addfile(info, content)


@contextmanager
def _temporary_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="ivr-backup-") as folder:
        yield Path(folder)


@contextmanager
def lock_backup_folder(folder: Path) -> Iterator[None]:
    """Context in which no other backup writes to `folder`, which is created if missing.

    Raises `InvalidBackup` for a folder with other content, `Conflict` while another backup runs.
    """
    make_folder(folder)
    marker = folder / MARKER
    if not marker.exists() and set(os.listdir(folder)) - {"lost+found"}:
        raise InvalidBackup(f"{folder} is not empty and contains no backups of ivr: name a folder of its own")
    handle = os.open(marker, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict(f"another backup to {folder} is running: wait until it has ended") from None
        yield
    finally:
        os.close(handle)


def snapshot_names(folder: Path) -> list[str]:
    """Return the names of the complete snapshots in a folder of backups, oldest first."""
    try:
        names = [name for name in os.listdir(folder) if SNAPSHOT_PATTERN.fullmatch(name)]
    except OSError:
        return []
    return sorted(
        (name for name in names if (folder / name / MANIFEST_NAME).is_file()),
        key=lambda name: (name[:20], int(name[21:] or 1)),
    )


def remove_old_snapshots(folder: Path, keep: int, *, newest: str | None = None) -> list[str]:
    """Remove all snapshots but the newest `keep`, and what an interrupted removal left. Return their names.

    `newest`: the one that was written last, also if the clock was set back meanwhile.
    """
    names = sorted(snapshot_names(folder), key=lambda name: name == newest)[:-keep]
    for name in names:
        (folder / name / MANIFEST_NAME).unlink()  # From now on it is no snapshot.
    for name in os.listdir(folder):
        if SNAPSHOT_PATTERN.fullmatch(name) and not (folder / name / MANIFEST_NAME).is_file():
            shutil.rmtree(folder / name)
    return names


def _files_of(snapshot: Path) -> dict[str, FileEntry]:
    try:
        return dict(read_manifest((snapshot / MANIFEST_NAME).read_bytes()).files)
    except (OSError, InvalidBackup):
        return {}  # Everything is copied again.


def _free_name(folder: Path, name: str) -> str:
    number, free = 1, name
    while (folder / free).exists():
        number += 1
        free = f"{name}-{number}"
    return free
