"""Upgrades of installed files: what the site has not changed is replaced, what it has changed is kept, secrets stay."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.install.installed_files import FileState, InstalledFiles, has_other_secrets, keep_secrets, text_digest
from ivr.install.steps import InstallTarget
from ivr.install.write_file import WriteFile
from tests.cli.conftest import Ivr
from tests.upgrade.conftest import unpack

CHECKOUT = Path(__file__).parents[2]
DIALPLAN = "etc/asterisk/ivr/extensions.conf"
MAILBOX = "etc/asterisk/ivr/extensions-mailbox.conf"
MANAGER = "etc/asterisk/ivr/ari.conf"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data of a package whose samples a test changes: the next version."""
    folder = tmp_path / "package"
    for name in ("asterisk-conf", "systemd"):
        shutil.copytree(CHECKOUT / name, folder / name)
    monkeypatch.setattr("ivr.cli.install.package_data_folder", lambda: folder)
    return folder


@pytest.fixture
def machine(ivr: Ivr, package: Path, tmp_path: Path) -> Path:
    """A machine on which this version is installed."""
    ivr("install", "--root", str(tmp_path / "machine"))
    return tmp_path / "machine"


Upgrade = Callable[[], str]


@pytest.fixture
def upgrade(ivr: Ivr, machine: Path, package: Path) -> Upgrade:
    """Install the next version, which has one more line in every sample and in the unit; return what is printed."""

    def run() -> str:
        for sample in [*(package / "asterisk-conf").glob("*.conf"), package / "systemd" / "ivr.service"]:
            sample.write_text(sample.read_text() + ADDED_LINE)
        return ivr("install", "--root", str(machine)).stdout

    return run


ADDED_LINE = "; a line of the next version\n"


def append(path: Path, text: str) -> str:
    path.write_text(path.read_text() + text)
    return path.read_text()


def test_files_that_the_site_has_not_changed_are_replaced(machine: Path, upgrade: Upgrade) -> None:
    printed = upgrade()
    for name in (DIALPLAN, MAILBOX, MANAGER, "etc/systemd/system/ivr.service"):
        assert (machine / name).read_text().endswith(ADDED_LINE)
        assert f"file    /{name}  " in printed
    assert "extensions.conf  0640 root:asterisk  → replaced by the new version" in printed
    assert "systemctl restart ivr; asterisk -rx 'dialplan reload'" in printed
    assert not list(machine.rglob("*.new"))


def test_file_that_the_site_has_changed_is_kept_and_the_new_version_is_shown(
    ivr: Ivr,
    machine: Path,
    package: Path,
    upgrade: Upgrade,
) -> None:
    for name in (DIALPLAN, "etc/systemd/system/ivr.service"):
        changed = append(machine / name, "; a line of the site\n")
        printed = upgrade()
        new = machine / f"{name}.new"
        assert (machine / name).read_text() == changed
        assert new.read_text().endswith(ADDED_LINE)
        assert f"diff -u {machine / name} {new}" in printed
        assert (machine / MAILBOX).read_text().endswith(ADDED_LINE), "the others are replaced"
        again = ivr("install", "--root", str(machine)).stdout
        assert f"diff -u {machine / name} {new}" in again, "named until it is taken over"
        new.replace(machine / name)
        taken_over = ivr("install", "--root", str(machine)).stdout
        assert "diff -u" not in taken_over
        assert upgrade().count("replaced by the new version") > 10, "what was taken over counts as ours again"


def test_new_version_that_waits_is_not_called_unused(ivr: Ivr, machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = machine / "etc/asterisk/ivr/secret.conf"
    append(secret, "; a line of the site\n")
    new = secret.with_name("secret.conf.new")
    new.write_text("; an earlier version\n")
    obsolete = secret.with_name("extensions-old.conf")
    obsolete.write_text(new.read_text())
    monkeypatch.setattr("ivr.install.write_file.KNOWN_DIGESTS", frozenset({text_digest(new.read_text())}))
    printed = ivr("install", "--root", str(machine)).stdout
    assert f"- diff -u {secret} {new}\n" in printed
    assert f"- {obsolete}\n" in printed
    assert f"- {new}\n" not in printed


def test_refused_version_is_not_offered_again(
    ivr: Ivr,
    machine: Path,
    upgrade: Upgrade,
) -> None:
    append(machine / DIALPLAN, "; a line of the site\n")
    upgrade()
    (machine / f"{DIALPLAN}.new").unlink()
    assert "kept: you have changed it, and there is no new version" in ivr("install", "--root", str(machine)).stdout
    assert not (machine / f"{DIALPLAN}.new").exists()


def test_dry_run_of_an_upgrade_says_what_happens_to_each_file(
    ivr: Ivr,
    machine: Path,
    package: Path,
) -> None:
    append(machine / DIALPLAN, "; a line of the site\n")
    (machine / MAILBOX).unlink()
    for sample in (package / "asterisk-conf").glob("*.conf"):
        append(sample, ADDED_LINE)
    before = {path: path.read_bytes() for path in machine.rglob("*") if path.is_file()}
    lines = ivr("install", "--root", str(machine), "--dry-run").stdout.splitlines()
    outcomes = {line.split()[1]: line.partition("  → ")[2] for line in lines if line.startswith("file")}
    assert outcomes[f"/{DIALPLAN}"] == f"kept: you have changed it; the new version will be /{DIALPLAN}.new"
    assert outcomes[f"/{MAILBOX}"] == "will be written"
    assert outcomes[f"/{MANAGER}"] == "will be replaced by the new version"
    assert outcomes["/etc/ivr/ivr.toml"] == "exists"
    assert {path: path.read_bytes() for path in machine.rglob("*") if path.is_file()} == before


def test_secret_of_a_site_survives_and_is_no_change(machine: Path, upgrade: Upgrade) -> None:
    ari = machine / MANAGER
    ari.write_text(ari.read_text().replace("change-me-to-a-long-random-word", "of-the-site"))
    secret = next(line for line in (machine / "etc/asterisk/ivr/secret.conf").read_text().splitlines() if "=>" in line)
    upgrade()
    assert ari.read_text().endswith(ADDED_LINE)
    assert "\npassword = of-the-site\n" in ari.read_text()
    assert secret in (machine / "etc/asterisk/ivr/secret.conf").read_text()
    assert not ari.with_name("ari.conf.new").exists()


def test_file_whose_secret_has_no_place_in_the_new_version_is_kept(ivr: Ivr, machine: Path, package: Path) -> None:
    ari = machine / MANAGER
    ari.write_text(ari.read_text().replace("change-me-to-a-long-random-word", "of-the-site"))
    sample = package / "asterisk-conf" / "ari.conf"
    sample.write_text(sample.read_text().replace("password = change-me-to-a-long-random-word\n", ""))
    ivr("install", "--root", str(machine))
    assert "\npassword = of-the-site\n" in ari.read_text()
    assert "\npassword" not in ari.with_name("ari.conf.new").read_text()


def test_no_secret_is_in_the_record_of_installed_files(machine: Path) -> None:
    record = (machine / "etc/ivr/installed.json").read_text()
    assert '"/etc/asterisk/ivr/secret.conf"' in record
    assert (machine / "var/lib/ivr/state/asterisk-secret").read_text() not in record


def test_installation_without_a_record_is_upgraded_as_well(
    machine: Path,
    upgrade: Upgrade,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Before there was a record: digests of these versions are known; a file with another text counts as the site's."""
    known = frozenset({text_digest((machine / DIALPLAN).read_text())})
    monkeypatch.setattr("ivr.install.write_file.KNOWN_DIGESTS", known)
    (machine / "etc/ivr/installed.json").unlink()
    upgrade()
    assert (machine / DIALPLAN).read_text().endswith(ADDED_LINE)
    assert not (machine / MAILBOX).read_text().endswith(ADDED_LINE)
    assert (machine / f"{MAILBOX}.new").read_text().endswith(ADDED_LINE)


def test_installation_of_the_version_before_the_renaming_is_upgraded(ivr: Ivr, tmp_path: Path) -> None:
    """It has files under names that are no longer used, and a secret that must stay."""
    machine = unpack(tmp_path / "machine").root
    secret = (machine / "var/lib/ivr/asterisk-secret").read_text().strip()
    printed = ivr("install", "--root", str(machine)).stdout
    assert not list(machine.rglob("*.new"))
    assert (machine / "var/lib/ivr/state/asterisk-secret").read_text().strip() == secret
    assert f"IVR_SECRET => {secret}\nIVR_FASTAGI_ADDRESS => " in (machine / "etc/asterisk/ivr/secret.conf").read_text()
    for sample in (CHECKOUT / "asterisk-conf").glob("*.conf"):
        assert text_digest((machine / "etc/asterisk/ivr" / sample.name).read_text()) == text_digest(sample.read_text())
    assert "Type=notify" in (machine / "etc/systemd/system/ivr.service").read_text()
    obsolete = printed.partition("no longer uses these files")[2].partition("By hand")[0]
    assert "/extensions-alone.conf\n" in obsolete
    assert "/extensions-mailbox.conf\n" not in obsolete


def test_damaged_record_is_an_error_with_a_remedy(ivr: Ivr, machine: Path) -> None:
    for text in ("{", "[]", '{"version": "1", "files": []}'):
        (machine / "etc/ivr/installed.json").write_text(text)
        assert "remove it and run 'ivr install'" in ivr("install", "--root", str(machine), fails=1).stderr
    assert not list(machine.rglob("*.new"))


def test_configuration_of_a_debian_package_is_left_to_dpkg(
    ivr: Ivr,
    machine: Path,
    package: Path,
    upgrade: Upgrade,
) -> None:
    unit = machine / "usr/lib/systemd/system/ivr.service"
    unit.parent.mkdir(parents=True)
    unit.write_text("[Service]\nGroup=asterisk\n")
    upgrade()
    assert not (machine / DIALPLAN).read_text().endswith(ADDED_LINE)
    assert not list(machine.rglob("*.new"))


def test_interrupted_upgrade_leaves_whole_files_and_continues(
    ivr: Ivr,
    machine: Path,
    upgrade: Upgrade,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A failed write leaves the former file; running the command again completes the upgrade."""
    former = (machine / MAILBOX).read_bytes()
    real = WriteFile.apply

    def fail(step: WriteFile, target: InstallTarget) -> str:
        if step.path.name == "extensions-mailbox.conf":
            raise OSError(28, "No space left on device", str(step.path))
        return real(step, target)

    with monkeypatch.context() as patched:
        patched.setattr(WriteFile, "apply", fail)
        with pytest.raises(AssertionError, match="free some space"):
            upgrade()
    assert (machine / MAILBOX).read_bytes() == former
    ivr("install", "--root", str(machine))
    assert (machine / MAILBOX).read_text().endswith(ADDED_LINE)
    assert not list(machine.rglob("*.new"))


LINES = st.lists(
    st.sampled_from(
        ["[a]", "[b]", "secret = x", "secret=>y", "password = z", "IVR_SECRET => 1", "# secret = q", "user = u"]
    ),
    max_size=8,
)


@given(LINES, LINES)
def test_states_of_a_file(present: list[str], new: list[str]) -> None:
    """A new version with the present secrets differs from the new version in its secrets only."""
    ours, theirs = ("".join(f"{line}\n" for line in lines) for lines in (new, present))
    merged = keep_secrets(ours, theirs)
    assert text_digest(merged) == text_digest(ours)
    assert keep_secrets(theirs, theirs) == theirs
    record = InstalledFiles()
    path = Path("/etc/x")
    record.add(path, theirs)
    same = text_digest(ours) == text_digest(theirs)
    assert record.state(path, theirs, ours, frozenset()) is (
        FileState.CURRENT if same else FileState.CONFLICT if has_other_secrets(theirs, ours) else FileState.OUTDATED
    )
    assert record.state(path, theirs + "mine\n", ours, frozenset()) is (
        FileState.CHANGED if same else FileState.CONFLICT
    ) or text_digest(theirs + "mine\n") == text_digest(ours)
    assert record.state(path, None, ours, frozenset()) is FileState.MISSING
