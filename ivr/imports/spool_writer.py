"""Writes messages and greetings to the spool of app_voicemail, while app_voicemail may be using it.

Files are first written and synced in the folder `tmp` of the mailbox, where app_voicemail looks for nothing. Then they
get their names under the lock of their folder, which app_voicemail takes too: the audio first, the .txt file last,
because app_voicemail counts those. A writer that was killed leaves drafts, which the next one finds and removes.
"""

from __future__ import annotations

import os
import re
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from ivr.audio.asterisk_recording import read_start
from ivr.errors import InvalidAudio, StoreError
from ivr.imports import message_fields, spool
from ivr.storage.files import fsync, naming_file

LOCK = ".lock"
MAX_LOCK_BYTES = 100
LOCK_OWNER = "ivr export, process "
LOCK_TIMEOUT_S = 10.0
LOCK_INTERVAL_S = 0.02
DRAFT_PREFIX = "ivr-draft-"
REPLACED_SUFFIX = "-before-export"
FILE_MODE = 0o640
TEXT_SUFFIX = "txt"
_NUMBER = re.compile(r"msg([0-9]{4,})\..+")


@dataclass(frozen=True, slots=True)
class SpoolDraft:
    """A message to be written. `files`: content by suffix, with the .txt file."""

    name: str
    folder: str
    files: Mapping[str, bytes]


class SpoolWriter:
    """Writes one mailbox folder. It runs as the owner of the spool, to whom everything then belongs.

    All methods block. They raise `StoreError` for a folder that stays locked or is a link, OSError.
    """

    def __init__(self, spool_folder: Path, number: str, context: str) -> None:
        self._context = spool_folder / context
        self._box = self._context / number
        self._tmp = self._box / spool.TMP

    def prepare(self) -> None:
        """Create the folders of the mailbox, and remove what a writer that was killed has left in them."""
        for folder in (self._context, self._box, self._tmp):
            _make_folder(folder)
        self._remove_leftovers()

    def _remove_leftovers(self) -> None:
        drafts = [*self._tmp.glob(f"{DRAFT_PREFIX}*")]
        with ExitStack() as locks:
            folders = [self._box / name for name in sorted(message_fields.FOLDERS) if (self._box / name).is_dir()]
            for folder in folders:
                locks.enter_context(_locked(folder))
            _remove_unfinished([*drafts, *(path for folder in folders for path in sorted(folder.glob("msg*")))])
        for draft in drafts:
            draft.unlink()

    @contextmanager
    def _without_drafts_on_error(self) -> Iterator[None]:
        """Context whose drafts are removed at an error: on a full disk, app_voicemail needs their room."""
        with naming_file(self._box):
            try:
                yield
            except OSError:
                for draft in self._tmp.glob(f"{DRAFT_PREFIX}*"):
                    if draft.lstat().st_nlink == 1:
                        draft.unlink()
                self._remove_leftovers()
                raise

    def add(self, drafts: Sequence[SpoolDraft]) -> None:
        """Add messages of one folder behind those that are in it."""
        if not drafts:
            return
        with self._without_drafts_on_error():
            folder = self._box / drafts[0].folder
            _make_folder(folder)
            written = [(draft, self._write_draft(draft.name, draft.files)) for draft in drafts]
            for _, files in written:  # After all were written: the first fsync then writes most of them.
                for file in files.values():
                    fsync(file)
            with _locked(folder):
                number = _next_number(folder)
                for position, (_, files) in enumerate(written):
                    _link_all(files, folder / f"msg{number + position:04d}")
            fsync(folder)
            for _, files in written:
                for file in files.values():
                    file.unlink()

    def move(self, message: spool.SpoolMessage, folder_name: str) -> bool:
        """Move a message to another folder, behind those that are in it. False: app_voicemail has moved it."""
        source, target = message.stem.parent, self._box / folder_name
        _make_folder(target)
        with ExitStack() as locks:
            for folder in sorted((source, target)):
                locks.enter_context(_locked(folder))
            files = {path.suffix[1:]: path for path in source.glob(f"{message.stem.name}.*")}
            text = files.get(TEXT_SUFFIX)
            if text is None or _read_text(text) != message.text:
                return False
            _link_all(files, target / f"msg{_next_number(target):04d}")
            fsync(target)
            # Without its .txt file, what remains here after a power failure is no message.
            for path in (text, *(path for path in files.values() if path != text)):
                path.unlink()
        return True

    def replace_greeting(self, name: str, files: Mapping[str, bytes]) -> list[str]:
        """Put a greeting in the place of another, whose files are renamed. Return their new names."""
        with self._without_drafts_on_error():
            drafts = self._write_draft(name, files)
            for file in drafts.values():
                fsync(file)
        replaced = []
        for old in sorted(self._box.glob(f"{name}.*")):
            if old.is_file() and old.read_bytes() == files.get(old.suffix[1:]):
                continue  # A writer that was killed has put it there: what was before is kept already.
            earlier = old.with_name(f"{name}{REPLACED_SUFFIX}{old.suffix}")
            old.rename(earlier)
            replaced.append(earlier.name)
        for suffix, draft in drafts.items():
            draft.rename(self._box / f"{name}.{suffix}")
        fsync(self._box)
        return replaced

    def _write_draft(self, name: str, files: Mapping[str, bytes]) -> dict[str, Path]:
        written: dict[str, Path] = {}
        for suffix, content in files.items():
            written[suffix] = self._tmp / f"{DRAFT_PREFIX}{name}.{suffix}"
            handle = os.open(written[suffix], os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, FILE_MODE)
            with os.fdopen(handle, "wb") as file:
                file.write(content)
        return written


def _read_text(path: Path) -> bytes | None:
    try:
        return read_start(path, spool.MAX_TEXT_BYTES)
    except InvalidAudio:
        return None


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Context in which app_voicemail does not rename files of a folder, and waits with new ones.

    It must be short: app_voicemail waits for seconds only, then it loses a message. The lock of a process that was
    killed is taken over.
    """
    lock = folder / LOCK
    own = folder / f"{LOCK}-{os.getpid():08x}-ivr"
    own.unlink(missing_ok=True)
    handle = os.open(own, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, FILE_MODE)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(f"{LOCK_OWNER}{os.getpid()}\n".encode())
        _link_lock(own, lock)
    finally:
        own.unlink()
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)


def _link_lock(own: Path, lock: Path) -> None:
    deadline = time.monotonic() + LOCK_TIMEOUT_S
    while True:
        try:
            return os.link(own, lock)
        except FileExistsError:
            if _is_abandoned(lock):
                lock.unlink(missing_ok=True)
            elif time.monotonic() > deadline:
                raise StoreError(
                    f"{lock.parent} stays locked: run the command again; if Asterisk does not run, remove {lock} first"
                ) from None
            else:
                time.sleep(LOCK_INTERVAL_S)


def _is_abandoned(lock: Path) -> bool:
    """Return whether a lock is that of an export whose process has ended."""
    with suppress(OSError, InvalidAudio):
        text = read_start(lock, MAX_LOCK_BYTES).decode(errors="replace").strip()
        if text.startswith(LOCK_OWNER):
            return not Path(f"/proc/{text.removeprefix(LOCK_OWNER)}").exists()
    return False


def _link_all(files: Mapping[str, Path], stem: Path) -> None:
    """Give files a further name each, the .txt file last."""
    for suffix, file in sorted(files.items(), key=lambda item: item[0] == TEXT_SUFFIX):
        os.link(file, stem.with_name(f"{stem.name}.{suffix}"), follow_symlinks=False)


def _remove_unfinished(paths: Sequence[Path]) -> None:
    """Remove names that a writer that was killed gave to files which have another name, too.

    That is audio whose .txt file was not named any more, and a message that was moved and still is where it was.
    """
    names: defaultdict[tuple[int, int], list[Path]] = defaultdict(list)
    for path in paths:
        status = path.lstat()
        if status.st_nlink > 1:
            names[status.st_dev, status.st_ino].append(path)
    for same in names.values():
        messages = [path for path in same if path.parent.name != spool.TMP]
        for path in messages if len(same) > 1 else ():
            if not path.with_suffix(f".{TEXT_SUFFIX}").exists():
                path.unlink(missing_ok=True)
        for path in messages[1:]:
            if path.suffix == f".{TEXT_SUFFIX}":
                for file in [path, *path.parent.glob(f"{path.stem}.*")]:
                    file.unlink(missing_ok=True)


def _next_number(folder: Path) -> int:
    numbers = (match for entry in os.listdir(folder) if (match := _NUMBER.fullmatch(entry)))
    return max((int(match[1]) for match in numbers), default=-1) + 1


def _make_folder(folder: Path) -> None:
    """Create a folder with the mode of that which contains it."""
    if folder.is_symlink():
        raise StoreError(f"{folder} is a link to another folder: nothing is written behind it")
    with suppress(FileExistsError):
        folder.mkdir()
        folder.chmod(folder.parent.stat().st_mode & 0o7777)
