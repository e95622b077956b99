"""`ivr install`, run again by root, follows no link that the user of the service or Asterisk's user has laid."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from ivr.install.plan import Layout, install_steps
from ivr.install.steps import ChangeOwner, InstallStep, InstallTarget, MakeDirectory, Ownership
from ivr.install.write_file import FileRule, WriteFile
from ivr.storage.audio_folder import Recordings
from tests.cli.conftest import Ivr

SERVICE_UID = 61_002


def state_of(path: Path) -> tuple[int, int, int, bytes | None]:
    status = path.stat()
    return status.st_mode, status.st_uid, status.st_gid, path.read_bytes() if path.is_file() else None


@pytest.fixture
def machine(ivr: Ivr, tmp_path: Path) -> Path:
    """A machine on which ivr is installed and the data folder belongs to the user of the service."""
    root = tmp_path / "machine"
    ivr("install", "--root", str(root))
    (root / "root-only").mkdir(mode=0o700)
    (root / "root-only" / "secret").write_text("of root")
    (root / "root-only" / "secret").chmod(0o600)
    if os.geteuid() == 0:
        os.chown(root / "var/lib/ivr", SERVICE_UID, SERVICE_UID)
    return root


def test_folder_of_takes_that_became_a_link_is_refused(ivr: Ivr, machine: Path) -> None:
    outside, takes = machine / "root-only", machine / "var/lib/ivr/takes"
    before = state_of(outside)
    takes.rmdir()
    takes.symlink_to(outside)
    refused = ivr("install", "--root", str(machine), fails=1)
    assert f"{takes} is a link" in refused.output
    assert "remove it, then run 'ivr install' again" in refused.output
    assert state_of(outside) == before
    takes.unlink()
    ivr("install", "--root", str(machine))
    assert stat.S_IMODE(takes.stat().st_mode) == 0o2770


@pytest.mark.parametrize("destination", ["secret", "planted"])
def test_secret_that_became_a_link_is_neither_read_nor_written(ivr: Ivr, machine: Path, destination: str) -> None:
    """The content would reach secret.conf, which Asterisk reads."""
    outside, secret = machine / "root-only", machine / "var/lib/ivr/state/asterisk-secret"
    secret.unlink()
    secret.symlink_to(outside / destination)
    (machine / "etc/asterisk/ivr/secret.conf").unlink()
    refused = ivr("install", "--root", str(machine), fails=1)
    assert f"{secret} is a link" in refused.output
    assert os.listdir(outside) == ["secret"]
    assert (outside / "secret").read_text() == "of root"
    assert not (machine / "etc/asterisk/ivr/secret.conf").exists()


def test_secret_that_became_a_second_name_of_a_file_of_root_is_not_read(ivr: Ivr, machine: Path) -> None:
    secret, conf = machine / "var/lib/ivr/state/asterisk-secret", machine / "etc/asterisk/ivr/secret.conf"
    secret.unlink()
    secret.hardlink_to(machine / "root-only" / "secret")
    conf.unlink()
    assert "has a second name" in ivr("install", "--root", str(machine), fails=1).output
    assert not conf.exists()


def test_secret_that_became_a_pipe_does_not_hold_the_installation(ivr: Ivr, machine: Path) -> None:
    secret = machine / "var/lib/ivr/state/asterisk-secret"
    secret.unlink()
    os.mkfifo(secret)
    assert "no regular file" in ivr("install", "--root", str(machine), fails=1).output


@pytest.mark.parametrize("owner", [0, SERVICE_UID])
def test_link_in_a_folder_of_another_user_is_refused_and_one_of_root_is_followed(tmp_path: Path, owner: int) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root gives folders to other users")
    (tmp_path / "elsewhere").mkdir()
    folder = tmp_path / "etc"
    folder.mkdir()
    (folder / "ivr").symlink_to("../elsewhere")
    os.chown(folder, owner, owner)
    target, ownership = InstallTarget(tmp_path), Ownership("root", "root", 0o640)
    steps: list[InstallStep] = [
        MakeDirectory(Path("/etc/ivr"), Ownership("root", "root", 0o750)),
        WriteFile(Path("/etc/ivr/ivr.toml"), "text", ownership, FileRule.REPLACE),
    ]
    for step in steps:
        if owner == 0:
            step.apply(target)
        else:
            with pytest.raises(Exception, match="is a link, has a second name or is no regular file"):
                step.apply(target)
    assert os.listdir(tmp_path / "elsewhere") == (["ivr.toml"] if owner == 0 else [])
    assert stat.S_IMODE((tmp_path / "elsewhere").stat().st_mode) == (0o750 if owner == 0 else 0o755)


def test_second_name_of_a_file_of_root_does_not_change_its_group(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root gives files to other groups")
    (tmp_path / "shadow").write_text("of root")
    (tmp_path / "data").mkdir()
    os.link(tmp_path / "shadow", tmp_path / "data" / "a.wav")
    ChangeOwner(tmp_path / "data", "daemon").apply(InstallTarget(Path("/")))
    assert (tmp_path / "shadow").stat().st_gid == 0


def test_command_of_root_changes_no_mode_through_a_link(tmp_path: Path) -> None:
    """Every command of an administrator corrects the modes of the folders that it uses."""
    outside, data = tmp_path / "outside", tmp_path / "data"
    outside.mkdir(mode=0o700)
    data.mkdir()
    (data / "takes").symlink_to(outside)
    Recordings(data).prepare()
    assert stat.S_IMODE(outside.stat().st_mode) == 0o700


def test_every_step_in_the_data_folder_refuses_links(tmp_path: Path) -> None:
    """A new step there must not be forgotten."""
    package = Path(__file__).parents[2]
    layout = Layout(executable=tmp_path / "ivr", package_data=package)
    inside = [
        step
        for step in install_steps(layout, "secret", ami_secret="s")
        if isinstance(step, MakeDirectory | WriteFile) and layout.data_folder in step.path.parents
    ]
    assert len(inside) >= 2
    assert all(step.link_free for step in inside)
