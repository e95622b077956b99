"""Recordings as objects of a bucket, with a cache on each node that Asterisk plays from.

A recording is made as a draft in the cache, uploaded under a name that never existed, and then given its name in the
cache. Takes and incoming uploads are files of the node: what cannot be uploaded stays a take, and recovery delivers it.
A node may be killed at any point: the object without a row is found by the consistency check.
"""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import threading
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Literal

import structlog

from ivr.clock import Clock
from ivr.errors import DiskFull, IvrError, NotFound
from ivr.storage.audio_cache import CACHE_FOLDER, AudioCache, AudioCacheLimits
from ivr.storage.audio_folder import (
    FILE_MODE,
    FILE_NAME_PATTERN,
    START,
    STOP,
    SUFFIXES,
    TAKES_FOLDER,
    Recordings,
    translate_os_error,
)
from ivr.storage.data_folder import database_path
from ivr.storage.files import inherit_owner
from ivr.storage.object_store import LIST_CHUNK, ObjectStore
from ivr.storage.records import StoredFile
from ivr.storage.settings import MEGABYTE, AudioSettings

MESSAGE_KEY = re.compile(r"[0-9a-f]{32}/vm/.")
MAX_DOWNLOADS = 16
"""At a time. They have threads of their own: a slow store holds up nothing else."""

MAX_PREFETCHES = MAX_DOWNLOADS // 2
"""Downloads under way at which nothing more is fetched ahead."""

log = structlog.get_logger()


def open_object_recordings(settings: AudioSettings, node_folder: Path, clock: Clock) -> ObjectRecordings:
    """Return the recordings in the bucket that the settings name. Raises `SettingsError`."""
    limits = AudioCacheLimits(max_bytes=settings.cache_mb * MEGABYTE)
    return ObjectRecordings(ObjectStore(settings), AudioCache(node_folder / CACHE_FOLDER, clock, limits), node_folder)


class ObjectRecordings(Recordings):
    """The recordings in an object store. A path of a stored recording is its place in the cache of this node."""

    def __init__(self, objects: ObjectStore, cache: AudioCache, node_folder: Path) -> None:
        super().__init__(cache.folder, node_folder)
        self.incoming_folder = self._take_drafts
        self._objects = objects
        self._cache = cache
        self._downloads = ThreadPoolExecutor(MAX_DOWNLOADS, thread_name_prefix="audio-download")
        self._fetching: dict[Path, asyncio.Task[None]] = {}
        self._searches: set[asyncio.Task[None]] = set()

    def copy(self, source: Path, target: Path) -> int:
        """Copy an object within the store, or upload a file. Return its size in bytes."""
        if not self._is_stored(source):
            return super().copy(source, target)
        return self._objects.copy(self._key(source), self._key(target))

    def presigned_url(self, path: Path, method: Literal["GET", "HEAD"], lifetime_s: int) -> str | None:
        """Return a URL at which the object store answers a request for a recording without the key."""
        return self._objects.presign(self._key(path), method, lifetime_s)

    async def fetch(self, *paths: Path) -> None:
        """Download what is not in the cache."""
        if missing := [path for path in paths if not self._cache.touch(path)]:
            await asyncio.gather(*(asyncio.shield(self._start_fetching(path)) for path in missing))

    def prefetch(self, *paths: Path) -> None:
        """Begin to download what is not in the cache, unless many downloads are under way: callers wait for those."""
        for path in paths:
            if not self._cache.touch(path) and len(self._fetching) < MAX_PREFETCHES:
                self._start_fetching(path)

    @property
    def kept_bytes(self) -> int:
        """Half of the cache."""
        return self._cache.max_bytes // 2

    async def keep(self, path: Path) -> None:
        """Download a recording, unless the cache has it, and let messages go before it."""
        if not self._cache.keep(path):
            await asyncio.shield(self._start_fetching(path))
            self._cache.keep(path)

    def prefetch_found(self, find_paths: Callable[[], Awaitable[Sequence[Path]]]) -> None:
        """Begin to find recordings and to download what is not in the cache."""
        search = asyncio.create_task(self._find_and_prefetch(find_paths))
        self._searches.add(search)
        search.add_done_callback(self._searches.discard)

    def find_missing(self, paths: Sequence[Path]) -> list[Path]:
        """Return those of the recordings that are not in the bucket: its list and theirs are merged."""
        by_folder: defaultdict[Path, list[Path]] = defaultdict(list)
        for path in paths:
            by_folder[path.parent].append(path)
        missing: set[Path] = set()
        for folder, listed in by_folder.items():
            keys = sorted(self._key(path) for path in listed)
            stored = set()
            for found in self._objects.list(self._key(folder), after=keys[0][:-1]):
                stored.add(found.key)
                if found.key >= keys[-1]:
                    break
            # A store may list in another order, or late: what it says to be missing is asked for by name.
            missing.update(p for p in listed if self._key(p) not in stored and not self._objects.exists(self._key(p)))
        return [path for path in paths if path in missing]

    def remove(self, path: Path) -> None:
        """Delete a recording from the bucket and from the cache of this node, or a file of the node."""
        if self._is_stored(path):
            self._objects.delete([self._key(path)])
        super().remove(path)

    def remove_all_files(self, stem: PurePosixPath) -> None:
        """Delete a recording, its upload, and what is in the cache of this node."""
        if stem.parts[0] != TAKES_FOLDER:
            self._objects.delete([f"{stem}{suffix}" for suffix in SUFFIXES if suffix in (".wav", ".upload")])
        super_remove = super().remove
        folder = self._node_folder if stem.parts[0] == TAKES_FOLDER else self._folder
        for suffix in SUFFIXES:
            super_remove(folder / f"{stem}{suffix}")

    def iter_files(self, account_id: str, media_directory: str) -> Iterator[StoredFile]:
        """Iterate the objects of a folder of an account, or the files in `takes` with "" as account."""
        if not account_id:
            yield from super().iter_files(account_id, media_directory)
            return
        for found in self._objects.list(f"{account_id}/{media_directory}"):
            path = self._folder / found.key
            if name := FILE_NAME_PATTERN.fullmatch(path.name):
                yield StoredFile("" if name[1] else name[2], path, found.changed_at)

    def find_any(self) -> str:
        """Return where a recording of a message is; "": there is none. One page of the bucket's list is read."""
        objects = islice(self._objects.list(""), LIST_CHUNK)
        return next((f"{self._objects.name}/{found.key}" for found in objects if MESSAGE_KEY.match(found.key)), "")

    def describe_restoration(self, data_folder: Path, restore_dump: str = "") -> str:
        """Return what to do where there are recordings without rows. `restore_dump`: restores a server's."""
        folder, files = shlex.quote(str(data_folder)), shlex.quote(str(database_path(data_folder)))
        newest = "dump, FILE" if restore_dump else f"copy of {data_folder}, in FOLDER"
        command = restore_dump or f"rm -f {files}-wal {files}-shm && cp -a FOLDER/. {folder}"
        return (
            f"restore the newest {newest}: {STOP} && {command} && {START}; without one, let audio.store name another"
            " prefix and begin anew"
        )

    def verify(self, *, by_writing: bool = False) -> None:
        """Return if the bucket answers; `by_writing`: if it also stores and deletes. Raises `StoreError`."""
        self._objects.verify()
        if by_writing:
            self._objects.verify_writing()

    def _publish(self, target: Path, write_draft: Callable[[Path], object]) -> int:
        try:
            return super()._publish(target, write_draft)
        except DiskFull:
            if not self._cache.evict_unused():
                raise
            return super()._publish(target, write_draft)

    def _store(self, draft: Path, target: Path) -> None:
        if not self._is_stored(target):
            super()._store(draft, target)
            return
        key, content = self._key(target), draft.read_bytes()
        # A retry of the same upload finds its own object.
        if not self._objects.create(key, content) and b"".join(self._objects.chunks(key)) != content:
            # Ids are never used twice: what is there was uploaded for the same recording, whose row was not written.
            log.warning("audio.replaced", key=key, reason="an upload that was interrupted has other content")
            self._objects.replace(key, content)
        os.replace(draft, target)
        self._cache.touch(target)

    def _start_fetching(self, path: Path) -> asyncio.Task[None]:
        if not (task := self._fetching.get(path)):
            task = self._fetching[path] = asyncio.create_task(self._fetch(path))
            task.add_done_callback(lambda ended: self._end_fetching(path, ended))
        return task

    async def _find_and_prefetch(self, find_paths: Callable[[], Awaitable[Sequence[Path]]]) -> None:
        try:
            self.prefetch(*await find_paths())
        except IvrError as error:  # `fetch` looks for them again, and says what is wrong.
            log.info("audio.not_prefetched", error=str(error))

    async def _fetch(self, path: Path) -> None:
        await asyncio.get_running_loop().run_in_executor(self._downloads, self._download, path)

    def _end_fetching(self, path: Path, task: asyncio.Task[None]) -> None:
        self._fetching.pop(path, None)
        if not task.cancelled():
            task.exception()  # `fetch` raises it; after `prefetch` the next `fetch` tries again.

    def _download(self, path: Path) -> None:
        self._cache.evict_when_due()
        try:
            self._write_download(path)
        except DiskFull:
            if not self._cache.evict_unused():
                raise
            self._write_download(path)

    def _write_download(self, path: Path) -> None:
        draft = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.part")
        try:
            self._ensure_folder(path)
            with draft.open("xb") as file:
                for chunk in self._objects.chunks(self._key(path)):
                    file.write(chunk)
            inherit_owner(draft)
            draft.chmod(FILE_MODE)
            draft.replace(path)
            self._cache.touch(path)
        except NotFound:
            return  # The reader finds that it is missing.
        except OSError as error:
            raise translate_os_error(error) from error
        finally:
            draft.unlink(missing_ok=True)

    def _is_stored(self, path: Path) -> bool:
        return path.is_relative_to(self._folder)

    def _key(self, path: Path) -> str:
        return path.relative_to(self._folder).as_posix()
