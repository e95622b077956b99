"""Findings: what a check has found, in one line, and what to do about it."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

START = "systemctl start ivr"
RESTART = "systemctl restart ivr"
STOP = "systemctl stop ivr.socket ivr"
"""Without the socket: it starts the service again with the next call."""
MOUNT = f"mount -a && {RESTART}"
RUN_AS_ROOT = "sudo ivr doctor"
EDITOR = "${EDITOR:-editor}"
"""With `+NUMBER` it opens a file at this line. `editor` is Debian's name for the editor of a machine."""


class Level(StrEnum):
    OK = "ok"
    WARNING = "warning"
    """Something works only in part, or could not be checked."""
    PROBLEM = "problem"
    """Calls fail, or data is at risk."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check. `remedy`: what to do; "" if nothing."""

    check: str
    level: Level
    what: str
    remedy: str = ""
    prevents_storing: bool = False
    """Whether the service cannot store a message in this state."""
    command: str = ""
    """The remedy as a command of a shell that root can run; "" if no command can know what is right."""
    fill_in: tuple[str, ...] = ()
    """Words of `command` that stand for what only the site knows, such as FOLDER; `remedy` says what each is."""


def ok(check: str, what: str) -> Finding:
    return Finding(check, Level.OK, what)


def warning(check: str, what: str, remedy: str = "", *, command: str = "", fill_in: tuple[str, ...] = ()) -> Finding:
    """Return a warning. Without `remedy`, the command is the remedy."""
    return Finding(check, Level.WARNING, what, remedy or command, command=command, fill_in=fill_in)


def problem(
    check: str,
    what: str,
    remedy: str = "",
    *,
    command: str = "",
    fill_in: tuple[str, ...] = (),
    prevents_storing: bool = False,
) -> Finding:
    """Return a problem. Without `remedy`, the command is the remedy."""
    return Finding(
        check,
        Level.PROBLEM,
        what,
        remedy or command,
        prevents_storing=prevents_storing,
        command=command,
        fill_in=fill_in,
    )


def quoted(path: Path) -> str:
    """Return a path as a word of a shell."""
    return shlex.quote(str(path))
