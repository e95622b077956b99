"""How Asterisk is started on a machine, and which groups it has because of that.

Asterisk that is started with `-G GROUP` (or `rungroup` in asterisk.conf) calls setgroups(0, NULL) and keeps that group
only: a group that its user is added to later never reaches the process (main/asterisk.c). Debian's unit does so.
"""

from __future__ import annotations

import getopt
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ivr.imports.config_file import read_config_if_valid

OPTIONS = "BC:cde:FfG:ghIiL:M:mnpqRrs:TtU:VvWXx:"
"""Asterisk's own getopt string."""
CONSOLE_OPTIONS = {"-r", "-R", "-x"}
"""A process with one of these is a console of a running Asterisk."""
UNIT_FOLDERS = ("etc/systemd/system", "run/systemd/system", "usr/local/lib/systemd/system", "usr/lib/systemd/system")
"""Where systemd looks for a unit, the first that has it wins; drop-ins are read from all of them."""
ASTERISK_CONF = "etc/asterisk/asterisk.conf"


@dataclass(frozen=True, slots=True)
class AsteriskStart:
    """The user and group that Asterisk is started with."""

    source: str
    """Where this was found, for people: "the running process 4711", "asterisk.service"."""
    user: str | None = None
    run_group: str | None = None
    """The only group that Asterisk keeps; None: it has all groups of its user."""
    process_groups: frozenset[int] = field(default_factory=frozenset)
    """Group ids of the running process; empty if there is none."""


def find_asterisk_start(root: Path, proc: Path = Path("/proc")) -> AsteriskStart | None:
    """Return how the Asterisk of the machine below `root` is started: by its process, else its unit, else its settings.

    Processes are examined only if `root` is "/". None: nothing was found.
    """
    found = _from_process(proc) if root == Path("/") else None
    found = found or _from_unit(root) or _from_init_script(root)
    configured = _from_asterisk_conf(root)
    if found is None:
        return configured
    if configured is None:
        return found
    return replace(found, user=found.user or configured.user, run_group=found.run_group or configured.run_group)


def _from_process(proc: Path) -> AsteriskStart | None:
    for folder in sorted(proc.glob("[0-9]*"), key=lambda path: int(path.name)):
        try:
            if (folder / "comm").read_text().strip() != "asterisk":
                continue
            argv = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
            status = (folder / "status").read_text()
        except OSError:  # The process ended meanwhile.
            continue
        options = _parse_options(argv[1:])
        if options is None or CONSOLE_OPTIONS & options.keys():
            continue
        ids = re.findall(r"^(?:Gid|Groups):[ \t]*(.*)$", status, re.MULTILINE)
        groups = frozenset(int(number) for line in ids for number in line.split())
        source = f"the running process {folder.name}"
        return AsteriskStart(source, options.get("-U"), options.get("-G"), groups)
    return None


def _from_unit(root: Path) -> AsteriskStart | None:
    command, user = "", None
    for line in _unit_lines(root):
        key, _, value = line.partition("=")
        if key.strip() == "ExecStart":
            command = value.strip()
        elif key.strip() == "User":
            user = value.strip() or None
    options = _parse_options(shlex.split(command.lstrip("-@:+!"))[1:]) if command else None
    if options is None:
        return None
    return AsteriskStart("asterisk.service", options.get("-U") or user, options.get("-G"))


def _unit_lines(root: Path) -> Iterator[str]:
    folders = [root / folder for folder in UNIT_FOLDERS]
    units = [folder / "asterisk.service" for folder in folders]
    drop_ins = {file.name: file for folder in reversed(folders) for file in folder.glob("asterisk.service.d/*.conf")}
    unit = next((unit for unit in units if unit.is_file()), None)
    for file in [*([unit] if unit else []), *(drop_ins[name] for name in sorted(drop_ins))]:
        yield from _text(file).splitlines()


def _from_init_script(root: Path) -> AsteriskStart | None:
    """contrib/init.d/rc.debian.asterisk starts `asterisk -U $AST_USER -G $AST_GROUP` from /etc/default/asterisk."""
    values = dict(
        re.findall(r'^\s*(AST_USER|AST_GROUP)\s*=\s*"?([^"\s#]+)', _text(root / "etc/default/asterisk"), re.M)
    )
    if not values:
        return None
    return AsteriskStart("/etc/default/asterisk", values.get("AST_USER"), values.get("AST_GROUP"))


def _from_asterisk_conf(root: Path) -> AsteriskStart | None:
    """Return what [options] says; of several values the last counts (`load_asterisk_conf` of Asterisk)."""
    try:
        lines = read_config_if_valid(root / ASTERISK_CONF).section("options").lines
    except PermissionError:
        return None
    values = {line.name.lower(): line.value for line in lines if line.name.lower() in ("runuser", "rungroup")}
    if not values:
        return None
    return AsteriskStart("asterisk.conf", values.get("runuser"), values.get("rungroup"))


def _parse_options(arguments: Sequence[str]) -> dict[str, str] | None:
    """Return the options of a command line of Asterisk by name; None for one that Asterisk would reject."""
    try:
        options, _ = getopt.gnu_getopt(list(arguments), OPTIONS)
    except getopt.GetoptError:
        return None
    return dict(options)


def _text(file: Path) -> str:
    try:
        return file.read_text(errors="replace")
    except OSError:
        return ""
