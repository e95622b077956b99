"""`ivr secret rotate` beside a running service: both secrets are accepted for a while, all files have the new one."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from ivr.asterisk_secret import AsteriskSecret
from ivr.errors import ConfigurationError
from ivr.install.secret_files import dialplan_edits, manager_edits
from ivr.settings import Settings
from tests.support.app_fixture import FakeClock
from tests.support.service_site import Site

OWNER_HEARS = "You have no messages"


@pytest.fixture
def machine(tmp_path: Path, site: Site) -> Path:
    """The root of a machine whose Asterisk knows the secret of the site, and whose console does not answer."""
    folder = tmp_path / "machine/etc/asterisk/ivr"
    folder.mkdir(parents=True)
    site.ivr("phone", "1000", "--stranger", fails=1)  # The first use of the secret creates it.
    (folder / "secret.conf").write_text(f"; globals\nIVR_SECRET => {secret_of(site)}\nIVR_OTHER => x\n")
    (folder / "secret.conf").chmod(0o640)
    site.environment["IVR_ASTERISK__CONSOLE_COMMAND"] = "false"
    return tmp_path / "machine"


def secret_of(site: Site) -> str:
    return (site.folder / "state" / "asterisk-secret").read_text()


def owner_hears(site: Site, secret: str) -> str:
    """What the owner's phone hears if Asterisk has this secret."""
    caller = Site(site.folder)
    caller.environment = {**site.environment, "IVR_ASTERISK__SECRET": secret}
    return caller.ivr("phone", "*97", "--as", "alice", "--fast").stdout


def test_calls_go_on_while_the_secret_is_rotated(site: Site, machine: Path) -> None:
    former = secret_of(site)
    with site.service():
        done = site.ivr("secret", "rotate", "--root", str(machine))
        new = secret_of(site)
        assert new != former
        assert "-rx 'dialplan reload'" in done.stdout, "the console did not answer, so it says what to do"
        conf = machine / "etc/asterisk/ivr/secret.conf"
        assert conf.read_text() == f"; globals\nIVR_SECRET => {new}\nIVR_OTHER => x\n"
        assert stat.S_IMODE(conf.stat().st_mode) == 0o640
        assert stat.S_IMODE((site.folder / "state" / "asterisk-secret").stat().st_mode) == 0o600
        assert stat.S_IMODE((site.folder / "state" / "asterisk-secret.previous").stat().st_mode) == 0o600
        assert OWNER_HEARS in owner_hears(site, former)
        assert OWNER_HEARS in owner_hears(site, new)
        site.ivr("secret", "rotate", "--root", str(machine), "--overlap", "0")
        assert OWNER_HEARS not in owner_hears(site, new), "without an overlap it is replaced at once"
        assert OWNER_HEARS in owner_hears(site, secret_of(site))


def test_nothing_is_replaced_if_asterisk_has_another_secret(site: Site, machine: Path) -> None:
    before = secret_of(site)
    (machine / "etc/asterisk/ivr/secret.conf").write_text("IVR_SECRET => of-another-machine\n")
    done = site.ivr("secret", "rotate", "--root", str(machine), fails=1)
    assert "ivr doctor" in done.stderr
    assert secret_of(site) == before
    site.environment["IVR_ASTERISK__SECRET"] = "of-another-machine"
    done = site.ivr("secret", "rotate", "--root", str(machine), fails=1)
    assert "IVR_ASTERISK__SECRET" in done.stderr


def test_ami_secret_is_replaced_on_both_sides(site: Site, machine: Path, tmp_path: Path) -> None:
    manager = machine / "etc/asterisk/manager.conf"
    manager.write_text("[general]\nsecret = s3\n[ivr]\nsecret = s3\nread = call\n[other]\nsecret=s3\n")
    toml = tmp_path / "ivr.toml"
    toml.write_text('[mail]\npassword = "s3"\n\n[ami]\nuser = "ivr"\nsecret = "s3"\n')
    tmp_path.chmod(0o755)
    site.environment["IVR_CONFIG"] = str(toml)
    done = site.ivr("secret", "rotate", "ami", "--root", str(machine))
    new = toml.read_text().rsplit('"', 2)[1]
    assert len(new) == 64
    assert toml.read_text() == f'[mail]\npassword = "s3"\n\n[ami]\nuser = "ivr"\nsecret = "{new}"\n'
    assert manager.read_text() == f"[general]\nsecret = s3\n[ivr]\nsecret = {new}\nread = call\n[other]\nsecret=s3\n"
    assert "systemctl restart ivr" in done.stdout
    site.environment["IVR_AMI__SECRET"] = "s3"
    assert "[ivr]" in site.ivr("secret", "rotate", "ami", "--root", str(machine), fails=1).stderr


def test_ami_secret_that_was_installed_is_replaced_on_both_sides(site: Site, machine: Path) -> None:
    asterisks, ours = machine / "etc/asterisk/ivr/manager-secret.conf", site.folder / "state" / "ami-secret"
    assert "ivr install" in site.ivr("secret", "rotate", "ami", "--root", str(machine), fails=1).stderr
    for file, text in ((asterisks, "secret = s3\n"), (ours, "s3")):
        file.write_text(text)
        file.chmod(0o600)
    site.environment.pop("IVR_AMI__SECRET", None)
    site.ivr("secret", "rotate", "ami", "--root", str(machine))
    assert ours.read_text() != "s3"
    assert asterisks.read_text() == f"secret = {ours.read_text()}\n"
    assert stat.S_IMODE(ours.stat().st_mode) == 0o600


def test_former_secret_ends_with_the_overlap(tmp_path: Path) -> None:
    clock = FakeClock()
    settings = Settings(data={"folder": tmp_path})
    service, command = AsteriskSecret(settings, clock), AsteriskSecret(settings, clock)
    [former] = service.accepted()
    command.replace("new", 3600)
    assert service.accepted() == ("new", former)
    clock.advance(s=3599)
    assert service.accepted() == ("new", former)
    clock.advance(s=1)
    assert service.accepted() == ("new",)
    assert service.previous_until == 0


def test_service_keeps_the_secret_while_its_file_cannot_be_read(tmp_path: Path) -> None:
    service = AsteriskSecret(Settings(data={"folder": tmp_path}), FakeClock())
    before = service.accepted()
    (tmp_path / "state" / "asterisk-secret").unlink()
    (tmp_path / "state" / "asterisk-secret").mkdir()
    assert service.accepted() == before


def test_section_and_value_must_both_match(tmp_path: Path) -> None:
    folder = tmp_path / "etc/asterisk"
    folder.mkdir(parents=True)
    (folder / "manager.conf").write_text("[other]\nsecret = s\n[ivr]\nsecret = t\n")
    with pytest.raises(ConfigurationError):
        manager_edits(tmp_path, "ivr", "s", "new")
    with pytest.raises(ConfigurationError):
        dialplan_edits(tmp_path, ["s"], "new")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: it changes owners")
def test_files_keep_their_owners(site: Site, machine: Path) -> None:
    conf = machine / "etc/asterisk/ivr/secret.conf"
    os.chown(conf, 0, 61005)
    for path in (site.folder, site.folder / "state", site.folder / "state" / "asterisk-secret"):
        os.chown(path, 61002, 61000)
    site.ivr("secret", "rotate", "--root", str(machine))
    assert conf.stat().st_gid == 61005
    for name in ("asterisk-secret", "asterisk-secret.previous"):
        assert (site.folder / "state" / name).stat().st_uid == 61002
