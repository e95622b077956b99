"""The Debian-style layout of an installation: what there is to do, in order, as data.

/etc/ivr/ivr.toml          settings                       /etc/asterisk/ivr/        dialplan, samples, secret
/var/lib/ivr               data, 2750, of a group that    /etc/systemd/system/      the unit
                           Asterisk's user is in too
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ivr.installing.steps import Folder, Owned, Run, Step, Write

DATA_MODE = 0o2750
TAKES_MODE = 0o2770
SECRETS = "asterisk-secret"
SYSTEMD_RUNS = Path("/run/systemd/system")


@dataclass(frozen=True, slots=True)
class Layout:
    """Who is who and where is what on the machine."""

    program: Path
    """The `ivr` that the unit starts."""
    share: Path
    """The folder with asterisk-conf/, sounds/ and systemd/."""
    user: str = "ivr"
    group: str = "ivr-asterisk"
    """Shared by the service and by Asterisk."""
    asterisk: str = "asterisk"
    """Asterisk's user."""
    port: int = 4573
    etc: Path = Path("/etc/ivr")
    data: Path = Path("/var/lib/ivr")
    asterisk_etc: Path = Path("/etc/asterisk/ivr")
    unit: Path = Path("/etc/systemd/system/ivr.service")


def plan(layout: Layout, secret: str) -> Iterator[Step]:
    """All steps. `secret`: what the service and Asterisk will both know."""
    user, group, asterisk = layout.user, layout.group, layout.asterisk
    yield Run(["groupadd", "--system", group], unless=["getent", "group", group])
    home = ["--home-dir", str(layout.data), "--no-create-home", "--shell", "/usr/sbin/nologin"]
    yield Run(["useradd", "--system", "--gid", group, *home, user], unless=["getent", "passwd", user])
    yield Run(["usermod", "--append", "--groups", group, asterisk])
    yield Folder(layout.etc, Owned("root", group, 0o750))
    yield Write(layout.etc / "ivr.toml", _settings(layout), Owned("root", group, 0o640))
    yield Folder(layout.data, Owned(user, group, DATA_MODE))
    yield Folder(layout.data / "takes", Owned(user, group, TAKES_MODE))
    yield Write(layout.data / SECRETS, secret, Owned(user, group, 0o600))
    yield Folder(layout.asterisk_etc, Owned("root", asterisk, 0o750))
    for sample in sorted((layout.share / "asterisk-conf").glob("*.conf")):
        owned = Owned("root", asterisk, 0o640)
        yield Write(layout.asterisk_etc / sample.name, sample.read_text(), owned, beside=True)
    yield Write(layout.asterisk_etc / "secret.conf", _globals(layout, secret), Owned("root", asterisk, 0o640))
    yield Write(layout.unit, _unit(layout), Owned("root", "root", 0o644), ours=True)
    yield Run(["systemctl", "daemon-reload"], where=SYSTEMD_RUNS)


def what_remains(layout: Layout) -> list[str]:
    """What only the site's administrator can do."""
    return [
        f'take the dialplan in: #include "{layout.asterisk_etc.name}/extensions.conf" as the last line of [globals]'
        " in extensions.conf, and include => ivr-phones where phones dial",
        "restart Asterisk, so that it is in its new group; then: systemctl enable --now ivr",
        "make people and boxes (README.md), and ask: ivr doctor",
    ]


def _settings(layout: Layout) -> str:
    return f"""# Settings of the voicemail: docs/settings.md lists them all.

[data]
folder = "{layout.data}"

[fastagi]
port = {layout.port}
"""


def _globals(layout: Layout, secret: str) -> str:
    return f"""; Global variables of the dialplan. Asterisk's user only may read this file.
IVR_SECRET => {secret}
IVR_HOST => 127.0.0.1:{layout.port}
IVR_SOUNDS => {layout.share / "sounds" / "en"}
IVR_TAKES => {layout.data / "takes"}
"""


def _unit(layout: Layout) -> str:
    unit = (layout.share / "systemd" / "ivr.service").read_text()
    filled = {
        "@IVR@": layout.program, "@USER@": layout.user, "@GROUP@": layout.group, "@DATA@": layout.data,
        "@SHARE@": layout.share,
    }  # fmt: skip
    for name, value in filled.items():
        unit = unit.replace(name, str(value))
    return unit
