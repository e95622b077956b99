"""Audio files of messages and media: their paths, and atomic creation.

Asterisk reads the files, so folders have mode 2750 and files 0640, with one group that the service and Asterisk share.
Asterisk writes takes into `takes/` as its own user. A take becomes a recording by copy, never by rename, because the
file must belong to the user of the service. A file of `takes/` is read by the rule of `audio/asterisk_recording.py`,
and drafts are made outside it. The functions wait for the disk: call them in a worker thread.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Literal

from ivr.audio import asterisk_recording, wav
from ivr.errors import DiskFull, NotFound, StoreError
from ivr.storage.data_folder import prepare_state_folder, state_folder
from ivr.storage.files import fsync, inherit_owner, set_mode
from ivr.storage.records import StoredFile

FOLDER_MODE = 0o2750
TAKES_MODE = 0o2770
INCOMING_MODE = 0o700
FILE_MODE = 0o640
TAKES_FOLDER = "takes"
INCOMING_FOLDER = "incoming"
SUFFIXES = (".wav", ".mp3", ".mp4", ".upload")
"""File name suffixes of one recording: the recording, its renditions, and the original upload."""
ACCOUNT_GLOB = "[0-9a-f]" * 32
STOP, START = "systemctl stop ivr.socket ivr", "systemctl start ivr"
RESTORE = f"{STOP} && ivr restore FOLDER --replace && {START}"
FILE_NAME_PATTERN = re.compile(r"(\.?)((?:\d{6}-)?[0-9a-f]{32}(?:-[0-9a-f]{8})?)\..*")
"""Names of files that the service creates; a draft begins with a dot. Files with other names are never touched.

Audio that was added after its message has a suffix of eight digits.
"""


class Recordings:
    """The audio files below one data folder. `node_folder` has the takes of this node; None: the data folder has."""

    def __init__(self, folder: Path, node_folder: Path | None = None) -> None:
        self._folder = folder
        self._node_folder = node_folder or folder
        self.takes_folder = self._node_folder / TAKES_FOLDER
        self.incoming_folder = state_folder(folder) / INCOMING_FOLDER
        self._take_drafts = state_folder(self._node_folder) / INCOMING_FOLDER

    def find_any(self) -> str:
        """Return where a recording of a message is; "": there is none. Raises `StoreError`."""
        try:
            return str(next(self._folder.glob(f"{ACCOUNT_GLOB}/vm/*"), ""))
        except OSError as error:
            raise translate_os_error(error) from error

    def describe_restoration(self, data_folder: Path, restore_dump: str = "") -> str:
        """Return what to do where there are recordings without rows. `restore_dump`: restores a server's."""
        newest = f"dump, FILE: {STOP} && {restore_dump} && {START}" if restore_dump else f"backup, of FOLDER: {RESTORE}"
        return (
            f"restore the newest {newest}; without one, move the folders of accounts in {data_folder} aside and begin"
            " anew"
        )

    def prepare(self, *data_folders: Path) -> None:
        """Create the folders that the first call needs, those of `data_folders` too. Raises `StoreError`."""
        try:
            for parent in dict.fromkeys((*data_folders, self.incoming_folder.parent.parent, self._node_folder)):
                parent.mkdir(parents=True, exist_ok=True)
                prepare_state_folder(parent)
            modes = {
                self._folder: FOLDER_MODE,
                self._node_folder: FOLDER_MODE,
                self.takes_folder: TAKES_MODE,
                self.incoming_folder: INCOMING_MODE,
                self._take_drafts: INCOMING_MODE,
            }
            for folder, mode in modes.items():
                if not folder.exists():
                    folder.mkdir(exist_ok=True)
                    inherit_owner(folder)
                    folder.chmod(mode)
                else:
                    set_mode(folder, mode)
        except OSError as error:
            raise translate_os_error(error) from error

    def message_path(self, account_id: str, recording_name: str) -> Path:
        """Path of a message's audio. `recording_name` is the message id, unless the audio was added later."""
        return self._folder / f"{account_id}/vm/{recording_name}.wav"

    def media_path(self, account_id: str, media_id: str) -> Path:
        """Path of a greeting, name or intro."""
        return self._folder / account_id / "media" / f"{media_id}.wav"

    def upload_path(self, recording: Path) -> Path:
        """Path of the original upload, stored beside the recording that was made from it."""
        return recording.with_suffix(".upload")

    def take_path(self, take_id: str) -> Path:
        """Path to which Asterisk records a take."""
        return self.takes_folder / f"{take_id}.wav"

    def copy_and_repair(self, source: Path, target: Path) -> int:
        """Copy a recording of Asterisk to `target`, repair its WAV header and sync it. Return its size in bytes.

        The caller removes the source after the row of the take. Raises `NotFound`, `InvalidAudio`, `DiskFull`,
        `StoreError`.
        """
        return self._publish(target, _new_file(lambda draft: asterisk_recording.copy_repaired(source, draft)))

    def write(self, pcm: bytes, target: Path) -> int:
        """Write 16-bit samples at 8 kHz as a recording and sync it. Return its size in bytes."""
        return self.write_file(wav.header(len(pcm)) + pcm, target)

    def write_file(self, content: bytes, target: Path) -> int:
        """Write a recording, or an original upload, as it was stored elsewhere. Return its size in bytes."""
        return self._publish(target, _new_file(lambda draft: _write_all(draft, content)))

    def copy(self, source: Path, target: Path) -> int:
        """Link a file, which never changes, to a second path. Return its size in bytes."""
        return self._publish(target, lambda draft: os.link(source, draft, follow_symlinks=False))

    async def fetch(self, *paths: Path) -> None:
        """Recordings are files here already."""

    def presigned_url(self, path: Path, method: Literal["GET", "HEAD"], lifetime_s: int) -> str | None:
        """Nothing but this machine sends a file."""
        return None

    def prefetch(self, *paths: Path) -> None:
        """Recordings are files here already."""

    @property
    def kept_bytes(self) -> int:
        """None: recordings are files here already."""
        return 0

    async def keep(self, path: Path) -> None:
        """Recordings are files here already."""

    def prefetch_found(self, find_paths: Callable[[], Awaitable[Sequence[Path]]]) -> None:
        """Recordings are files here already: nothing is looked for."""

    def find_missing(self, paths: Sequence[Path]) -> list[Path]:
        """Return those of the recordings that do not exist."""
        return [path for path in paths if not path.exists()]

    def verify(self, *, by_writing: bool = False) -> None:
        """The health checks examine the folder itself."""

    def remove(self, path: Path) -> None:
        """Remove a file; a missing file is ignored. Raises `StoreError`."""
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise translate_os_error(error) from error

    def remove_all_files(self, stem: PurePosixPath) -> None:
        """Remove a recording, its renditions and its upload. `stem`: path below the data folder without a suffix."""
        folder = self._node_folder if stem.parts[0] == TAKES_FOLDER else self._folder
        for suffix in SUFFIXES:
            self.remove(folder / f"{stem}{suffix}")

    def iter_files(self, account_id: str, media_directory: str) -> Iterator[StoredFile]:
        """Iterate the files in a folder of an account, or in `takes` with "" as account. Raises `StoreError`."""
        folder = self._folder / account_id if account_id else self._node_folder
        try:
            with os.scandir(folder / media_directory) as entries:
                for entry in entries:
                    if (name := FILE_NAME_PATTERN.fullmatch(entry.name)) and entry.is_file(follow_symlinks=False):
                        yield StoredFile(
                            "" if name[1] else name[2], Path(entry.path), entry.stat(follow_symlinks=False).st_ctime
                        )
        except FileNotFoundError:
            return  # The folder does not exist yet, or a file has been removed: the next scan reads the rest.
        except OSError as error:
            raise translate_os_error(error) from error

    def take_file_sizes(self, prefix: str) -> dict[str, int]:
        """Path and size in bytes of the files in the folder of takes that begin with `prefix`. Raises `StoreError`."""
        try:
            with os.scandir(self.takes_folder) as entries:
                return {
                    entry.path: entry.stat(follow_symlinks=False).st_size
                    for entry in entries
                    if entry.name.startswith(prefix)
                }
        except FileNotFoundError:
            return {}  # A file was removed during the scan: the next one reads all again.
        except OSError as error:
            raise translate_os_error(error) from error

    def takes_changed_at(self) -> int:
        """When a file was last added to the folder of takes or removed, in ns; -1: the folder is missing."""
        try:
            return self.takes_folder.stat().st_mtime_ns
        except OSError:
            return -1

    def _publish(self, target: Path, write_draft: Callable[[Path], object]) -> int:
        # Asterisk can replace what is in its folder, so a draft is never made there.
        folder = self._take_drafts if target.parent == self.takes_folder else target.parent
        draft = folder / f".{target.name}.part"
        try:
            self._ensure_folder(target)
            draft.unlink(missing_ok=True)
            try:
                write_draft(draft)
                inherit_owner(draft)
                draft.chmod(FILE_MODE)
                size = draft.stat().st_size
                self._store(draft, target)
                return size
            finally:
                draft.unlink(missing_ok=True)  # rename() does nothing if both names are links to the same file.
        except FileNotFoundError as error:
            raise NotFound(f"the recording {Path(error.filename or target).name} does not exist") from error
        except OSError as error:
            raise translate_os_error(error) from error

    def _store(self, draft: Path, target: Path) -> None:
        """Give a finished file its name, durably."""
        fsync(draft)
        os.replace(draft, target)
        fsync(target.parent)

    def _ensure_folder(self, target: Path) -> None:
        for folder in (target.parent.parent, target.parent):
            if not folder.exists():
                folder.mkdir(exist_ok=True)
                inherit_owner(folder)
                folder.chmod(FOLDER_MODE)
                fsync(folder.parent)


def _new_file(write: Callable[[int], None]) -> Callable[[Path], None]:
    """Return a function that creates a file and passes its descriptor to `write`."""

    def create(path: Path) -> None:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            write(descriptor)
        finally:
            os.close(descriptor)

    return create


def _write_all(descriptor: int, content: bytes) -> None:
    with os.fdopen(descriptor, "wb", closefd=False) as file:
        file.write(content)


def translate_os_error(error: OSError) -> StoreError:
    """Translate an error of the file system to a `StoreError` that says what to do."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull("the disk is full: free space for the data folder")
    return StoreError(f"the data folder cannot be read or written: {error}")
