"""Checks of the systemd unit of the service."""

from __future__ import annotations

import pwd
from collections.abc import Iterator

from ivr.doctor.installation import Installation
from ivr.health.finding import RESTART, START, STOP, Finding, ok, problem, quoted, warning
from ivr.validation.networks import format_address

UNIT = "ivr.service"
SOCKET = "ivr.socket"
INSTALL = "ivr install && systemctl enable --now ivr"
EDIT = "systemctl edit --full ivr && systemctl restart ivr"
RELOAD = "systemctl daemon-reload && systemctl restart ivr"


def check_unit(installation: Installation) -> Iterator[Finding]:
    """Check that systemd knows the unit, starts it with the machine, and has not given it up.

    There is no finding without systemd, nor if something else than this unit runs the service.
    """
    unit = installation.host.unit_properties(UNIT)
    if not unit:
        return
    load, active = unit.get("LoadState"), unit.get("ActiveState")
    if load == "not-found":
        if not _is_listening(installation):
            what = f"systemd has no {UNIT}, and nothing else runs the service"
            remedy = f"with the Debian package: apt install --reinstall ivr-voicemail; else: {INSTALL}"
            yield problem("unit", what, remedy, command=INSTALL)
        return
    if load == "masked":
        what = f"{UNIT} is masked: it cannot be started"
        yield problem("unit", what, command="systemctl unmask ivr && systemctl enable --now ivr")
    elif load != "loaded":
        remedy = f"see the error: systemd-analyze verify {UNIT}; then correct it: {EDIT}"
        yield problem("unit", f"systemd cannot read {UNIT} ({load})", remedy, command=EDIT)
    elif found := find_other_owner(installation):
        yield found
    elif active == "failed":
        what = f"{UNIT} has failed ({unit.get('Result')}), and systemd no longer starts it"
        remedy = f"correct what else is found here, then: {RESTART}; if it fails again: journalctl -u ivr -n 50"
        yield problem("unit", what, remedy, command=RESTART)
    elif unit.get("NeedDaemonReload") == "yes":
        yield warning("unit", f"{UNIT} was changed since systemd read it", command=RELOAD)
    elif unit.get("UnitFileState") == "disabled":
        yield warning("unit", f"{UNIT} does not start with the machine", command="systemctl enable ivr")
    else:
        yield ok("unit", f"{UNIT} starts with the machine")


def check_socket(installation: Installation) -> Iterator[Finding]:
    """Check that systemd holds no other ports than those of the settings. There is no finding if it holds none."""
    socket = installation.host.unit_properties(SOCKET)
    if socket.get("ActiveState") != "active" or not socket.get("Listen"):
        return
    held = [line.partition(" ")[0] for line in socket["Listen"].splitlines()]
    fastagi, api = installation.settings.fastagi, installation.settings.api
    wanted = [format_address(fastagi.host, fastagi.port), format_address(api.host, api.port)]
    if not (others := [address for address in held if address not in wanted]):
        yield ok("socket", f"{SOCKET} holds {', '.join(held)}")
        return
    what = f"{SOCKET} holds {', '.join(others)}, and the settings have {' and '.join(wanted)}"
    remedy = "the ports of the socket change with ivr install, not with a restart of the service"
    restart = f"{STOP} && {START}"
    command = f"ivr install && {restart}"
    if not socket.get("FragmentPath", "/etc/").startswith("/etc/"):  # Of a package: `ivr install` leaves it alone.
        remedy = "the socket of the package has the default ports: give it those of the settings"
        lines = "".join(f"ListenStream={address}\\n" for address in ("", *wanted))
        drop_in = f"/etc/systemd/system/{SOCKET}.d"
        write = f"mkdir -p {drop_in} && printf '[Socket]\\n{lines}' >{drop_in}/ports.conf"
        command = f"{write} && systemctl daemon-reload && {restart}"
    yield warning("socket", what, f"{remedy}: {command}", command=command)


def find_other_owner(installation: Installation) -> Finding | None:
    """Return what is wrong if the data folder belongs to another user, as one copied from another machine does."""
    folder, user = installation.data_folder, installation.host.unit_properties(UNIT).get("User", "")
    try:
        owner, uid = folder.stat().st_uid, int(user) if user.isdigit() else pwd.getpwnam(user).pw_uid
    except (OSError, KeyError):  # That is a finding of its own; or the user is not of this machine.
        return None
    if owner == uid:
        return None
    what = f"{UNIT} runs as user {user} ({uid}), but {folder} belongs to user {owner}: the service cannot use it"
    return problem("unit", what, command=f"chown -R {user} {quoted(folder)} && ivr install && {RESTART}")


def _is_listening(installation: Installation) -> bool:
    fastagi = installation.settings.fastagi
    try:
        installation.host.connect(fastagi.host, fastagi.port).close()
    except OSError:
        return False
    return True
