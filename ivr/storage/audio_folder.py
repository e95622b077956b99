"""The files of messages and media: where they lie, and how one gets there so that it is never half there.

Asterisk reads them, so folders are 2750 and files 0640, of one group that the service and Asterisk share. Asterisk
writes takes into `takes/` as its own user; a take becomes a recording by copy, never by rename: it must be ours.
These functions wait for the disk and belong into a thread of their own.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

from ivr.audio import wav
from ivr.errors import DiskFull, NotFound, StoreError
from ivr.storage.records import StoredFile

FOLDER_MODE = 0o2750
TAKES_MODE = 0o2770
FILE_MODE = 0o640
SUFFIXES = (".wav", ".mp3", ".mp4", ".upload")
"""Endings of one recording: as it is kept, as it may have been made for mail and downloads, as a program brought it."""
FILE_NAME_PATTERN = re.compile(r"(\.?)((?:\d{6}-)?[0-9a-f]{32}(?:-[0-9a-f]{8})?)\..*")
"""The name of a file that we made, a draft with a dot before it; any other is somebody else's and left alone.

Audio that came later than its message has eight digits more.
"""


class Recordings:
    """The recordings below one data folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.takes_folder = folder / "takes"
        self.incoming_folder = folder / "incoming"

    def prepare(self) -> None:
        """Make the folders that must be there before the first call. Raises `StoreError`."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            for folder, mode in (
                (self._folder, FOLDER_MODE),
                (self.takes_folder, TAKES_MODE),
                (self.incoming_folder, FOLDER_MODE),
            ):
                folder.mkdir(exist_ok=True)
                if folder.stat().st_uid == os.geteuid():
                    folder.chmod(mode)
        except OSError as error:
            raise translate_os_error(error) from error

    def message_path(self, account_id: str, recording_name: str) -> Path:
        """Where the audio of a message lies; `recording` is its id, unless its audio came later."""
        return self._folder / account_id / "vm" / f"{recording_name}.wav"

    def media_path(self, account_id: str, media_id: str) -> Path:
        """Where a greeting, a name or an intro lies."""
        return self._folder / account_id / "media" / f"{media_id}.wav"

    def upload_path(self, recording: Path) -> Path:
        """Where what a program brought lies, byte for byte, beside the recording that was made of it."""
        return recording.with_suffix(".upload")

    def take_path(self, take_id: str) -> Path:
        """Where Asterisk records a take."""
        return self.takes_folder / f"{take_id}.wav"

    def copy_and_repair(self, source: Path, target: Path) -> int:
        """Copy a recording of Asterisk's to `target`, mend its header, sync it; gives its size in bytes.

        The source stays until its row is gone. Raises `NotFound`, `InvalidAudio`, `DiskFull`, `StoreError`.
        """

        def copy(draft: Path) -> None:
            shutil.copyfile(source, draft)
            wav.repair_header(draft)

        return self._publish(target, copy)

    def write(self, pcm: bytes, target: Path) -> int:
        """Write samples as a recording, synced; gives its size in bytes."""
        return self._publish(target, lambda draft: wav.write(draft, pcm))

    def hard_link(self, source: Path, target: Path) -> int:
        """One more name for a recording, which never changes; gives its size in bytes."""
        return self._publish(target, lambda draft: os.link(source, draft))

    def remove(self, path: Path) -> None:
        """Take a file away; one that is gone already is fine."""
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise translate_os_error(error) from error

    def remove_all_files(self, stem: PurePosixPath) -> None:
        """Take a recording away in every form; `stem` is its path below the data folder, without an ending."""
        for form in SUFFIXES:
            self.remove(self._folder / f"{stem}{form}")

    def iter_files(self, account_id: str, media_directory: str) -> Iterator[StoredFile]:
        """What lies in a folder of an account, or in the folder `takes` ("" as account); one at a time."""
        try:
            with os.scandir(self._folder / account_id / media_directory) as entries:
                for entry in entries:
                    if (name := FILE_NAME_PATTERN.fullmatch(entry.name)) and entry.is_file(follow_symlinks=False):
                        yield StoredFile("" if name[1] else name[2], Path(entry.path), entry.stat().st_ctime)
        except FileNotFoundError:
            return  # No such folder yet, or a file that has gone meanwhile: the rest is looked at the next time.
        except OSError as error:
            raise translate_os_error(error) from error

    def take_file_sizes(self, prefix: str) -> dict[str, int]:
        """Path and bytes of each file in the folder of takes whose name begins with `prefix`. Raises `StoreError`."""
        try:
            with os.scandir(self.takes_folder) as entries:
                return {entry.path: entry.stat().st_size for entry in entries if entry.name.startswith(prefix)}
        except FileNotFoundError:
            return {}  # One went meanwhile: all are looked at again soon.
        except OSError as error:
            raise translate_os_error(error) from error

    def _publish(self, target: Path, write_draft: Callable[[Path], object]) -> int:
        draft = target.with_name(f".{target.name}.part")
        try:
            self._ensure_folder(target)
            draft.unlink(missing_ok=True)
            write_draft(draft)
            return _finalise(draft, target)
        except FileNotFoundError as error:
            raise NotFound(f"the recording {error.filename} is gone") from error
        except OSError as error:
            draft.unlink(missing_ok=True)
            raise translate_os_error(error) from error

    def _ensure_folder(self, target: Path) -> None:
        for folder in (target.parent.parent, target.parent):
            if not folder.exists():
                folder.mkdir(exist_ok=True)
                folder.chmod(FOLDER_MODE)
                _fsync(folder.parent)


def _finalise(draft: Path, target: Path) -> int:
    draft.chmod(FILE_MODE)
    _fsync(draft)
    os.replace(draft, target)
    draft.unlink(missing_ok=True)  # Two names of the same file: replacing one by the other does nothing.
    _fsync(target.parent)
    return target.stat().st_size


def _fsync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def translate_os_error(error: OSError) -> StoreError:
    """What a failing disk means to the person who runs it."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull("the disk is full: make room for the data folder")
    return StoreError(f"the data folder cannot be read or written: {error}")
