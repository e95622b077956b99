"""Asks systemd about units."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping

PROPERTIES = "LoadState,UnitFileState,ActiveState,Result,NeedDaemonReload,User,Listen,FragmentPath"
SYSTEMCTL_TIMEOUT_S = 10.0


def read_unit_properties(unit: str) -> Mapping[str, str]:
    """Return what systemd says of a unit, the values of a repeated property in lines; {} where it does not run."""
    command = ["systemctl", "show", unit, f"--property={PROPERTIES}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=SYSTEMCTL_TIMEOUT_S)
    except (OSError, subprocess.SubprocessError):
        return {}
    found: dict[str, str] = {}
    for line in done.stdout.splitlines():
        name, separator, value = line.partition("=")
        if separator:
            found[name] = f"{found[name]}\n{value}" if name in found else value
    return found
