"""Steps of an installation in the layout of a Debian machine, in order, as data.

/etc/ivr/ivr.toml          settings                       /etc/asterisk/ivr/        dialplan, samples, secret
/etc/ivr/installed.json    record of the files            /etc/systemd/system/      the unit
/var/lib/ivr               data, 2750, of a group that    /var/lib/ivr/state/       database and secrets, 0700
                           Asterisk's user is in too
Settings and state have a group of their own, which Asterisk's user is not in.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ivr.install.installed_files import RECORD_FILE
from ivr.install.move_state import MoveState
from ivr.install.steps import ChangeOwner, CorrectOwner, InstallStep, MakeDirectory, MakeLink, Ownership, RunCommand
from ivr.install.write_file import FileRule, WriteFile, WriteRecord
from ivr.paths import AMI_SECRET_FILE
from ivr.storage.data_folder import STATE_MODE, state_folder

DATA_MODE = 0o2750
TAKES_MODE = 0o2770
ASTERISK_SECRET_FILE = "asterisk-secret"
MANAGER_SECRET_FILE = "manager-secret.conf"
MANAGER_INCLUDE = """; The manager account of ivr, for message lights and calls to owners.
#tryinclude "ivr/manager.conf"
"""
COMMAND_FOLDERS = {Path("/usr/bin"), Path("/usr/local/bin")}
SYSTEMD_RUNTIME_FOLDER = Path("/run/systemd/system")
DEFAULT_DATA_FOLDER = Path("/var/lib/ivr")
DEFAULT_FASTAGI_PORT = 4573


@dataclass(frozen=True, slots=True)
class Layout:
    """Users, groups, folders and programs of the machine."""

    executable: Path
    """The program `ivr` that the unit starts."""
    package_data: Path
    """The folder with asterisk-conf/, sounds/ and systemd/."""
    user: str = "ivr"
    group: str = "ivr-asterisk"
    """Shared by the service and by Asterisk."""
    private_group: str = "ivr"
    """Of the service alone: it reads the settings."""
    asterisk_user: str = "asterisk"
    asterisk_group: str = "asterisk"
    """The group by which Asterisk reads its configuration. Where `group` is the same, Asterisk has no other."""
    fastagi_address: str = "127.0.0.1:4573"
    """Where Asterisk, on this machine, reaches the service."""
    listen_addresses: tuple[str, ...] = ("127.0.0.1:4573", "127.0.0.1:8000")
    """Of FastAGI and REST, as ivr.socket has them."""
    config_folder: Path = Path("/etc/ivr")
    data_folder: Path = DEFAULT_DATA_FOLDER
    asterisk_config_folder: Path = Path("/etc/asterisk/ivr")
    unit_file: Path = Path("/etc/systemd/system/ivr.service")
    socket_unit_file: Path = Path("/etc/systemd/system/ivr.socket")
    manager_include: Path | None = None
    """Where Asterisk's manager.conf takes in files of other packages; None: it does not, or has our file already."""
    has_manager_account: bool = False
    """Whether manager.conf takes in our account, by `manager_include` or by a line of the site."""
    package_group: str = ""
    """Group in the unit of a Debian package, which contains unit and command as well; "": there is no package."""
    unit_drop_in: Path = Path("/etc/systemd/system/ivr.service.d/group.conf")
    """Written where the unit is a package's and Asterisk has another group."""
    command_link: Path = Path("/usr/local/bin/ivr")
    """Where an administrator's shell finds the program if it is not in a folder of PATH."""


def install_steps(layout: Layout, secret: str, *, ami_secret: str) -> Iterator[InstallStep]:
    """Yield all steps. `secret`: the shared secret of the service and Asterisk. `ami_secret`: of its manager."""
    user, group, private = layout.user, layout.group, layout.private_group
    state = state_folder(layout.data_folder)
    config = Ownership("root", layout.asterisk_group, 0o640)
    packaged_rule = FileRule.KEEP if layout.package_group else FileRule.CONFIGURATION
    yield RunCommand(["groupadd", "--system", group], skip_if=["getent", "group", group])
    home = ["--home-dir", str(layout.data_folder), "--no-create-home", "--shell", "/usr/sbin/nologin"]
    yield RunCommand(["useradd", "--system", "--gid", group, *home, user], skip_if=["getent", "passwd", user])
    yield RunCommand(["usermod", "--gid", group, user])
    yield RunCommand(["groupadd", "--system", private], skip_if=["getent", "group", private])
    yield RunCommand(["usermod", "--append", "--groups", private, user])
    if group != layout.asterisk_group:
        yield RunCommand(["usermod", "--append", "--groups", group, layout.asterisk_user])
    yield MakeDirectory(layout.config_folder, Ownership("root", private, 0o750))
    settings_ownership = Ownership("root", private, 0o640)
    yield WriteFile(layout.config_folder / "ivr.toml", _settings_toml(layout), settings_ownership, packaged_rule)
    yield CorrectOwner(layout.config_folder / "ivr.toml", settings_ownership)
    yield MakeDirectory(layout.data_folder, Ownership(user, group, DATA_MODE))
    yield MakeDirectory(layout.data_folder / "takes", Ownership(user, group, TAKES_MODE), link_free=True)
    yield ChangeOwner(layout.data_folder, group, except_folder=state.name, user=user)
    yield MakeDirectory(state, Ownership(user, private, STATE_MODE), link_free=True)
    yield MoveState(layout.data_folder)
    secret_ownership = Ownership(user, private, 0o600)
    yield WriteFile(state / ASTERISK_SECRET_FILE, secret, secret_ownership, FileRule.KEEP, link_free=True)
    if layout.has_manager_account:
        yield WriteFile(state / AMI_SECRET_FILE, ami_secret, secret_ownership, FileRule.REPLACE, link_free=True)
    yield ChangeOwner(state, "", user=user)
    yield MakeDirectory(layout.asterisk_config_folder, Ownership("root", layout.asterisk_group, 0o750))
    for sample in sorted((layout.package_data / "asterisk-conf").glob("*.conf")):
        yield WriteFile(layout.asterisk_config_folder / sample.name, sample.read_text(), config, packaged_rule)
    yield WriteFile(layout.asterisk_config_folder / "secret.conf", _asterisk_globals(layout, secret), config)
    manager = f"; Only Asterisk may read this file.\nsecret = {ami_secret}\n"
    yield WriteFile(layout.asterisk_config_folder / MANAGER_SECRET_FILE, manager, config)
    if layout.manager_include:
        yield WriteFile(layout.manager_include, MANAGER_INCLUDE, config)
    unit_ownership = Ownership("root", "root", 0o644)
    if not layout.package_group:
        for file in (layout.unit_file, layout.socket_unit_file):
            yield WriteFile(file, _systemd_unit(layout, file.name), unit_ownership)
        if layout.executable.parent not in COMMAND_FOLDERS:
            yield MakeLink(layout.command_link, layout.executable)
    elif group != layout.package_group:
        yield WriteFile(layout.unit_drop_in, f"[Service]\nGroup={group}\n", unit_ownership)
    if layout.package_group and layout.data_folder != DEFAULT_DATA_FOLDER:
        writable = f"[Service]\nReadWritePaths={_unit_path(layout.data_folder)}\n"
        yield WriteFile(layout.unit_drop_in.with_name("data-folder.conf"), writable, unit_ownership)
    yield WriteRecord(layout.config_folder / RECORD_FILE, settings_ownership)
    yield RunCommand(["systemctl", "daemon-reload"], required_path=SYSTEMD_RUNTIME_FOLDER)


def manual_steps(layout: Layout, *, is_upgrade: bool) -> list[str]:
    """Return the steps that the administrator of the site does by hand. `is_upgrade`: ivr was installed before."""
    files = f"{layout.asterisk_config_folder.name}/"
    takes_effect = (
        "asterisk -rx 'dialplan reload'" if layout.group == layout.asterisk_group else "systemctl restart asterisk"
    )
    if layout.has_manager_account and layout.group == layout.asterisk_group:
        takes_effect += "; asterisk -rx 'manager reload'"
    if is_upgrade:
        return [
            "systemctl enable ivr.socket; systemctl restart ivr; asterisk -rx 'dialplan reload'; then: ivr doctor"
            " (docs/upgrading.md)"
        ]
    manager = (
        "for message lights, in /etc/asterisk/manager.conf: enabled = yes in [general], and at the end"
        f' #include "{files}manager.conf"; then: ivr install'
    )
    return [
        f'in /etc/asterisk/extensions.conf: #include "{files}extensions.conf" at the end of [globals]',
        "in the context of your phones: include => ivr-phones",
        *([] if layout.has_manager_account else [manager]),
        f"{takes_effect}; then: systemctl enable --now ivr",
        "create an account, users and mailboxes (README.md), then run: ivr doctor",
    ]


def _settings_toml(layout: Layout) -> str:
    """Return the settings of a new installation. What a site has set is no new version that it could take over."""
    return f"""# Settings of ivr. {layout.package_data / "docs" / "settings.md"} lists all of them.

[data]
folder = "{DEFAULT_DATA_FOLDER}"

[fastagi]
port = {DEFAULT_FASTAGI_PORT}
"""


def _asterisk_globals(layout: Layout, secret: str) -> str:
    return f"""; Global variables of the dialplan. Only Asterisk may read this file: it holds a secret.
IVR_SECRET => {secret}
IVR_FASTAGI_ADDRESS => {layout.fastagi_address}
IVR_SOUNDS_FOLDER => {layout.package_data / "sounds" / "en"}
IVR_TAKES_FOLDER => {layout.data_folder / "takes"}
"""


def _unit_path(path: Path) -> str:
    """Return a path as a word of a systemd unit."""
    escaped = str(path).replace("%", "%%")
    return f'"{escaped}"' if " " in escaped else escaped


def _systemd_unit(layout: Layout, name: str) -> str:
    unit = (layout.package_data / "systemd" / name).read_text()
    filled = {
        "@IVR@": layout.executable,
        "@USER@": layout.user,
        "@GROUP@": layout.group,
        "@DATA@": _unit_path(layout.data_folder),
        "@SHARE@": layout.package_data,
        "@FASTAGI@": layout.listen_addresses[0],
        "@REST@": layout.listen_addresses[1],
    }
    for name, value in filled.items():
        unit = unit.replace(name, str(value))
    return unit
