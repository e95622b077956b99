"""Where Asterisk 22 comes from: this machine's own, or a root of its own with Debian's package in it.

Debian 12 has no Asterisk and an older libc than the package wants, so it goes into a chroot (25 s, 630 MB, once).
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

SUITE = "forky"
SCRIPT = "sid"
"""bookworm's debootstrap knows sid's ways, not yet forky's; they are the same."""
PACKAGES = ("asterisk",)
VERSION = re.compile(r"Asterisk (\d+)\.")
REQUIRED_MODULES = 22
READY_MARKER = ".ready"
_HOST_ROOT = ("asterisk",)


class AsteriskUnavailable(Exception):
    """Asterisk cannot be had here; the message says why and how to get it."""


def asterisk_root(folder: Path) -> Path:
    """The root to start Asterisk in: "/" where this machine has a version 22, else `folder`, filled when need be.

    Raises `AsteriskUnavailable`.
    """
    if reason := unavailable_reason():
        raise AsteriskUnavailable(reason)
    if _version(_HOST_ROOT) == REQUIRED_MODULES:
        return Path("/")
    return debian_root(folder)


def debian_root(folder: Path) -> Path:
    """A root with Debian's package, whatever this machine has: `folder`, filled when need be.

    Raises `AsteriskUnavailable`.
    """
    if reason := unavailable_reason():
        raise AsteriskUnavailable(reason)
    if not (folder / READY_MARKER).exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with folder.with_name(f"{folder.name}.lock").open("w") as lock:  # Two labs may start at the same time.
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (folder / READY_MARKER).exists():
                _install_packages(folder)
    return folder


def unavailable_reason() -> str | None:
    """Why no lab can be had here; None where one can."""
    if os.geteuid() != 0:
        return "it starts Asterisk and the service as two users of their own: run it as root"
    if _version(_HOST_ROOT) != REQUIRED_MODULES and not Path("/etc/debian_version").exists():
        return f"not a Debian machine: install Asterisk {REQUIRED_MODULES}"
    return None


def _install_packages(folder: Path) -> None:
    print(f"Installing Asterisk {REQUIRED_MODULES} into {folder} (once, under a minute) ...", flush=True)
    _run("apt-get", "update")
    if not shutil.which("debootstrap"):
        _run("apt-get", "install", "-y", "--no-install-recommends", "debootstrap")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    _run("debootstrap", "--variant=minbase", SUITE, str(folder), _mirror(), SCRIPT)
    _run("chroot", str(folder), "apt-get", "install", "-y", "--no-install-recommends", *PACKAGES)
    found = _version(["chroot", str(folder), "asterisk"])
    if found != REQUIRED_MODULES:
        raise AsteriskUnavailable(f"Debian {SUITE} now has Asterisk {found}; these tests are for {REQUIRED_MODULES}")
    (folder / READY_MARKER).touch()


def _mirror() -> str:
    """The archive that this machine's own apt uses."""
    listed = _run("apt-get", "indextargets", "--format", "$(SITE) $(LABEL)", "ShortDesc: Packages")
    for line in listed.splitlines():
        site, _, label = line.partition(" ")
        if label == "Debian" and site:
            return site
    raise AsteriskUnavailable("apt's sources name no Debian archive")


def _version(asterisk: Sequence[str]) -> int | None:
    try:
        version = subprocess.run([*asterisk, "-V"], capture_output=True, text=True, check=False).stdout
    except OSError:
        return None
    found = VERSION.search(version)
    return int(found[1]) if found else None


def _run(*command: str) -> str:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode != 0:
        raise AsteriskUnavailable(f"{' '.join(command)} failed:\n{(done.stdout + done.stderr)[-2000:]}")
    return done.stdout
