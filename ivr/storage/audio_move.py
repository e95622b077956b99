"""Copies all recordings from a data folder to a bucket, or back, while services run, and compares both."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from pydantic import ValidationError

from ivr.errors import BadInput, NotFound, SettingsError, StoreError, install_command
from ivr.storage.audio_folder import FILE_NAME_PATTERN, Recordings
from ivr.storage.protocols.database import OnProgress
from ivr.storage.records import AudioComparison, MediaDirectory
from ivr.storage.settings import AudioSettings

MOVED_SUFFIXES = (".wav", ".upload")
"""Of what a node makes of a recording by itself, nothing is moved."""
TRANSFERS = 8
"""At a time: a store waits for each request longer than this process works."""
BATCH = 200


class AudioFiles(Protocol):
    """Recordings of one place. A key is the path below it. All methods raise `StoreError`."""

    name: str
    """As messages name it."""

    def sizes(self, folder: str) -> dict[str, int]:
        """Return the recordings of a folder, each with its size in bytes."""

    def read(self, key: str) -> bytes:
        """Return the content of a recording. Raises `NotFound`."""

    def write(self, key: str, content: bytes) -> None:
        """Store a recording durably, complete or not at all, maybe in the place of another one."""


class AudioMove:
    """The move of the recordings of these accounts from `source`, which is not changed, to `target`."""

    def __init__(self, source: AudioFiles, target: AudioFiles, account_ids: Sequence[str]) -> None:
        self._source = source
        self._target = target
        directories = (MediaDirectory.MESSAGES, MediaDirectory.MEDIA)
        self._folders = [f"{account_id}/{directory}" for account_id in account_ids for directory in directories]

    def run(self, on_progress: OnProgress) -> AudioComparison:
        """Copy what the target does not have, read each copy again, and compare the lists of both.

        Raises `StoreError` if a copy is not what was read. After an interruption, repeat it.
        """

        def copy(key: str) -> None:
            try:
                content = self._source.read(key)
            except NotFound:
                return  # Deleted since it was listed.
            self._target.write(key, content)
            if self._target.read(key) != content:
                raise StoreError(f"{self._target.name} returns other content than was stored ({key}): use another one")

        self._for_each(lambda here, there: [key for key in here if there.get(key) != here[key]], copy, on_progress)
        return self._conclude(lambda key: True, lambda done, total: None)

    def compare(self, on_progress: OnProgress) -> AudioComparison:
        """Compare the content of all recordings. Nothing is changed."""
        return self._conclude(lambda key: self._target.read(key) == self._source.read(key), on_progress)

    def _conclude(self, is_equal: Callable[[str], bool], on_progress: OnProgress) -> AudioComparison:
        different: list[str] = []
        recordings = extra = 0

        def compare(key: str) -> None:
            try:
                if not is_equal(key):
                    different.append(key)
            except NotFound:
                pass  # Deleted since it was listed.

        def choose(here: dict[str, int], there: dict[str, int]) -> list[str]:
            nonlocal recordings, extra
            recordings += len(here)
            extra += len(there.keys() - here.keys())
            different.extend(key for key in here if there.get(key) != here[key])
            return [key for key in here if there.get(key) == here[key]]

        self._for_each(choose, compare, on_progress)
        names = self._source.name, self._target.name
        return AudioComparison(*names, recordings=recordings, different=tuple(sorted(different)), only_there=extra)

    def _for_each(
        self,
        choose: Callable[[dict[str, int], dict[str, int]], list[str]],
        process: Callable[[str], None],
        on_progress: OnProgress,
    ) -> None:
        """Process what `choose` returns of each folder, from its recordings in source and target."""
        done = total = 0
        with ThreadPoolExecutor(TRANSFERS, thread_name_prefix="audio-move") as threads:
            for folder in self._folders:
                there = self._target.sizes(folder)
                chosen = choose(self._source.sizes(folder), there)
                total += len(chosen)
                for start in range(0, len(chosen), BATCH):
                    done += len(list(threads.map(process, chosen[start : start + BATCH])))
                    on_progress(done, total)


class FolderFiles:
    """The recordings of a data folder."""

    def __init__(self, folder: Path) -> None:
        self.name = str(folder)
        self._folder = folder
        self._recordings = Recordings(folder)

    def sizes(self, folder: str) -> dict[str, int]:
        return dict(self._list(folder))

    def _list(self, folder: str) -> Iterator[tuple[str, int]]:
        account_id, directory = folder.split("/")
        for file in self._recordings.iter_files(account_id, directory):
            if file.id and file.path.suffix in MOVED_SUFFIXES:
                with suppress(FileNotFoundError):  # Deleted since it was listed.
                    yield f"{folder}/{file.path.name}", file.path.stat().st_size

    def read(self, key: str) -> bytes:
        try:
            descriptor = os.open(self._folder / key, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise NotFound("the recording does not exist") from error
        with os.fdopen(descriptor, "rb") as file:
            return file.read()

    def write(self, key: str, content: bytes) -> None:
        self._recordings.write_file(content, self._folder / key)


class BucketFiles:
    """The recordings of a bucket."""

    def __init__(self, settings: AudioSettings) -> None:
        from ivr.storage.object_store import ObjectStore

        self.name = settings.store
        self._objects = ObjectStore(settings)

    def sizes(self, folder: str) -> dict[str, int]:
        return {
            found.key: found.size
            for found in self._objects.list(folder)
            if (name := found.key.rpartition("/")[2]).endswith(MOVED_SUFFIXES)
            and (match := FILE_NAME_PATTERN.fullmatch(name))
            and not match[1]
        }

    def read(self, key: str) -> bytes:
        return b"".join(self._objects.chunks(key))

    def write(self, key: str, content: bytes) -> None:
        if not self._objects.create(key, content):
            self._objects.replace(key, content)


def create_audio_move(settings: AudioSettings, store: str, folder: Path, account_ids: Sequence[str]) -> AudioMove:
    """Return the move from the store of the settings to `store`; both have the other settings in common.

    Raises `BadInput`, `SettingsError`, `StoreError`.
    """
    try:
        target = AudioSettings.model_validate({**settings.model_dump(), "store": store})
    except ValidationError as error:
        what = f"--audio {store} is neither folder nor a bucket"
        raise BadInput(f"{what}: write folder, or s3://bucket/prefix with small letters") from error
    if target == settings:
        raise BadInput(f"the recordings are in {store} already (audio.store)")
    return AudioMove(_open_files(settings, folder), _open_files(target, folder), account_ids)


def _open_files(settings: AudioSettings, folder: Path) -> AudioFiles:
    if settings.is_folder:
        return FolderFiles(folder)
    try:
        files = BucketFiles(settings)
    except ImportError as error:
        what = f"{settings.store} needs the library obstore ({error})"
        raise SettingsError(f"{what}: {install_command('scale')}") from error
    return files
