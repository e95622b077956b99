"""The port of the audio: what stores recordings, and makes files of them that can be played."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Literal, Protocol

from ivr.storage.records import StoredFile


class AudioStore(Protocol):
    """The audio of messages, greetings and takes. A stored recording never changes, and is complete or absent.

    A path names a recording. What is at the path of a stored recording may be read, and played by Asterisk, after
    `fetch` only: the store may be a folder, where it always is, or elsewhere. Takes and incoming uploads are files of
    this node in either case. All methods but `fetch` and those that return a path block: call them in a worker thread.
    They raise `DiskFull` or `StoreError`.
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

    def copy(self, source: Path, target: Path) -> int:
        """Store a recording, or a file that was uploaded, under a further name; return its size in bytes.

        The copy stays when the source is removed. Raises `NotFound`.
        """

    async def fetch(self, *paths: Path) -> None:
        """Make files of stored recordings, so that they can be read. What is missing in the store stays missing.

        They stay for minutes at least; fetch them again before each playback. Raises `StoreError`, `DiskFull`.
        """

    def prefetch(self, *paths: Path) -> None:
        """Begin to fetch recordings that will probably be played, without waiting. Errors are left to `fetch`."""

    @property
    def kept_bytes(self) -> int:
        """How many bytes of recordings `keep` may make files of in all; 0: fetching takes no time."""

    async def keep(self, path: Path) -> None:
        """Make a file of a recording that will be the first thing a caller hears, and let others go before it.

        Unlike `fetch`, it does not count as played. Raises `StoreError`, `DiskFull`.
        """

    def prefetch_found(self, find_paths: Callable[[], Awaitable[Sequence[Path]]]) -> None:
        """Begin to find recordings that will probably be played, and to fetch them, as `prefetch` does.

        Where fetching takes no time, nothing is looked for.
        """

    def find_missing(self, paths: Sequence[Path]) -> list[Path]:
        """Return those of the recordings that the store does not have."""

    def presigned_url(self, path: Path, method: Literal["GET", "HEAD"], lifetime_s: int) -> str | None:
        """Return a URL at which the store itself sends a recording without the key; None for a folder."""

    def verify(self, *, by_writing: bool = False) -> None:
        """Return if what stores the recordings answers; `by_writing`: if it also stores and deletes.

        Raises `StoreError`, which says what to do. A folder is examined by the health checks.
        """

    def remove(self, path: Path) -> None:
        """Delete a file, if it exists."""

    def remove_all_files(self, stem: PurePosixPath) -> None:
        """Delete a recording in every format; `stem`: its path below the data folder, without a suffix."""

    def iter_files(self, account_id: str, media_directory: str) -> Iterator[StoredFile]:
        """Yield the files of a media directory of an account; for takes the account is ""."""

    def take_file_sizes(self, prefix: str) -> dict[str, int]:
        """Return the path and size in bytes of each file of the takes whose name begins with `prefix`."""

    def takes_changed_at(self) -> int:
        """Return when a file was last added to the folder of takes or removed, in ns; -1 without a folder.

        One system call, which does not wait for the disk.
        """
