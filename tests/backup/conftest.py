"""An installation with messages, greetings and configuration, and what backs it up and restores it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from ivr.backup.backup_run import BackupReport, run_backup
from ivr.backup.readers import open_backup, verify_backup
from ivr.backup.restoration import Restoration, RestoreReport, RestoreTarget
from ivr.backup.selection import BackupSelection
from ivr.backup.writers import BackupWriter, SnapshotWriter, TarWriter, lock_backup_folder
from ivr.mailbox.mailbox import Mailbox
from ivr.storage.protocols import DatabaseFileStore
from ivr.storage.records import Actor, Door, MediaKind
from tests.support.app_fixture import AppFixture

ACTOR = Actor(Door.COMMAND, "root", "/dev/pts/1", "login")


@dataclass(frozen=True)
class BackupRig:
    """An installation `app` on the machine below `machine`, and a folder of backups."""

    app: AppFixture
    box: Mailbox
    machine: Path
    folder: Path

    @property
    def databases(self) -> DatabaseFileStore:
        return self.app.container.database_files

    @property
    def selection(self) -> BackupSelection:
        return BackupSelection(self.app.settings.data.folder, self.machine)

    def backup(
        self,
        *,
        wrap_writer: Callable[[BackupWriter], BackupWriter] = lambda writer: writer,
        databases: DatabaseFileStore | None = None,
    ) -> BackupReport:
        with lock_backup_folder(self.folder):
            writer = SnapshotWriter(self.folder, sync=False)
            return run_backup(self.selection, databases or self.databases, wrap_writer(writer), self.app.clock)

    def backup_to_tar(self, path: Path) -> BackupReport:
        with path.open("wb") as stream:
            return run_backup(self.selection, self.databases, TarWriter(stream), self.app.clock)

    def verify(self, source: Path | None = None) -> list[str]:
        with open_backup(str(source or self.folder)) as (_, entries):
            return verify_backup(entries, self.databases)[1]

    def restore(self, to: Path, *, source: Path | None = None, replace: bool = False, root: Path) -> RestoreReport:
        restoration = Restoration(RestoreTarget(to, root), self.databases, self.app.clock)
        with open_backup(str(source or self.folder)) as (_, entries):
            return restoration.run(entries, ACTOR, replace=replace)


@pytest.fixture
async def rig(app: AppFixture, tmp_path: Path) -> BackupRig:
    """Box 1000 of alice with three messages, a greeting, and the files of its machine."""
    box = await app.create_box("1000", app.alice, pin="1379")
    for seconds in (1, 2, 3):
        await app.create_message(box, s=seconds)
    await app.activate_recordings(box, MediaKind.UNAVAILABLE)
    machine = tmp_path / "machine"
    for name, text in {
        "etc/ivr/ivr.toml": f'[data]\nfolder = "{app.settings.data.folder}"\n',
        "etc/asterisk/ivr/secret.conf": f"IVR_TAKES_FOLDER => {app.settings.data.folder}/takes\n",
    }.items():
        (machine / name).parent.mkdir(parents=True)
        (machine / name).write_text(text)
    return BackupRig(app, box, machine, tmp_path / "backups")
