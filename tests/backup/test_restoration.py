"""Restoring a backup: on an empty machine, over an installation, with other folders, versions and owners."""

from __future__ import annotations

import os
import sqlite3
import stat
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from ivr.audio import wav
from ivr.backup.manifest import CONFIG_PREFIX, MANIFEST_NAME, check_entry_name, read_manifest
from ivr.backup.readers import open_backup
from ivr.backup.restoration import Restoration, RestoreOwners, RestoreTarget
from ivr.backup.selection import BackupSelection
from ivr.backup.writers import snapshot_names
from ivr.errors import Conflict, InvalidBackup
from ivr.mailbox.takes import TakeSource
from ivr.storage.records import Caller, RecordingPurpose
from tests.backup.conftest import ACTOR, BackupRig
from tests.support.app_fixture import AppFixture
from tests.support.scripted_call import Press


def recordings(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.wav")}


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    return tmp_path / "elsewhere"


@pytest.mark.parametrize("kind", ["snapshot", "tar"])
async def test_restored_installation_has_its_messages_pins_and_greetings(
    rig: BackupRig, elsewhere: Path, tmp_path: Path, kind: str
) -> None:
    source = rig.folder
    if kind == "tar":
        source = tmp_path / "backup.tar"
        rig.backup_to_tar(source)
    else:
        rig.backup()
    rig.restore(elsewhere / "data", source=source, root=elsewhere)
    restored = AppFixture(elsewhere / "data")
    try:
        restored.account, restored.alice = rig.app.account, rig.app.alice
        assert recordings(elsewhere / "data") == recordings(rig.app.settings.data.folder)
        assert [m.id for m in await restored.messages(rig.box)] == [m.id for m in await rig.app.messages(rig.box)]
        phone = await restored.run_call([Press("1379#", during="pin")], endpoint="bob", number="1000")
        assert any("three new messages" in text for text in phone.texts), phone.texts
    finally:
        restored.close()


async def test_takes_that_await_their_owner_are_found_in_the_new_folder(rig: BackupRig, elsewhere: Path) -> None:
    take = await rig.app.container.takes.begin(
        rig.app.account.id, rig.box.id, RecordingPurpose.GREETING, TakeSource("PJSIP/a-1", "1", Caller("1000", ""))
    )
    wav.write(Path(take.path), b"\1\2" * 8000)
    await rig.app.container.takes.mark_awaiting_owner(take)
    rig.backup()
    assert rig.verify() == []
    rig.restore(elsewhere / "data", root=elsewhere)
    restored = AppFixture(elsewhere / "data")
    try:
        [found] = await restored.container.takes.list_awaiting_owner(rig.box.id)
        assert Path(found.path).parent == elsewhere / "data/takes"
        assert Path(found.path).exists()
    finally:
        restored.close()


async def test_paths_in_the_configuration_follow_the_data_folder(rig: BackupRig, elsewhere: Path) -> None:
    rig.backup()
    report = rig.restore(elsewhere / "data", root=elsewhere)
    assert (elsewhere / "etc/ivr/ivr.toml").read_text() == f'[data]\nfolder = "{elsewhere}/data"\n'
    globals_text = (elsewhere / "etc/asterisk/ivr/secret.conf").read_text()
    assert globals_text == f"IVR_TAKES_FOLDER => {elsewhere}/data/takes\n"
    assert len(report.changes) == 2


async def test_different_configuration_stays_beside_the_restored_one(rig: BackupRig, elsewhere: Path) -> None:
    rig.backup()
    (elsewhere / "etc/ivr").mkdir(parents=True)
    (elsewhere / "etc/ivr/ivr.toml").write_text("of the new machine")
    rig.restore(elsewhere / "data", root=elsewhere)
    assert "elsewhere" in (elsewhere / "etc/ivr/ivr.toml").read_text()
    assert (elsewhere / "etc/ivr/ivr.toml.before-restore").read_text() == "of the new machine"


async def test_folder_that_is_in_use_or_not_empty_is_rejected_and_unchanged(rig: BackupRig, elsewhere: Path) -> None:
    rig.backup()
    (elsewhere / "data").mkdir(parents=True)
    (elsewhere / "data" / "holiday.jpg").touch()
    with pytest.raises(Conflict, match="is not empty"):
        rig.restore(elsewhere / "data", root=elsewhere)
    assert os.listdir(elsewhere / "data") == ["holiday.jpg"]


async def test_freshly_installed_folder_is_empty(rig: BackupRig, elsewhere: Path) -> None:
    rig.backup()
    (elsewhere / "data/takes").mkdir(parents=True)
    (elsewhere / "data/state").mkdir()
    (elsewhere / "data/asterisk-secret").write_text("of the new machine")
    (elsewhere / "data/state/ami-secret").write_text("of the new machine")
    (elsewhere / "data/takes/fallback-1.wav").write_bytes(b"left while the service was away")
    report = rig.restore(elsewhere / "data", root=elsewhere)
    assert (elsewhere / "data/takes/fallback-1.wav").exists(), "a message that a caller has left is never lost"
    assert report.moved_to
    assert (report.moved_to / "asterisk-secret").read_text() == "of the new machine"


async def test_replaced_content_is_moved_aside(rig: BackupRig, elsewhere: Path) -> None:
    rig.backup()
    rig.restore(elsewhere / "data", root=elsewhere)
    before = recordings(elsewhere / "data")
    (elsewhere / "data/pepper").write_text("newer")
    report = rig.restore(elsewhere / "data", root=elsewhere, replace=True)
    assert report.moved_to
    assert (report.moved_to / "pepper").read_text() == "newer"
    assert recordings(report.moved_to) == before
    assert not (elsewhere / "data" / ".restoring").exists()


async def test_restored_installation_can_be_backed_up_without_what_was_moved_aside(
    rig: BackupRig, elsewhere: Path
) -> None:
    rig.backup()
    rig.restore(elsewhere / "data", root=elsewhere)
    rig.restore(elsewhere / "data", root=elsewhere, replace=True)
    names = {file.name for file in BackupSelection(elsewhere / "data").data_files()}
    assert names
    assert not [name for name in names if "before-restore" in name]


async def test_damaged_backup_changes_nothing(rig: BackupRig, elsewhere: Path) -> None:
    rig.backup()
    rig.restore(elsewhere / "data", root=elsewhere)
    before = {path: path.stat().st_mtime_ns for path in (elsewhere / "data").rglob("*.*")}
    victim = next(rig.folder.rglob("*/vm/*.wav"))
    victim.write_bytes(victim.read_bytes()[:-2] + b"xx")
    with pytest.raises(InvalidBackup, match=victim.name):
        rig.restore(elsewhere / "data", root=elsewhere, replace=True)
    assert {path: path.stat().st_mtime_ns for path in (elsewhere / "data").rglob("*.*")} == before


async def test_newer_schema_is_rejected_with_the_version_to_use(rig: BackupRig, elsewhere: Path) -> None:
    with sqlite3.connect(rig.app.settings.data.folder / "state" / "ivr.db") as connection:
        connection.execute("PRAGMA user_version = 999")
    connection.close()
    rig.backup()
    with pytest.raises(InvalidBackup, match=r"schema 999.*use version \d"):
        rig.restore(elsewhere / "data", root=elsewhere)
    assert not (elsewhere / "data/state/ivr.db").exists()


async def test_backup_without_manifest_is_incomplete(rig: BackupRig, elsewhere: Path) -> None:
    rig.backup()
    (rig.folder / snapshot_names(rig.folder)[0] / MANIFEST_NAME).unlink()
    with pytest.raises(InvalidBackup, match="no complete backup"):
        rig.restore(elsewhere / "data", root=elsewhere)


@pytest.mark.parametrize(
    "name", ["data/../../etc/passwd", "/etc/passwd", "etc/passwd", "data//x", "data/./x", "data/a\nb"]
)
def test_names_that_lead_elsewhere_are_rejected(name: str) -> None:
    with pytest.raises(InvalidBackup):
        check_entry_name(name)


@pytest.mark.parametrize("name", ["etc/cron.d/evil", "root/.ssh/authorized_keys", "etc/systemd/system/evil.service"])
async def test_backup_writes_no_file_but_settings_of_ivr(rig: BackupRig, elsewhere: Path, name: str) -> None:
    """Root restores: a backup that others have made could bring a job of cron along."""
    rig.backup()
    snapshot = rig.folder / snapshot_names(rig.folder)[0]
    manifest = read_manifest((snapshot / MANIFEST_NAME).read_bytes())
    known = next(path for path in manifest.files if path.startswith(CONFIG_PREFIX))
    planted = snapshot / CONFIG_PREFIX / name
    planted.parent.mkdir(parents=True, exist_ok=True)
    planted.write_bytes((snapshot / known).read_bytes())
    files = {**manifest.files, f"{CONFIG_PREFIX}{name}": manifest.files[known]}
    (snapshot / MANIFEST_NAME).write_bytes(replace(manifest, files=files).to_json())
    with pytest.raises(InvalidBackup, match=f"nothing was restored: it would write /{name}"):
        rig.restore(elsewhere / "data", root=elsewhere)
    assert [path for path in elsewhere.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("text", [b"", b"{}", b"[]", b'{"format": 99}', b'{"format": 1, "files": []}', b"\xff"])
def test_damaged_manifest_is_an_error_of_one_line(text: bytes) -> None:
    with pytest.raises(InvalidBackup):
        read_manifest(text)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: it changes owners")
async def test_restored_files_belong_to_the_service_and_to_asterisk(rig: BackupRig, elsewhere: Path) -> None:
    rig.backup()
    target = RestoreTarget(elsewhere / "data", elsewhere, RestoreOwners(61002, 61000, 61005, 61006))
    with open_backup(str(rig.folder)) as (_, entries):
        Restoration(target, rig.databases, rig.app.clock).run(entries, ACTOR, replace=False)
    stats = {path: path.lstat() for path in [elsewhere / "data", *(elsewhere / "data").rglob("*")]}
    state = elsewhere / "data/state"
    private = {path for path, found in stats.items() if (found.st_uid, found.st_gid) == (61002, 61006)}
    assert private == {state, *state.iterdir()}
    assert {found.st_gid for path, found in stats.items() if path not in private} == {61000}
    assert {found.st_uid for found in stats.values()} == {61002}
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    assert {path for path, found in stats.items() if found.st_mode & 0o007} == set()
    assert stat.S_IMODE((elsewhere / "data/takes").stat().st_mode) == 0o2770
    assert stat.S_IMODE((elsewhere / "data/state/pepper").stat().st_mode) == 0o600
    assert all(stat.S_IMODE(found.st_mode) == 0o640 for path, found in stats.items() if path.suffix == ".wav")
    assert stat.S_IMODE((state / "ivr.db").stat().st_mode) == 0o600
    assert (elsewhere / "etc/asterisk/ivr/secret.conf").stat().st_gid == 61005
    assert (elsewhere / "etc/ivr/ivr.toml").stat().st_gid == 61006


async def test_restoring_is_recorded_for_each_account_in_the_restored_database(rig: BackupRig, elsewhere: Path) -> None:
    rig.backup()
    rig.restore(elsewhere / "data", root=elsewhere)
    with closing(sqlite3.connect(elsewhere / "data/state/ivr.db")) as connection:
        rows = connection.execute("SELECT account_id, action, subject, door, user FROM audit").fetchall()
    assert rows[-1] == (rig.app.account.id, "restored", "backup", "command", "root")
