"""Backups of a running installation: what is in them, what is copied again, and what happens in between."""

from __future__ import annotations

import asyncio
import errno
import os
import sqlite3
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from ivr.backup.backup_run import check_destination
from ivr.backup.copying import copy_file, disk_errors
from ivr.backup.manifest import FileEntry, Manifest
from ivr.backup.writers import BackupWriter, lock_backup_folder, remove_old_snapshots, snapshot_names
from ivr.errors import BadInput, Conflict, DiskFull, InvalidBackup
from tests.backup.conftest import BackupRig


class ObservedWriter:
    """Passes files on to a writer, after `before_file(name)`."""

    def __init__(self, writer: BackupWriter, before_file: Callable[[str], None]) -> None:
        self._writer = writer
        self._before_file = before_file
        self.scratch_folder = writer.scratch_folder

    def add_file(self, name: str, source: Path) -> FileEntry | None:
        self._before_file(name)
        return self._writer.add_file(name, source)

    def finish(self, manifest: Manifest) -> str:
        return self._writer.finish(manifest)


def recordings(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*.wav")}


def newest(rig: BackupRig) -> Path:
    return rig.folder / snapshot_names(rig.folder)[-1]


async def test_backup_has_rows_recordings_secrets_and_configuration(rig: BackupRig) -> None:
    report = rig.backup()
    names = {path.relative_to(newest(rig)).as_posix() for path in newest(rig).rglob("*") if path.is_file()}
    assert {"manifest.json", "data/ivr.db", "data/pepper", "config/etc/ivr/ivr.toml"} <= names
    assert "config/etc/asterisk/ivr/secret.conf" in names
    assert recordings(newest(rig)) == recordings(rig.app.settings.data.folder)
    assert len(recordings(newest(rig))) == 4, "three messages and a greeting"
    assert not any("locks" in name or "incoming" in name for name in names)
    assert report.manifest.message_count == 3
    assert rig.verify() == []


async def test_only_the_user_who_took_a_backup_can_read_it(rig: BackupRig) -> None:
    rig.backup()
    modes = {path: stat.S_IMODE(path.lstat().st_mode) for path in [rig.folder, *rig.folder.rglob("*")]}
    assert {path for path, mode in modes.items() if mode != (0o700 if path.is_dir() else 0o600)} == set()


async def test_unchanged_recordings_are_not_copied_again(rig: BackupRig) -> None:
    rig.backup()
    first = newest(rig)
    await rig.app.create_message(rig.box, s=4)
    rig.app.clock.advance(s=60)
    rig.backup()
    second = newest(rig)
    inodes = {path.name: path.stat().st_ino for path in first.rglob("*.wav")}
    shared = [path for path in second.rglob("*.wav") if inodes.get(path.name) == path.stat().st_ino]
    assert len(shared) == 4
    assert len(recordings(second)) == 5
    assert rig.verify(first) == rig.verify(second) == []


async def test_old_backups_are_removed_and_the_newer_ones_stay_whole(rig: BackupRig) -> None:
    for _ in range(3):
        rig.backup()
        rig.app.clock.advance(s=60)
    names = snapshot_names(rig.folder)
    assert remove_old_snapshots(rig.folder, 1) == names[:2]
    assert snapshot_names(rig.folder) == names[2:]
    assert rig.verify() == []


async def test_backup_just_taken_is_not_removed_although_the_clock_was_set_back(rig: BackupRig) -> None:
    rig.backup()
    rig.app.clock.advance(s=-3600)
    newest_name = Path(rig.backup().destination).name
    remove_old_snapshots(rig.folder, 1, newest=newest_name)
    assert snapshot_names(rig.folder) == [newest_name]


def test_link_that_replaces_a_file_meanwhile_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("of another user")
    (tmp_path / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(OSError, match="symbolic links"):
        copy_file(tmp_path / "link", tmp_path / "copy", sync=False)


async def test_two_backups_in_one_second_are_both_there(rig: BackupRig) -> None:
    rig.backup()
    rig.backup()
    assert len(snapshot_names(rig.folder)) == 2
    assert rig.verify() == []


async def test_message_purged_while_recordings_are_copied_is_in_neither_rows_nor_files(rig: BackupRig) -> None:
    victim = (await rig.app.messages(rig.box))[0]
    path = rig.app.container.recordings.message_path(victim.account_id, victim.recording)
    database = rig.app.settings.data.folder / "state" / "ivr.db"
    purged: list[str] = []

    def purge_after_rows(name: str) -> None:
        if name.startswith("data/") and name != "data/ivr.db" and not purged:
            with sqlite3.connect(database) as connection:
                connection.execute("DELETE FROM messages WHERE id = ?", (victim.id,))
            connection.close()
            path.unlink()
            purged.append(name)

    report = rig.backup(wrap_writer=lambda writer: ObservedWriter(writer, purge_after_rows))
    assert purged
    assert report.missing == {}
    assert report.manifest.message_count == 2
    assert rig.verify() == []


async def test_rows_come_before_recordings(rig: BackupRig) -> None:
    """A message that is stored meanwhile has no row in the backup; its recording alone does no harm."""
    names: list[str] = []
    rig.backup(wrap_writer=lambda writer: ObservedWriter(writer, names.append))
    audio = [name for name in names if name.endswith(".wav")]
    assert audio
    assert names.index("data/ivr.db") < min(map(names.index, audio))


async def test_missing_recording_is_reported_and_the_rest_is_backed_up(rig: BackupRig) -> None:
    victim = (await rig.app.messages(rig.box))[0]
    rig.app.container.recordings.message_path(victim.account_id, victim.recording).unlink()
    report = rig.backup()
    assert list(report.missing.values()) == [f"message {victim.id} of box {rig.box.id}"]
    [problem] = rig.verify()
    assert f"message {victim.id} of box {rig.box.id} has no audio" in problem


async def test_interrupted_backup_is_continued_with_what_it_has_copied(rig: BackupRig) -> None:
    rig.backup()
    await rig.app.create_message(rig.box, s=4)
    added: list[str] = []

    def stop_at_the_end(name: str) -> None:
        added.append(name)
        if name.startswith("data/takes") or name.endswith("pepper"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rig.backup(wrap_writer=lambda writer: ObservedWriter(writer, stop_at_the_end))
    assert len(snapshot_names(rig.folder)) == 1, "an incomplete backup is none"
    assert rig.verify() == []
    draft_times = {path.name: path.stat().st_ino for path in (rig.folder / ".draft").rglob("*.wav")}
    rig.app.clock.advance(s=60)
    rig.backup()
    assert draft_times.items() <= {path.name: path.stat().st_ino for path in newest(rig).rglob("*.wav")}.items()
    assert not (rig.folder / ".draft").exists()
    assert rig.verify() == []


async def test_damaged_draft_of_an_interrupted_backup_is_no_danger(rig: BackupRig) -> None:
    (rig.folder / ".draft/data/vm").mkdir(parents=True)
    (rig.folder / ".ivr-backup").touch()
    (rig.folder / ".draft/data/vm/.x.wav.part").write_bytes(b"half")
    (rig.folder / ".draft/data/pepper").write_bytes(b"half")
    rig.backup()
    assert not [path for path in newest(rig).rglob("*") if path.is_file() and path.read_bytes() == b"half"]
    assert not [path for path in newest(rig).rglob("*") if path.is_dir() and not any(path.iterdir())]
    assert rig.verify() == []


async def test_full_disk_is_said_and_the_same_backup_succeeds_afterwards(rig: BackupRig) -> None:
    def disk_is_full(name: str) -> None:
        if name.endswith(".wav"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with (
        pytest.raises(DiskFull, match="free some, then run 'ivr backup X' again"),
        disk_errors(rig.folder, "ivr backup X"),
    ):
        rig.backup(wrap_writer=lambda writer: ObservedWriter(writer, disk_is_full))
    rig.backup()
    assert rig.verify() == []


async def test_second_backup_at_the_same_time_is_rejected(rig: BackupRig) -> None:
    with lock_backup_folder(rig.folder), pytest.raises(Conflict, match="another backup"):
        rig.backup()


@pytest.mark.parametrize("inside", ["", "backups", "takes/backups"])
async def test_folder_in_the_data_folder_is_rejected(rig: BackupRig, inside: str) -> None:
    with pytest.raises(BadInput, match="is in the data folder"):
        check_destination(rig.selection, rig.app.settings.data.folder / inside)


async def test_link_into_the_data_folder_is_rejected(rig: BackupRig, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(rig.app.settings.data.folder)
    with pytest.raises(BadInput, match="is in the data folder"):
        check_destination(rig.selection, tmp_path / "link" / "backups")


async def test_folder_with_other_files_is_rejected(rig: BackupRig) -> None:
    rig.folder.mkdir()
    (rig.folder / "holiday.jpg").touch()
    with pytest.raises(InvalidBackup, match="name a folder of its own"):
        rig.backup()


async def test_links_are_not_followed_but_reported(rig: BackupRig, tmp_path: Path) -> None:
    (tmp_path / "shadow").write_text("of another user")
    link = rig.app.settings.data.folder / "takes" / "stolen.wav"
    link.symlink_to(tmp_path / "shadow")
    report = rig.backup()
    assert report.links == [link]
    assert not [path for path in newest(rig).rglob("*") if path.name == "stolen.wav"]


@pytest.mark.parametrize("damage", ["flip", "cut", "remove", "add", "row"])
async def test_verify_finds_damage(rig: BackupRig, damage: str) -> None:
    rig.backup()
    victim = next(newest(rig).rglob("*/vm/*.wav"))
    if damage == "flip":
        content = bytearray(victim.read_bytes())
        content[-1] ^= 1
        victim.write_bytes(content)
    elif damage == "cut":
        victim.write_bytes(victim.read_bytes()[:100])
    elif damage == "remove":
        victim.unlink()
    elif damage == "add":
        (newest(rig) / "data/more.wav").touch()
        victim = newest(rig) / "data/more.wav"
    else:
        victim = newest(rig) / "data/ivr.db"
        victim.write_bytes(victim.read_bytes()[:8192])
    problems = rig.verify()
    assert any(victim.name in problem for problem in problems), problems


async def test_tar_has_what_a_snapshot_has(rig: BackupRig, tmp_path: Path) -> None:
    rig.backup_to_tar(tmp_path / "backup.tar")
    rig.backup()
    (tmp_path / "unpacked").mkdir()
    unpack = ["tar", "-xf", str(tmp_path / "backup.tar"), "-C", str(tmp_path / "unpacked")]
    await asyncio.to_thread(subprocess.run, unpack, check=True)
    assert recordings(tmp_path / "unpacked") == recordings(newest(rig))
    assert rig.verify(tmp_path / "backup.tar") == rig.verify(tmp_path / "unpacked" / "ivr-backup") == []


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9, 0.99])
async def test_tar_that_is_cut_off_is_no_backup(rig: BackupRig, tmp_path: Path, share: float) -> None:
    path = tmp_path / "backup.tar"
    rig.backup_to_tar(path)
    content = path.read_bytes().rstrip(b"\0")
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(InvalidBackup):
        rig.verify(path)
