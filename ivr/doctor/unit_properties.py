"""Asks systemd about units."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping

PROPERTIES = ("LoadState", "UnitFileState", "ActiveState", "Result", "NeedDaemonReload", "User")
SYSTEMCTL_TIMEOUT_S = 10.0


def read_unit_properties(unit: str) -> Mapping[str, str]:
    """Return what systemd says of a unit; {} where systemd does not run."""
    command = ["systemctl", "show", unit, f"--property={','.join(PROPERTIES)}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=SYSTEMCTL_TIMEOUT_S)
    except (OSError, subprocess.SubprocessError):
        return {}
    return dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
