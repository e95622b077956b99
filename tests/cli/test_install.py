"""`ivr install`: into a folder that becomes a machine, and on this one."""

from __future__ import annotations

import grp
import os
import pwd
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from ivr import settings
from ivr.errors import ConfigurationError
from ivr.install.steps import ChangeOwner, InstallTarget, MakeLink, Ownership, RunCommand
from ivr.install.write_file import WriteFile
from ivr.paths import load_ami_settings
from tests.cli.conftest import Ivr
from tests.lab.processes import SERVER_NICENESS

INSTALLED_DATA = Path(__file__).parents[2]


def file_mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def installed_root(ivr: Ivr, tmp_path: Path) -> Path:
    """A folder with everything in it."""
    ivr("install", "--root", str(tmp_path / "machine"))
    return tmp_path / "machine"


def test_dry_run_describes_everything_and_changes_nothing(ivr: Ivr, tmp_path: Path) -> None:
    root = tmp_path / "machine"
    output = ivr("install", "--dry-run", "--root", str(root)).stdout
    for line in (
        "run     groupadd --system ivr-asterisk",
        "run     useradd --system --gid ivr-asterisk",
        "run     usermod --append --groups ivr-asterisk asterisk",
        "folder  /var/lib/ivr  2750 ivr:ivr-asterisk",
        "folder  /var/lib/ivr/takes  2770 ivr:ivr-asterisk",
        "folder  /var/lib/ivr/state  0700 ivr:ivr",
        "run     usermod --append --groups ivr ivr",
        "file    /var/lib/ivr/state/asterisk-secret  0600 ivr:ivr",
        "file    /etc/ivr/ivr.toml  0640 root:ivr",
        "file    /etc/asterisk/ivr/extensions.conf  0640 root:asterisk",
        "file    /etc/asterisk/ivr/secret.conf  0640 root:asterisk",
        "file    /etc/systemd/system/ivr.service  0644 root:root",
        "run     systemctl daemon-reload",
    ):
        assert line in output
    assert '#include "ivr/extensions.conf"' in output
    assert "ivr doctor" in output
    assert not root.exists()


DEBIAN_UNIT = "[Service]\nExecStart=/usr/sbin/asterisk -g -f -p -U asterisk -G asterisk\n"


def test_asterisk_that_drops_its_groups_shares_its_own_group(ivr: Ivr, tmp_path: Path) -> None:
    """Debian's unit has -G: an Asterisk with it has no other group, whatever /etc/group says."""
    root = tmp_path / "machine"
    unit = root / "usr/lib/systemd/system/asterisk.service"
    unit.parent.mkdir(parents=True)
    unit.write_text(DEBIAN_UNIT)
    output = ivr("install", "--root", str(root)).stdout
    assert "Asterisk runs in the group asterisk only (asterisk.service)" in output
    assert "folder  /var/lib/ivr/takes  2770 ivr:asterisk" in output
    assert "usermod --append --groups asterisk" not in output
    installed = (root / "etc/systemd/system/ivr.service").read_text().splitlines()
    assert "Group=asterisk" in installed
    assert f"Nice={SERVER_NICENESS}" in installed, "the lab measures with the priority that the unit sets"


def test_a_group_that_asterisk_drops_is_reported(ivr: Ivr, tmp_path: Path) -> None:
    unit = tmp_path / "etc/systemd/system/asterisk.service"
    unit.parent.mkdir(parents=True)
    unit.write_text(DEBIAN_UNIT)
    output = ivr("install", "--root", str(tmp_path), "--group", "tel", "--dry-run").stdout
    assert "It cannot read files of the group tel: leave --group out." in output


def test_everything_in_the_data_folder_gets_the_shared_group_and_links_are_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("not ours")
    data = tmp_path / "data"
    (data / "takes").mkdir(parents=True)
    (data / "takes" / "a.wav").write_bytes(b"")
    (data / "link").symlink_to(outside)
    group = grp.getgrgid(os.getgid()).gr_name
    step = ChangeOwner(data, "daemon" if os.geteuid() == 0 else group)
    step.apply(InstallTarget(Path("/")))
    wanted = grp.getgrnam(step.group).gr_gid
    assert {path.lstat().st_gid for path in data.rglob("*")} == {wanted}
    assert outside.stat().st_gid == os.getgid()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to other users")
@pytest.mark.parametrize("present", ["as installed", "changed by the site", "of an earlier version"])
def test_file_that_stays_gets_its_owner_back(tmp_path: Path, present: str) -> None:
    """Asterisk's group has changed, or the user of the service has another number."""
    path, target = tmp_path / "a.conf", InstallTarget(Path("/"))
    earlier = present if present == "of an earlier version" else "as installed"
    WriteFile(path, earlier, Ownership("root", "root", 0o600)).apply(target)
    path.write_text(present)
    WriteFile(path, "as installed", Ownership("daemon", "daemon", 0o640)).apply(target)
    status = path.stat()
    assert (status.st_uid, status.st_gid) == (pwd.getpwnam("daemon").pw_uid, grp.getgrnam("daemon").gr_gid)
    assert stat.S_IMODE(status.st_mode) == 0o640


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to other users")
def test_private_files_are_given_to_the_user_of_the_service(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "shadow").write_text("not ours")
    (tmp_path / "state" / "ivr.db").write_text("restored with the number of another machine's user")
    os.link(tmp_path / "shadow", tmp_path / "state" / "pepper")
    (tmp_path / "state" / "takes").mkdir()
    (tmp_path / "state" / "takes" / "of-asterisk.wav").write_bytes(b"")
    ChangeOwner(tmp_path / "state", "", user="daemon").apply(InstallTarget(Path("/")))
    assert (tmp_path / "state" / "ivr.db").owner() == "daemon"
    assert (tmp_path / "state" / "ivr.db").group() == "root"
    assert (tmp_path / "state" / "takes").owner() == "daemon"
    assert (tmp_path / "state" / "takes" / "of-asterisk.wav").owner() == "root"
    assert (tmp_path / "shadow").owner() == "root"


def test_install_does_what_dry_run_describes(ivr: Ivr, tmp_path: Path) -> None:
    root = tmp_path / "machine"
    output = ivr("install", "--dry-run", "--root", str(root)).stdout
    done = ivr("install", "--root", str(root)).stdout
    described = [line.partition("  → ")[0] for line in output.splitlines()]
    assert [line.partition("  → ")[0] for line in done.splitlines()] == described
    promised = {line.split()[1] for line in output.splitlines() if line.startswith(("file", "folder", "link"))}
    made = {f"/{path.relative_to(root)}" for path in root.rglob("*")}
    assert promised <= made
    assert {path for path in made - promised if not any(p.startswith(f"{path}/") for p in promised)} == set()
    for line in output.splitlines():
        if line.startswith(("file", "folder")):
            _, path, wanted, *_ = line.split()
            assert f"{file_mode(root / path[1:]):04o}" == wanted, path


@pytest.mark.parametrize(("options", "drop_in"), [((), True), (("--group", "asterisk"), False)])
def test_unit_and_command_of_a_debian_package_are_left_to_it(
    ivr: Ivr, tmp_path: Path, options: tuple[str, ...], drop_in: bool
) -> None:
    unit = tmp_path / "usr/lib/systemd/system/ivr.service"
    unit.parent.mkdir(parents=True)
    unit.write_text("[Service]\nGroup=asterisk\n")
    ivr("install", "--root", str(tmp_path), *options)
    assert not (tmp_path / "etc/systemd/system/ivr.service").exists()
    assert not (tmp_path / "usr/local/bin/ivr").is_symlink()
    group_file = tmp_path / "etc/systemd/system/ivr.service.d/group.conf"
    assert group_file.exists() is drop_in, "only where the service shares another group than the package's unit has"
    if drop_in:
        assert group_file.read_text() == "[Service]\nGroup=ivr-asterisk\n"


@pytest.mark.parametrize("is_packaged", [False, True])
def test_data_folder_of_the_settings_is_that_of_unit_and_dialplan(ivr: Ivr, tmp_path: Path, is_packaged: bool) -> None:
    """A site that has moved it: the unit lets the service write nowhere else."""
    if is_packaged:
        package_unit = tmp_path / "usr/lib/systemd/system/ivr.service"
        package_unit.parent.mkdir(parents=True)
        package_unit.write_text("[Service]\nGroup=asterisk\n")
    ivr("install", "--root", str(tmp_path))
    settings = tmp_path / "etc/ivr/ivr.toml"
    settings.write_text(settings.read_text().replace("/var/lib/ivr", "/srv/voice mail"))
    ivr("install", "--root", str(tmp_path))
    unit = "ivr.service.d/data-folder.conf" if is_packaged else "ivr.service"
    assert 'ReadWritePaths="/srv/voice mail"\n' in (tmp_path / "etc/systemd/system" / unit).read_text()
    assert "IVR_TAKES_FOLDER => /srv/voice mail/takes\n" in (tmp_path / "etc/asterisk/ivr/secret.conf").read_text()
    assert (tmp_path / "srv/voice mail/takes").is_dir()
    assert not list(tmp_path.rglob("*.new"))


def test_command_is_linked_into_path_and_a_program_of_the_site_is_kept(tmp_path: Path) -> None:
    link = MakeLink(Path("/usr/local/bin/ivr"), Path("/opt/ivr/bin/ivr"))
    place = tmp_path / "usr/local/bin/ivr"
    target = InstallTarget(tmp_path)
    assert link.apply(target) == "created"
    assert link.apply(target) == "exists"
    place.unlink()
    place.symlink_to("/opt/older/bin/ivr")
    assert link.apply(target) == "created"
    assert place.readlink() == Path("/opt/ivr/bin/ivr")
    place.unlink()
    place.write_text("a program of the site")
    assert link.apply(target) == "kept: it is not a link"
    assert place.read_text() == "a program of the site"


def test_written_settings_are_valid(installed_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("IVR_DATA__FOLDER")
    monkeypatch.setenv("IVR_CONFIG", str(installed_root / "etc/ivr/ivr.toml"))
    loaded = settings.load()
    assert loaded.data.folder == Path("/var/lib/ivr")
    assert loaded.fastagi.port == 4573


def test_asterisk_and_the_service_get_the_same_secret(installed_root: Path) -> None:
    secret = (installed_root / "var/lib/ivr/state/asterisk-secret").read_text()
    assert len(secret) == 64
    conf = (installed_root / "etc/asterisk/ivr/secret.conf").read_text()
    assert f"IVR_SECRET => {secret}\n" in conf
    assert "IVR_TAKES_FOLDER => /var/lib/ivr/takes\n" in conf
    sounds = re.search(r"^IVR_SOUNDS_FOLDER => (.*)$", conf, re.MULTILINE)
    assert sounds
    assert (Path(sounds[1]) / "problem" / "later.ulaw").is_file()


def test_manager_of_asterisk_gets_a_random_secret(ivr: Ivr, installed_root: Path, tmp_path: Path) -> None:
    """An earlier one stays, also one of the site's own account in the settings."""
    file, toml = installed_root / "etc/asterisk/ivr/manager-secret.conf", installed_root / "etc/ivr/ivr.toml"
    secret = file.read_text().rpartition("secret = ")[2].strip()
    assert len(secret) == 64
    assert "secret" not in toml.read_text()
    assert '\n#tryinclude "ivr/manager-secret.conf"\n' in (installed_root / "etc/asterisk/ivr/manager.conf").read_text()
    toml.write_text(f'{toml.read_text()}[ami]\nsecret = "{secret}"\n')
    before = toml.read_text()
    assert "→ written" not in ivr("install", "--root", str(installed_root)).stdout
    assert toml.read_text() == before
    file.unlink()
    ivr("install", "--root", str(installed_root))
    assert file.read_text().endswith(f"secret = {secret}\n"), "that of the settings"


def test_service_has_the_secret_of_the_manager_once_manager_conf_includes_its_account(
    ivr: Ivr, installed_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("IVR_DATA__FOLDER")
    monkeypatch.setenv("IVR_CONFIG", str(installed_root / "etc/ivr/ivr.toml"))
    site_settings = settings.load(data={"folder": installed_root / "var/lib/ivr"})
    assert load_ami_settings(site_settings).secret == "", "Asterisk has no such account yet"
    manager_conf = installed_root / "etc/asterisk/manager.conf"
    manager_conf.write_text('[general]\nenabled = yes\n#include "ivr/manager.conf"\n')
    assert (
        "/ami-secret  0600 ivr:ivr  → will be written"
        in ivr("install", "--dry-run", "--root", str(installed_root)).stdout
    )
    ivr("install", "--root", str(installed_root))
    asterisks = installed_root / "etc/asterisk/ivr/manager-secret.conf"
    assert asterisks.read_text().endswith(f"secret = {load_ami_settings(site_settings).secret}\n")
    asterisks.write_text("secret = another\n")
    ivr("install", "--root", str(installed_root))
    assert load_ami_settings(site_settings).secret == "another", "it is Asterisk's that counts"


DEBIANS_MANAGER = '[general]\nenabled = yes\n; A comment\n#include "manager.d/*.conf" \n'


@pytest.mark.parametrize(
    ("manager", "is_written"),
    [
        (DEBIANS_MANAGER, True),
        (f'{DEBIANS_MANAGER}#include "ivr/manager.conf"\n', False),
        (f"{DEBIANS_MANAGER}#tryinclude </etc/asterisk/ivr/manager.conf>\n", False),
        (DEBIANS_MANAGER.replace("#include", ";#include"), False),
        (DEBIANS_MANAGER.replace("; A comment", ";-- A comment") + "--;\n", False),
        ('#exec "/bin/x"\n#include "none.conf"\n#include "manager_site.conf"\n', True),
        ("", False),
    ],
)
def test_manager_of_debians_asterisk_takes_in_our_account(
    manager: str, is_written: bool, ivr: Ivr, tmp_path: Path
) -> None:
    """By a file of ours in a folder that manager.conf includes; manager.conf itself stays as it is."""
    etc = tmp_path / "etc/asterisk"
    (etc / "manager.d").mkdir(parents=True)
    (etc / "manager.conf").write_text(manager)
    (etc / "manager_site.conf").write_text(DEBIANS_MANAGER)
    printed = ivr("install", "--root", str(tmp_path)).stdout
    assert (etc / "manager.conf").read_text() == manager
    assert ("file    /etc/asterisk/manager.d/ivr.conf  0640 root:asterisk  → written" in printed) is is_written
    assert (etc / "manager.d/ivr.conf").exists() is is_written
    if is_written:
        assert '\n#tryinclude "ivr/manager.conf"\n' in (etc / "manager.d/ivr.conf").read_text()
        assert "→ written" not in ivr("install", "--root", str(tmp_path)).stdout, "a second time it is there"


def test_secret_is_never_printed(ivr: Ivr, tmp_path: Path) -> None:
    output = ivr("install", "--root", str(tmp_path)).stdout
    assert (tmp_path / "var/lib/ivr/state/asterisk-secret").read_text() not in output
    secret = (tmp_path / "etc/asterisk/ivr/manager-secret.conf").read_text().rpartition("secret = ")[2].strip()
    assert secret not in output


def test_second_install_changes_nothing(ivr: Ivr, installed_root: Path) -> None:
    before = {path: path.read_bytes() for path in installed_root.rglob("*") if path.is_file()}
    dry_run = ivr("install", "--root", str(installed_root), "--dry-run").stdout
    assert "will be" not in dry_run, "the secrets are those that are there"
    output = ivr("install", "--root", str(installed_root)).stdout
    assert {path: path.read_bytes() for path in installed_root.rglob("*") if path.is_file()} == before
    assert output.count("→ exists") == len(before) + 6, "files, folders and the link"
    assert "systemctl enable --now ivr" in output, "nothing is new: the steps of the first installation"


def test_user_and_folder_names_are_configurable(ivr: Ivr, tmp_path: Path) -> None:
    output = ivr("install", "--dry-run", "--user", "vm", "--group", "tel", "--asterisk", "pbx").stdout
    assert "folder  /var/lib/ivr  2750 vm:tel" in output
    assert "usermod --append --groups tel pbx" in output


def test_install_without_asterisk_does_nothing(ivr: Ivr) -> None:
    output = ivr("install", "--asterisk", "no-such-user", fails=1).stderr
    assert ("install Asterisk first" if os.geteuid() == 0 else "run sudo ivr install") in output


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd on this machine: apt install systemd")
def test_systemd_understands_the_unit(installed_root: Path, tmp_path: Path) -> None:
    unit = tmp_path / "ivr.service"
    text = (installed_root / "etc/systemd/system/ivr.service").read_text()
    unit.write_text(re.sub("^ExecStart=.*", "ExecStart=/bin/true serve", text, flags=re.MULTILINE))
    done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)
    assert "ivr.service" not in done.stderr


MAX_EXPOSURE = 2.0


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd on this machine: apt install systemd")
def test_unit_is_shut_in_and_its_socket_holds_the_ports(installed_root: Path) -> None:
    unit = installed_root / "etc/systemd/system/ivr.service"
    argv = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(unit)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    exposure = re.search(r"Overall exposure level for ivr.service: ([0-9.]+)", done.stdout)
    assert exposure, done.stdout + done.stderr
    assert float(exposure[1]) < MAX_EXPOSURE
    text = unit.with_name("ivr.socket").read_text()
    assert re.findall(r"^ListenStream=(.*)$", text, re.MULTILINE) == ["127.0.0.1:4573", "127.0.0.1:8000"]
    assert "Also=ivr.socket" in unit.read_text()


def test_socket_has_the_addresses_of_the_settings(ivr: Ivr, installed_root: Path) -> None:
    toml = installed_root / "etc/ivr/ivr.toml"
    toml.write_text(toml.read_text().replace("port = 4573", "port = 4600") + '[api]\nhost = "::1"\nport = 8080\n')
    ivr("install", "--root", str(installed_root))
    text = (installed_root / "etc/systemd/system/ivr.socket").read_text()
    assert re.findall(r"^ListenStream=(.*)$", text, re.MULTILINE) == ["127.0.0.1:4600", "[::1]:8080"]
    assert not list(installed_root.rglob("*.new")), "a port of the site is no new version of the settings"


@pytest.mark.parametrize(
    ("host", "called"), [("::1", "[::1]:4573"), ("::", "[::1]:4573"), ("0.0.0.0", "127.0.0.1:4573")]
)
def test_dialplan_calls_the_service_where_it_listens(ivr: Ivr, installed_root: Path, host: str, called: str) -> None:
    toml = installed_root / "etc/ivr/ivr.toml"
    toml.write_text(toml.read_text().replace("port = 4573", f'host = "{host}"\nport = 4573'))
    ivr("install", "--root", str(installed_root))
    conf = (installed_root / "etc/asterisk/ivr/secret.conf").read_text()
    assert f"IVR_FASTAGI_ADDRESS => {called}\n" in conf


def test_the_unit_has_no_placeholder_left(installed_root: Path) -> None:
    text = (installed_root / "etc/systemd/system/ivr.service").read_text()
    assert not re.search(r"@[A-Z]+@", text + (installed_root / "etc/systemd/system/ivr.socket").read_text())
    for line in ("User=ivr", "Group=ivr-asterisk", "UMask=0027", "ReadWritePaths=/var/lib/ivr"):
        assert line in text.splitlines()


def test_failing_command_stops_install_with_error() -> None:
    with pytest.raises(ConfigurationError, match=r"'ls /no-such-place' failed: .*No such file"):
        RunCommand(["ls", "/no-such-place"]).apply(InstallTarget(Path("/")))


def test_unneeded_command_is_not_run() -> None:
    assert RunCommand(["false"], skip_if=["true"]).apply(InstallTarget(Path("/"))) == "exists"
    assert RunCommand(["true"], skip_if=["false"]).apply(InstallTarget(Path("/"))) == "done"


def test_install_without_systemd_omits_unit() -> None:
    assert (
        RunCommand(["no-such-systemctl", "daemon-reload"]).apply(InstallTarget(Path("/")))
        == "skipped: no-such-systemctl is not available"
    )


HOST_ROOT_OPTIONS = """
set -e
mkdir {place}/etc {place}/lib {place}/log
cp -a /etc/. {place}/etc
mount --bind {place}/etc /etc
mount --bind {place}/lib /var/lib
mount --bind {place}/log /var/log
getent passwd asterisk >/dev/null || useradd --system --user-group asterisk
{ivr} install
{ivr} install >/dev/null
id -nG asterisk
id -nG ivr
stat -c '%A %U:%G %n' /var/lib/ivr /var/lib/ivr/takes /var/lib/ivr/state /var/lib/ivr/state/asterisk-secret
stat -c '%A %U:%G %n' /etc/ivr/ivr.toml
stat -c '%A %U:%G %n' /etc/asterisk/ivr/secret.conf /etc/systemd/system/ivr.service
{ivr} doctor || true
{ivr} account create acme >/dev/null
mv /var/lib/ivr/state/* /var/lib/ivr
rmdir /var/lib/ivr/state
chgrp -R ivr-asterisk /etc/ivr
chmod 644 /etc/ivr/ivr.toml
{ivr} account list 2>&1 || true
{ivr} install | grep '^move'
{ivr} account list
stat -c 'upgraded %A %U:%G %n' /var/lib/ivr/state /var/lib/ivr/state/ivr.db /etc/ivr /etc/ivr/ivr.toml
ls /var/lib/ivr
"""
"""A machine whose /etc and /var/lib are copies, in a mount namespace of its own: this one is not touched."""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make users and folders of theirs")
def test_install_works_on_whole_machine(tmp_path: Path) -> None:
    program = tmp_path / "ivr"
    program.write_text(f'#!/bin/sh\nPYTHONPATH={INSTALLED_DATA} exec {sys.executable} -m ivr "$@"\n')
    program.chmod(0o755)
    script = HOST_ROOT_OPTIONS.format(place=tmp_path, ivr=program)
    # A PID namespace too: another Asterisk of this machine must not be found.
    unshare = ["unshare", "-mpf", "--mount-proc", "--propagation", "private", "sh", "-c", script]
    plain = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    done = subprocess.run(unshare, capture_output=True, text=True, check=False, env=plain)
    assert done.returncode == 0, done.stdout + done.stderr
    for line in (
        "asterisk ivr-asterisk",
        "ivr-asterisk ivr",
        "drwx------ ivr:ivr /var/lib/ivr/state",
        "drwxr-s--- ivr:ivr-asterisk /var/lib/ivr",
        "drwxrws--- ivr:ivr-asterisk /var/lib/ivr/takes",
        "-rw------- ivr:ivr /var/lib/ivr/state/asterisk-secret",
        "-rw-r----- root:ivr /etc/ivr/ivr.toml",
        "-rw-r----- root:asterisk /etc/asterisk/ivr/secret.conf",
        "-rw-r--r-- root:root /etc/systemd/system/ivr.service",
    ):
        assert line in done.stdout.splitlines()
    for line in (
        "move    database and secrets of /var/lib/ivr to /var/lib/ivr/state  → done",
        "upgraded drwx------ ivr:ivr /var/lib/ivr/state",
        "upgraded drwxr-x--- root:ivr /etc/ivr",
        "upgraded -rw-r----- root:ivr /etc/ivr/ivr.toml",
        "state",
    ):
        assert line in done.stdout.splitlines()
    assert "/var/lib/ivr/ivr.db was written by an earlier version of ivr" in done.stdout
    assert "\nacme " in done.stdout, "the database of the earlier layout is the present one"
    assert not {"ivr.db", "pepper", "asterisk-secret"} & set(done.stdout.splitlines()), "nothing is left there"
    diagnosis = [line.split(maxsplit=1) for line in done.stdout.splitlines() if line.startswith(("ok ", "problem "))]
    assert ["ok", "config             /etc/ivr/ivr.toml"] in diagnosis
    assert any(level == "ok" and what.startswith("data folder") for level, what in diagnosis)
    wrong = {what.split("  ")[0] for level, what in diagnosis if level == "problem"}
    assert wrong == {"service", "asterisk"}, "neither runs there"
    assert not Path("/etc/ivr").exists() or "ivr" in Path("/etc/passwd").read_text(), "this machine is as it was"
