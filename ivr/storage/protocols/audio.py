"""Storage interface of audio files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Protocol

from ivr.storage.records import StoredFile


class AudioStore(Protocol):
    """The files of messages, greetings and takes. A stored file never changes, and is complete or absent.

    The methods that touch the disk block: call them in a worker thread. They raise `DiskFull` or `StoreError`.
    """

    @property
    def takes_folder(self) -> Path:
        """The folder that Asterisk records takes to."""

    @property
    def incoming_folder(self) -> Path:
        """The folder of uploads that are being received."""

    def message_path(self, account_id: str, recording_name: str) -> Path:
        """Return the path of a message's audio; `recording_name`: `Message.recording`."""

    def media_path(self, account_id: str, media_id: str) -> Path:
        """Return the path of a greeting, a name or an intro."""

    def upload_path(self, recording: Path) -> Path:
        """Return the path of the original upload, beside the recording that was made of it."""

    def take_path(self, take_id: str) -> Path:
        """Return the path that Asterisk records a take to."""

    def copy_and_repair(self, source: Path, target: Path) -> int:
        """Copy a recording of Asterisk, repair its header, and return its size in bytes. The source stays.

        Raises `NotFound`, `InvalidAudio`.
        """

    def write(self, pcm: bytes, target: Path) -> int:
        """Store samples as a recording and return its size in bytes."""

    def hard_link(self, source: Path, target: Path) -> int:
        """Store a recording under a further name and return its size in bytes. Raises `NotFound`."""

    def remove(self, path: Path) -> None:
        """Delete a file, if it exists."""

    def remove_all_files(self, stem: PurePosixPath) -> None:
        """Delete a recording in every format; `stem`: its path below the data folder, without a suffix."""

    def iter_files(self, account_id: str, media_directory: str) -> Iterator[StoredFile]:
        """Yield the files of a media directory of an account; for takes the account is ""."""

    def take_file_sizes(self, prefix: str) -> dict[str, int]:
        """Return the path and size in bytes of each file of the takes whose name begins with `prefix`."""
