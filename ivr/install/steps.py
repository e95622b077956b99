"""Steps of an installation: run a command, make a folder, change a group, write a file.

Each step describes itself and applies itself. Applying it again changes nothing. A file that the site has
changed is kept.
"""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ivr.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class InstallTarget:
    """The machine below `root`. For a root other than "/", such as an image, no command is run."""

    root: Path

    @property
    def is_this_machine(self) -> bool:
        return self.root == Path("/")

    def resolve(self, path: Path) -> Path:
        """Return where `path` of the machine is on this one."""
        return self.root / path.relative_to("/")


class InstallStep(Protocol):
    """One step."""

    def describe(self) -> str:
        """Return what the step does, as one line."""

    def apply(self, target: InstallTarget) -> str:
        """Apply the step and return the outcome in a few words. Raises `ConfigurationError`, OSError."""


@dataclass(frozen=True, slots=True)
class Ownership:
    """Owner, group and mode of a file or folder."""

    user: str
    group: str
    mode: int

    def describe(self) -> str:
        return f"{self.mode:04o} {self.user}:{self.group}"

    def apply_to(self, path: Path, target: InstallTarget) -> None:
        """Set owner, group and mode. The mode comes last: chown() clears bits of it."""
        if target.is_this_machine:
            shutil.chown(path, self.user, self.group)
        path.chmod(self.mode)


@dataclass(frozen=True, slots=True)
class RunCommand:
    """Run a command of the system.

    `skip_if`: a command that succeeds where there is nothing to do.
    `required_path`: the step applies only where it exists.
    """

    argv: Sequence[str]
    skip_if: Sequence[str] = ()
    required_path: Path = Path("/")

    def describe(self) -> str:
        return f"run     {' '.join(self.argv)}"

    def apply(self, target: InstallTarget) -> str:
        if not target.is_this_machine:
            return "skipped: not this machine"
        if not shutil.which(self.argv[0]) or not self.required_path.exists():
            return f"skipped: {self.argv[0]} is not available"
        if self.skip_if and subprocess.run(self.skip_if, capture_output=True, check=False).returncode == 0:
            return "exists"
        done = subprocess.run(self.argv, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ConfigurationError(f"'{' '.join(self.argv)}' failed: {done.stderr.strip()}")
        return "done"


@dataclass(frozen=True, slots=True)
class MakeDirectory:
    """Make a folder, or correct owner, group and mode of one that exists."""

    path: Path
    ownership: Ownership

    def describe(self) -> str:
        return f"folder  {self.path}  {self.ownership.describe()}"

    def apply(self, target: InstallTarget) -> str:
        place = target.resolve(self.path)
        existed = place.is_dir()
        place.mkdir(parents=True, exist_ok=True)
        self.ownership.apply_to(place, target)
        return "exists" if existed else "created"


@dataclass(frozen=True, slots=True)
class MakeLink:
    """Make a symbolic link, or point an existing one elsewhere. Anything else at that path is kept."""

    path: Path
    destination: Path

    def describe(self) -> str:
        return f"link    {self.path} -> {self.destination}"

    def apply(self, target: InstallTarget) -> str:
        place = target.resolve(self.path)
        if place.is_symlink() and place.readlink() == self.destination:
            return "exists"
        if place.exists() and not place.is_symlink():
            return "kept: it is not a link"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)
        place.symlink_to(self.destination)
        return "created"


@dataclass(frozen=True, slots=True)
class ChangeGroup:
    """Give everything in a folder to a group. Symbolic links are not followed; modes stay."""

    folder: Path
    group: str

    def describe(self) -> str:
        return f"group   {self.folder}/**  {self.group}"

    def apply(self, target: InstallTarget) -> str:
        if not target.is_this_machine:
            return "skipped: not this machine"
        gid = grp.getgrnam(self.group).gr_gid
        changed = 0
        for _, folders, files, parent in os.fwalk(self.folder, follow_symlinks=False):
            for name in [*folders, *files]:
                if os.stat(name, dir_fd=parent, follow_symlinks=False).st_gid != gid:
                    os.chown(name, -1, gid, dir_fd=parent, follow_symlinks=False)
                    changed += 1
        return f"{changed} changed"


@dataclass(frozen=True, slots=True)
class WriteFile:
    """Write a file. One that exists is kept; with `write_dist_copy` the new content becomes NAME.dist beside it."""

    path: Path
    content: str
    ownership: Ownership
    write_dist_copy: bool = False
    overwrite: bool = False
    """Replace a file that exists."""

    def describe(self) -> str:
        rule = "" if self.overwrite else "  (kept if it exists)"
        return f"file    {self.path}  {self.ownership.describe()}{rule}"

    def apply(self, target: InstallTarget) -> str:
        place = target.resolve(self.path)
        if not place.exists() or self.overwrite:
            return self._write(place, target)
        if self.write_dist_copy and place.read_text() != self.content:
            self._write(place.with_name(f"{place.name}.dist"), target)
            return f"kept; the new version is {self.path}.dist"
        return "exists"

    def _write(self, path: Path, target: InstallTarget) -> str:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(
            path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600
        )  # No other user can read it before its owner is set.
        with os.fdopen(handle, "w") as file:
            file.write(self.content)
        self.ownership.apply_to(path, target)
        return "written"


def user_exists(name: str) -> bool:
    """Return whether this machine has the user."""
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True
