"""Restoring a backup, on this machine or another, in this data folder or another.

Everything is read and verified before the first change. What was in the data folder is moved aside, never deleted;
the database comes last, so an interrupted restore leaves a folder without one and can be repeated.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ivr.backup.manifest import CONFIG_PREFIX, DATA_PREFIX, Manifest
from ivr.backup.readers import Entry, content_problems, read_backup, writing_to
from ivr.backup.selection import CONFIG_FOLDERS, SKIPPED_FOLDERS
from ivr.clock import Clock
from ivr.errors import Conflict, InvalidBackup, StoreBusy
from ivr.storage.data_folder import (
    DATABASE_NAME,
    PRIVATE_FILE_MODE,
    STATE_FOLDER,
    STATE_MODE,
    database_path,
    is_private_name,
    state_folder,
)
from ivr.storage.files import fsync
from ivr.storage.protocols import DatabaseFileStore
from ivr.storage.records import Actor, AuditAction, AuditEntry

DRAFT = ".restoring"
RESTORED_SUBJECT = "backup"
"""What the audit log names, in place of a message."""
TAKES = "takes"
FALLBACK_PREFIX = "fallback-"
"""Recordings that the dialplan made without the service. They stay where they are."""
INSTALLED_NAMES = {TAKES, STATE_FOLDER, "asterisk-secret", "ami-secret", "lost+found", DRAFT, *SKIPPED_FOLDERS}
"""What a data folder contains before its first start."""
DATA_FOLDER_MODE, TAKES_FOLDER_MODE, CONFIG_FOLDER_MODE = 0o2750, 0o2770, 0o750
MODE_MASK = 0o750
"""Nothing that is restored can be read by every user."""


@dataclass(frozen=True, slots=True)
class RestoreOwners:
    """User and groups of restored files, as `ivr install` sets them: ids of this machine."""

    service_uid: int
    service_gid: int
    asterisk_gid: int
    private_gid: int
    """Of the settings and of `state/`: Asterisk is not in this group."""


@dataclass(frozen=True, slots=True)
class RestoreTarget:
    """Where a backup is restored to. `owners` None: all files belong to the user of this process."""

    data_folder: Path
    root: Path = Path("/")
    owners: RestoreOwners | None = None
    with_config: bool = True
    config_file: Path | None = None
    """The settings that are in use, if any."""


@dataclass(frozen=True, slots=True)
class RestoreReport:
    """What was restored. `moved_to`: the former content of the data folder; `changes`: lines for the administrator."""

    manifest: Manifest
    moved_to: Path | None
    changes: list[str]


class Restoration:
    """Restores one backup."""

    def __init__(self, target: RestoreTarget, databases: DatabaseFileStore, clock: Clock) -> None:
        self._target = target
        self._folder = target.data_folder
        self._draft = target.data_folder / DRAFT
        self._databases = databases
        self._clock = clock

    def run(self, entries: Iterator[Entry], actor: Actor, *, replace: bool) -> RestoreReport:
        """Restore a backup. `replace`: also into a data folder that is not empty. The audit log names the `actor`.

        Raises `Conflict` for such a folder, `StoreBusy` while a service uses it, `InvalidBackup` for a damaged backup;
        nothing has changed then.
        """
        self._check_target(replace)
        self._folder.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(self._draft, ignore_errors=True)
        self._draft.mkdir(mode=0o700)
        try:
            manifest = self._read_to_draft(entries, actor)
            self._check_not_in_use()
        except BaseException:
            shutil.rmtree(self._draft, ignore_errors=True)
            raise
        moved_to = self._move_aside()
        self._move_in(manifest)
        changes = list(self._restore_config(manifest)) if self._target.with_config else []
        shutil.rmtree(self._draft)
        return RestoreReport(manifest, moved_to, changes)

    # -- before the first change ---------------------------------------------------------------------------------------

    def _check_target(self, replace: bool) -> None:
        self._check_not_in_use()
        if not self._folder.exists():
            return
        folders = [folder for folder in (self._folder, state_folder(self._folder)) if folder.is_dir()]
        content = sorted({name for folder in folders for name in os.listdir(folder)} - INSTALLED_NAMES)
        if content and not replace:
            raise Conflict(
                f"{self._folder} is not empty ({', '.join(content[:3])}): name another folder with --data, or use"
                " --replace, which moves its content aside"
            )

    def _check_not_in_use(self) -> None:
        if any(map(self._databases.is_in_use, (database_path(self._folder), self._folder / DATABASE_NAME))):
            raise StoreBusy(
                f"the service runs on {self._folder}: stop it (systemctl stop ivr.socket ivr), then restore"
            )

    def _read_to_draft(self, entries: Iterator[Entry], actor: Actor) -> Manifest:
        def open_in_draft(name: str) -> AbstractContextManager[Callable[[bytes], object]]:
            path = self._draft / name
            path.parent.mkdir(parents=True, exist_ok=True)
            return writing_to(path)

        manifest, problems = read_backup(entries, open_in_draft)
        database = self._draft / DATA_PREFIX / DATABASE_NAME
        if not problems:
            found = content_problems(manifest, database, self._databases)
            problems = [problem for problem in found if " has no audio: " not in problem]
        if self._target.with_config:
            problems += [f"it would write {path}, which no backup has" for path in self._foreign_files(manifest)]
        if problems:
            raise InvalidBackup(f"nothing was restored: {'; '.join(problems[:5])}")
        self._databases.relocate_takes(database, self._folder.absolute())
        self._databases.stop_nodes(database)
        entry = AuditEntry(int(self._clock.now()), "", None, AuditAction.RESTORED, RESTORED_SUBJECT, actor)
        self._databases.record_for_all_accounts(database, entry)
        return manifest

    # -- the data folder -----------------------------------------------------------------------------------------------

    def _move_aside(self) -> Path | None:
        """Move the content of the data folder to a folder in it. Recordings of the dialplan stay in `takes`."""
        names = [name for name in os.listdir(self._folder) if name != DRAFT and not name.startswith("before-restore-")]
        movable = [name for name in names if name not in (TAKES, "lost+found")]
        takes = self._folder / TAKES
        old_takes = [path for path in takes.glob("*") if not path.name.startswith(FALLBACK_PREFIX)]
        if not movable and not old_takes:
            return None
        aside = self._folder / f"before-restore-{int(self._clock.now())}"
        (aside / TAKES).mkdir(parents=True, mode=0o700, exist_ok=True)
        # The database first: a folder without it is never mistaken for one.
        for name in sorted(movable, key=lambda name: name not in (STATE_FOLDER, DATABASE_NAME)):
            os.rename(self._folder / name, aside / name)
        for path in old_takes:
            os.rename(path, aside / TAKES / path.name)
        self._own(aside, 0o700)
        return aside

    def _move_in(self, manifest: Manifest) -> None:
        names = [name for name in manifest.files if name.startswith(DATA_PREFIX)]
        takes = self._folder / TAKES
        takes.mkdir(exist_ok=True)
        for name in sorted(names, key=lambda name: name == DATA_PREFIX + DATABASE_NAME):  # The database last.
            path = self._place_of(name.removeprefix(DATA_PREFIX))
            source = self._draft / name
            entry = manifest.files[name]
            os.utime(source, ns=(entry.mtime_ns, entry.mtime_ns))
            is_private = is_private_name(path.name)
            self._own(source, entry.mode & (PRIVATE_FILE_MODE if is_private else MODE_MASK), is_private=is_private)
            fsync(source)
            for folder in reversed(path.relative_to(self._folder).parents[:-1]):
                (self._folder / folder).mkdir(exist_ok=True)
                if str(folder) != TAKES:
                    is_private = str(folder) == STATE_FOLDER
                    mode = STATE_MODE if is_private else DATA_FOLDER_MODE
                    self._own(self._folder / folder, mode, is_private=is_private)
            source.rename(path)
        self._own(takes, TAKES_FOLDER_MODE)
        self._own(self._folder, DATA_FOLDER_MODE)
        fsync(self._folder)

    def _place_of(self, name: str) -> Path:
        return (state_folder(self._folder) if is_private_name(name) else self._folder) / name

    def _own(self, path: Path, mode: int, *, is_private: bool = False) -> None:
        owners = self._target.owners
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if owners:
                group = owners.private_gid if is_private else owners.service_gid
                os.fchown(descriptor, owners.service_uid, group)
            os.fchmod(descriptor, mode)
        finally:
            os.close(descriptor)

    # -- the configuration ---------------------------------------------------------------------------------------------

    def _restore_config(self, manifest: Manifest) -> Iterator[str]:
        """Restore the files of the machine. A different file in their place stays beside them."""
        for name, entry in sorted(manifest.files.items()):
            if not name.startswith(CONFIG_PREFIX):
                continue
            source = self._draft / name
            relative = PurePosixPath(name.removeprefix(CONFIG_PREFIX))
            path = self._target.root / relative
            content = self._relocated(source.read_bytes(), manifest)
            if path.is_file() and path.read_bytes() == content:
                continue
            yield f"restored {path}" if content == source.read_bytes() else f"restored {path}, with the new data folder"
            self._make_config_folder(path.parent, relative)
            if path.exists():
                aside = path.with_name(f"{path.name}.before-restore")
                os.replace(path, aside)
                yield f"the former {path} is {aside}"
            with writing_to(path) as write:
                write(content)
            self._own_config(path, relative, entry.mode & (MODE_MASK | 0o004 * _is_public(relative)))

    def _foreign_files(self, manifest: Manifest) -> list[Path]:
        """Return what a backup would write elsewhere than the settings of ivr: it could be a job of cron, as root."""
        names = [name.removeprefix(CONFIG_PREFIX) for name in manifest.files if name.startswith(CONFIG_PREFIX)]
        return [
            path
            for path in (Path("/") / name for name in names)
            if not any(path.is_relative_to(folder) for folder in CONFIG_FOLDERS)
            and path.suffix != ".toml"
            and path != self._target.config_file
        ]

    def _relocated(self, content: bytes, manifest: Manifest) -> bytes:
        """Replace the path of the data folder in a text that names it."""
        old, new = re.escape(manifest.data_folder.encode()), str(self._folder.absolute()).encode()
        return re.sub(rb"(?<![\w./-])" + old + rb"(?![\w.-])", new.replace(b"\\", rb"\\"), content)

    def _make_config_folder(self, folder: Path, relative: PurePosixPath) -> None:
        if not folder.is_dir():
            folder.mkdir(parents=True)
            self._own_config(folder, relative, 0o755 if _is_public(relative) else CONFIG_FOLDER_MODE)

    def _own_config(self, path: Path, relative: PurePosixPath, mode: int) -> None:
        owners = self._target.owners
        if owners:
            group = owners.asterisk_gid if relative.is_relative_to("etc/asterisk") else owners.private_gid
            os.chown(path, 0, 0 if _is_public(relative) else group)
        path.chmod(mode)


def _is_public(relative: PurePosixPath) -> bool:
    return relative.is_relative_to("etc/systemd")
