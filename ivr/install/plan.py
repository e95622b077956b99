"""The Debian-style layout of an installation: what there is to do, in order, as data.

/etc/ivr/ivr.toml          settings                       /etc/asterisk/ivr/        dialplan, samples, secret
/var/lib/ivr               data, 2750, of a group that    /etc/systemd/system/      the unit
                           Asterisk's user is in too
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ivr.install.steps import InstallStep, MakeDirectory, Ownership, RunCommand, WriteFile

DATA_MODE = 0o2750
TAKES_MODE = 0o2770
ASTERISK_SECRET_FILE = "asterisk-secret"
SYSTEMD_RUNTIME_FOLDER = Path("/run/systemd/system")


@dataclass(frozen=True, slots=True)
class Layout:
    """Who is who and where is what on the machine."""

    executable: Path
    """The `ivr` that the unit starts."""
    package_data: Path
    """The folder with asterisk-conf/, sounds/ and systemd/."""
    user: str = "ivr"
    group: str = "ivr-asterisk"
    """Shared by the service and by Asterisk."""
    asterisk_user: str = "asterisk"
    """Asterisk's user."""
    fastagi_port: int = 4573
    config_folder: Path = Path("/etc/ivr")
    data_folder: Path = Path("/var/lib/ivr")
    asterisk_config_folder: Path = Path("/etc/asterisk/ivr")
    unit_file: Path = Path("/etc/systemd/system/ivr.service")


def install_steps(layout: Layout, secret: str) -> Iterator[InstallStep]:
    """All steps. `secret`: what the service and Asterisk will both know."""
    user, group, asterisk = layout.user, layout.group, layout.asterisk_user
    yield RunCommand(["groupadd", "--system", group], skip_if=["getent", "group", group])
    home = ["--home-dir", str(layout.data_folder), "--no-create-home", "--shell", "/usr/sbin/nologin"]
    yield RunCommand(["useradd", "--system", "--gid", group, *home, user], skip_if=["getent", "passwd", user])
    yield RunCommand(["usermod", "--append", "--groups", group, asterisk])
    yield MakeDirectory(layout.config_folder, Ownership("root", group, 0o750))
    yield WriteFile(layout.config_folder / "ivr.toml", _settings_toml(layout), Ownership("root", group, 0o640))
    yield MakeDirectory(layout.data_folder, Ownership(user, group, DATA_MODE))
    yield MakeDirectory(layout.data_folder / "takes", Ownership(user, group, TAKES_MODE))
    yield WriteFile(layout.data_folder / ASTERISK_SECRET_FILE, secret, Ownership(user, group, 0o600))
    yield MakeDirectory(layout.asterisk_config_folder, Ownership("root", asterisk, 0o750))
    for sample in sorted((layout.package_data / "asterisk-conf").glob("*.conf")):
        owned = Ownership("root", asterisk, 0o640)
        yield WriteFile(layout.asterisk_config_folder / sample.name, sample.read_text(), owned, write_dist_copy=True)
    yield WriteFile(
        layout.asterisk_config_folder / "secret.conf",
        _asterisk_globals(layout, secret),
        Ownership("root", asterisk, 0o640),
    )
    yield WriteFile(layout.unit_file, _systemd_unit(layout), Ownership("root", "root", 0o644), overwrite=True)
    yield RunCommand(["systemctl", "daemon-reload"], required_path=SYSTEMD_RUNTIME_FOLDER)


def manual_steps(layout: Layout) -> list[str]:
    """What only the site's administrator can do."""
    return [
        f'take the dialplan in: #include "{layout.asterisk_config_folder.name}/extensions.conf" as the last line of [globals]'
        " in extensions.conf, and include => ivr-phones where phones dial",
        "restart Asterisk, so that it is in its new group; then: systemctl enable --now ivr",
        "make people and boxes (README.md), and ask: ivr doctor",
    ]


def _settings_toml(layout: Layout) -> str:
    return f"""# Settings of the voicemail: docs/settings.md lists them all.

[data]
folder = "{layout.data_folder}"

[fastagi]
port = {layout.fastagi_port}
"""


def _asterisk_globals(layout: Layout, secret: str) -> str:
    return f"""; Global variables of the dialplan. Asterisk's user only may read this file.
IVR_SECRET => {secret}
IVR_HOST => 127.0.0.1:{layout.fastagi_port}
IVR_SOUNDS => {layout.package_data / "sounds" / "en"}
IVR_TAKES => {layout.data_folder / "takes"}
"""


def _systemd_unit(layout: Layout) -> str:
    unit = (layout.package_data / "systemd" / "ivr.service").read_text()
    filled = {
        "@IVR@": layout.executable,
        "@USER@": layout.user,
        "@GROUP@": layout.group,
        "@DATA@": layout.data_folder,
        "@SHARE@": layout.package_data,
    }
    for name, value in filled.items():
        unit = unit.replace(name, str(value))
    return unit
