"""Files, dialplan and program of different versions: found, with the commands that mend it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ivr import __version__
from ivr.health.finding import Level
from ivr.install.installed_files import InstalledFiles
from tests.doctor.conftest import DoctorFixture

SAMPLE = Path(__file__).parents[2] / "asterisk-conf" / "extensions-mailbox.conf"
INSTALL = "ivr install; asterisk -rx 'dialplan reload'"


@pytest.fixture
def dialplan_file(doctor: DoctorFixture, tmp_path: Path) -> Path:
    """A dialplan file of this version that is recorded as installed."""
    path = tmp_path / "asterisk" / SAMPLE.name
    path.parent.mkdir()
    path.write_text(SAMPLE.read_text())
    write_record(doctor, path, SAMPLE.read_text(), __version__)
    assert problems(doctor) == []
    return path


def problems(doctor: DoctorFixture) -> list[str]:
    return [finding.what for finding in doctor.problems() if finding.check in ("files", "dialplan", "dialplan version")]


def write_record(doctor: DoctorFixture, path: Path, text: str, version: str) -> None:
    record = InstalledFiles(version=version)
    record.add(path, text)
    assert doctor.config
    doctor.config.with_name("installed.json").write_text(record.to_json())


def test_program_that_was_upgraded_without_its_files_is_reported(doctor: DoctorFixture, dialplan_file: Path) -> None:
    write_record(doctor, dialplan_file, SAMPLE.read_text(), "0.0.9")
    doctor.assert_finding(f"installed by ivr 0.0.9, and this is ivr {__version__}", INSTALL, Level.WARNING)


def test_sample_of_another_build_is_reported(doctor: DoctorFixture, dialplan_file: Path) -> None:
    write_record(doctor, dialplan_file, "; an earlier text\n", __version__)
    doctor.assert_finding("an earlier build", INSTALL, Level.WARNING)


@pytest.mark.parametrize("suffix", [".new", ".dpkg-dist"])
def test_new_version_that_is_not_taken_over_is_named(doctor: DoctorFixture, dialplan_file: Path, suffix: str) -> None:
    new = dialplan_file.with_name(dialplan_file.name + suffix)
    new.write_text("; new\n")
    doctor.assert_finding(f"not taken over yet: {new}", f"diff -u {dialplan_file} {new}", Level.WARNING)
    new.unlink()
    assert problems(doctor) == []


def test_damaged_record_is_reported(doctor: DoctorFixture, dialplan_file: Path) -> None:
    assert doctor.config
    doctor.config.with_name("installed.json").write_text("{")
    doctor.assert_finding("installed.json is damaged: remove it", "ivr install")


@pytest.mark.parametrize(
    ("version", "what", "remedy"),
    [
        (None, "is of ivr before 0.1.0", INSTALL),
        ("0.0.9", "is of ivr 0.0.9", INSTALL),
        ("999.1.0", "is of ivr 999.1.0", "install ivr 999.1.0 again"),
        ("rubbish", "is of ivr rubbish", INSTALL),
    ],
)
def test_dialplan_of_another_version_is_reported(
    doctor: DoctorFixture, version: str | None, what: str, remedy: str
) -> None:
    del doctor.asterisk.variables["IVR_DIALPLAN_VERSION"]
    if version is not None:
        doctor.asterisk.variables["IVR_DIALPLAN_VERSION"] = version
    doctor.assert_finding(f"{what}, and this is ivr {__version__}", remedy, Level.WARNING)


def test_missing_dialplan_has_no_version_to_compare(doctor: DoctorFixture) -> None:
    del doctor.asterisk.contexts["ivr-check"]
    del doctor.asterisk.variables["IVR_DIALPLAN_VERSION"]
    assert problems(doctor) == ["the context ivr-check does not exist"]
