"""`pins.pepper_file`: a pepper that is not beside the database, as commands, doctor, backup and restore see it."""

from __future__ import annotations

import getpass
from pathlib import Path

import pytest

from ivr.pepper_files import UNIT_CREDENTIALS, pepper_path
from tests.cli.conftest import Ivr
from tests.cli.test_doctor import finding_of


@pytest.fixture
def pepper(populated_ivr: Ivr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The pepper of an installation, which its administrator has moved to another disk."""
    file = tmp_path / "key-disk" / "ivr-pepper"
    file.parent.mkdir()
    (tmp_path / "data/state/pepper").rename(file)
    monkeypatch.setenv("IVR_PINS__PEPPER_FILE", str(file))
    return file


def pepper_problems(ivr: Ivr) -> list[str]:
    lines = ivr("doctor", fails=1).stdout.splitlines()
    return [line for line in lines if line.split()[1] in ("pepper", "secrets") and not line.startswith("ok")]


def test_pins_are_hashed_with_the_pepper_on_the_other_disk(ivr: Ivr, pepper: Path, tmp_path: Path) -> None:
    ivr("box", "pin", "1000", "--generate")
    assert ivr("pepper", "list").stdout.count("current") == 1
    assert pepper_problems(ivr) == []
    assert not (tmp_path / "data/state/pepper").exists(), "no other one is made"


def test_missing_disk_is_an_error_and_no_other_pepper_is_made(ivr: Ivr, pepper: Path, tmp_path: Path) -> None:
    pepper.rename(tmp_path / "away")
    assert f"the pepper {pepper} does not exist" in " ".join(
        ivr("box", "pin", "1000", "--generate", fails=5).stderr.split()
    )
    finding = finding_of(ivr, "pepper")
    assert finding["level"] == "problem"
    assert f"{pepper} is missing" in finding["what"]
    assert finding["remedy"].startswith("mount its disk: mount -a && ")
    assert "or correct pins.pepper_file in ivr.toml" in finding["remedy"]
    assert not pepper.exists()
    assert not (tmp_path / "data/state/pepper").exists()


def test_empty_file_is_an_error(ivr: Ivr, pepper: Path) -> None:
    pepper.write_text("\n")
    assert "is empty: restore it" in " ".join(ivr("box", "pin", "1000", "--generate", fails=5).stderr.split())


@pytest.mark.parametrize("place", ["beside the database", "on another disk"])
def test_file_of_random_bytes_is_an_error_with_its_remedy(
    populated_ivr: Ivr, tmp_path: Path, place: str, request: pytest.FixtureRequest
) -> None:
    file = tmp_path / "data/state/pepper" if place == "beside the database" else request.getfixturevalue("pepper")
    file.write_bytes(b"\xff\xfe\x00\x01")
    stderr = " ".join(populated_ivr("box", "pin", "1000", "--generate", fails=5).stderr.split())
    assert f"{file} is no text: restore it" in stderr
    finding = finding_of(populated_ivr, "database")
    assert f"{file} is no text" in finding["what"]
    assert "restore pepper from a backup" in finding["remedy"]


def test_folder_in_place_of_the_file_is_a_problem(ivr: Ivr, pepper: Path) -> None:
    pepper.unlink()
    pepper.mkdir()
    finding = finding_of(ivr, "pepper")
    assert finding["level"] == "problem"
    assert f"{pepper} is missing or no file" in finding["what"]


def test_doctor_names_wrong_modes_and_forgotten_copies(ivr: Ivr, pepper: Path, tmp_path: Path) -> None:
    pepper.chmod(0o644)
    copy = tmp_path / "data/state/pepper"
    copy.write_bytes(pepper.read_bytes())
    copy.chmod(0o600)
    problems = " ".join(pepper_problems(ivr))
    assert f"other users than that of the service can read {pepper}" in problems
    assert f"a pepper lies beside the database: {copy}" in problems


def test_rotation_stays_on_the_other_disk(ivr: Ivr, pepper: Path, tmp_path: Path) -> None:
    former = pepper.read_bytes()
    ivr("pepper", "rotate")
    assert pepper.read_bytes() != former
    assert [path.read_bytes() for path in pepper.parent.glob("ivr-pepper.*")] == [former]
    assert list((tmp_path / "data/state").glob("pepper*")) == []
    assert pepper_problems(ivr) == []


def test_backup_is_without_the_pepper_and_says_so(ivr: Ivr, pepper: Path, tmp_path: Path) -> None:
    """Also where the pepper lies in a folder that is backed up."""
    ivr("pepper", "rotate")
    config = tmp_path / "root/etc/ivr"
    config.mkdir(parents=True)
    ivr_toml = config / "ivr.toml"
    ivr_toml.write_text("[data]\n")
    former = next(pepper.parent.glob("ivr-pepper.*")).rename(config / "ivr-pepper.0123456789abcdef").read_bytes()
    current = pepper.rename(config / "ivr-pepper").read_bytes()
    moved = ("backup", str(tmp_path / "backups"), "--root", str(tmp_path / "root"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IVR_PINS__PEPPER_FILE", str(config / "ivr-pepper"))
        assert f"not in the backup: the pepper {config / 'ivr-pepper'}" in ivr(*moved).stderr
    copied = [path.read_bytes() for path in (tmp_path / "backups").rglob("*") if path.is_file()]
    assert ivr_toml.read_bytes() in copied
    assert current not in copied
    assert former not in copied


def test_restore_says_what_becomes_of_the_pepper(ivr: Ivr, pepper: Path, tmp_path: Path) -> None:
    ivr("backup", str(tmp_path / "without"), "--root", str(tmp_path / "root"))
    restore = ("--data", str(tmp_path / "restored"), "--root", str(tmp_path / "root"), "--user", getpass.getuser())
    shown = ivr("restore", str(tmp_path / "without"), *restore).stdout
    assert f"the backup has no pepper: bring it back to {pepper}" in shown
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IVR_PINS__PEPPER_FILE", "")
        (tmp_path / "data/state/pepper").write_bytes(pepper.read_bytes())
        ivr("backup", str(tmp_path / "with"), "--root", str(tmp_path / "root"))
    shown = ivr("restore", str(tmp_path / "with"), "--replace", *restore).stdout
    assert f"the pepper of the backup is {tmp_path / 'restored/state/pepper'}" in shown
    assert f"pins.pepper_file is {pepper}: move it there" in shown


def test_credential_of_the_unit_is_found_by_service_and_commands(
    ivr: Ivr, pepper: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configured = "$CREDENTIALS_DIRECTORY/ivr-pepper"
    monkeypatch.setenv("IVR_PINS__PEPPER_FILE", configured)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(pepper.parent))
    ivr("box", "pin", "1000", "--generate")
    assert pepper_problems(ivr) == []
    monkeypatch.delenv("CREDENTIALS_DIRECTORY")
    assert pepper_path(Path("/data"), configured) == Path(UNIT_CREDENTIALS) / "ivr-pepper"
    monkeypatch.setenv("IVR_PINS__PEPPER_FILE", "relative/pepper")
    assert "pins.pepper_file" in ivr("box", "list", fails=1).stderr
