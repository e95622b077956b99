"""Steps of an installation: run a command, make a folder or a link, change a group (files: `write_file`).

Each step describes itself and applies itself. Applying it again changes nothing.
"""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import stat
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from ivr.errors import ConfigurationError
from ivr.install import machine_files
from ivr.install.installed_files import InstalledFiles


@dataclass(frozen=True, slots=True)
class InstallTarget:
    """The machine below `root`, and what was installed there. For a root other than "/" no command is run."""

    root: Path
    installed: InstalledFiles = field(default_factory=InstalledFiles)

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

    def preview(self, target: InstallTarget) -> str:
        """Return what `apply` would do to a file, in a few words; "" for other steps. Changes nothing."""

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

    def ids(self, target: InstallTarget) -> tuple[int, int] | None:
        """Return the ids of user and group; None for another machine, whose users are not known here."""
        if not target.is_this_machine:
            return None
        return pwd.getpwnam(self.user).pw_uid, grp.getgrnam(self.group).gr_gid


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

    def preview(self, target: InstallTarget) -> str:
        return ""

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
    link_free: bool = False
    """Whether every link is refused, also one of root."""

    def describe(self) -> str:
        return f"folder  {self.path}  {self.ownership.describe()}"

    def preview(self, target: InstallTarget) -> str:
        return ""

    def apply(self, target: InstallTarget) -> str:
        place = target.resolve(self.path)
        existed = place.is_dir()
        with machine_files.open_folder(place, create=True, link_free=self.link_free) as folder:
            machine_files.set_owner_and_mode(folder, mode=self.ownership.mode, owner=self.ownership.ids(target))
        return "exists" if existed else "created"


@dataclass(frozen=True, slots=True)
class CorrectOwner:
    """Correct owner, group and mode of a file that exists, such as one of an earlier version."""

    path: Path
    ownership: Ownership

    def describe(self) -> str:
        return f"owner   {self.path}  {self.ownership.describe()}"

    def preview(self, target: InstallTarget) -> str:
        return ""

    def apply(self, target: InstallTarget) -> str:
        owner = self.ownership.ids(target)
        machine_files.correct_owner(target.resolve(self.path), mode=self.ownership.mode, owner=owner)
        return ""


@dataclass(frozen=True, slots=True)
class MakeLink:
    """Make a symbolic link, or point an existing one elsewhere. Anything else at that path is kept."""

    path: Path
    destination: Path

    def describe(self) -> str:
        return f"link    {self.path} -> {self.destination}"

    def preview(self, target: InstallTarget) -> str:
        return ""

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
class ChangeOwner:
    """Give everything in a folder to a group and a user. Symbolic links are not followed; modes stay."""

    folder: Path
    group: str
    """Empty: the groups stay."""
    except_folder: str = ""
    """Name of a folder in it that stays as it is."""
    user: str = ""
    """Empty: the owners stay, as those of `takes` always do: Asterisk records there."""

    def describe(self) -> str:
        what, who = ("owner", self.user) if self.user else ("group", "")
        return f"{what}   {self.folder}/**  {':'.join(filter(None, (who, self.group)))}"

    def preview(self, target: InstallTarget) -> str:
        return ""

    def apply(self, target: InstallTarget) -> str:
        if not target.is_this_machine:
            return "skipped: not this machine"
        gid = grp.getgrnam(self.group).gr_gid if self.group else None
        uid = pwd.getpwnam(self.user).pw_uid if self.user else None
        changed = 0
        for path, folders, files, parent in os.fwalk(self.folder, follow_symlinks=False):
            if path == str(self.folder) and self.except_folder in folders:
                folders.remove(self.except_folder)
            is_asterisks = path == str(self.folder / "takes")
            for name in [*folders, *files]:
                status = os.stat(name, dir_fd=parent, follow_symlinks=False)
                # A file of root with a second name may be one from elsewhere, such as /etc/shadow.
                has_second_name = stat.S_ISREG(status.st_mode) and status.st_nlink > 1
                is_foreign = has_second_name and status.st_uid == 0
                owner = status.st_uid if uid is None or is_asterisks or has_second_name else uid
                group = status.st_gid if gid is None else gid
                if (status.st_uid, status.st_gid) != (owner, group) and not is_foreign:
                    os.chown(name, owner, group, dir_fd=parent, follow_symlinks=False)
                    changed += 1
        return f"{changed} changed"


def user_exists(name: str) -> bool:
    """Return whether this machine has the user."""
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True
