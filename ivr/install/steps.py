"""The kinds of thing that an installation does: run a command, make a folder, write a file.

Each can tell what it would do, and do it. Doing it again changes nothing, and nothing that a site has changed is lost.
"""

from __future__ import annotations

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
    """Where it happens. `root` other than "/": a folder that will be a machine; then no command is run."""

    root: Path

    @property
    def is_this_machine(self) -> bool:
        return self.root == Path("/")

    def resolve(self, path: Path) -> Path:
        """Where `path` of the machine lies."""
        return self.root / path.relative_to("/")


class InstallStep(Protocol):
    """One thing to do."""

    def describe(self) -> str:
        """What it does, as one line."""

    def apply(self, target: InstallTarget) -> str:
        """Do it; gives what came of it in a word or two. Raises `ConfigurationError`, OSError."""


@dataclass(frozen=True, slots=True)
class Ownership:
    """Whose something is, and what others may do with it."""

    user: str
    group: str
    mode: int

    def describe(self) -> str:
        return f"{self.mode:04o} {self.user}:{self.group}"

    def apply_to(self, path: Path, target: InstallTarget) -> None:
        """Owner first: giving a file away takes bits of its mode."""
        if target.is_this_machine:
            shutil.chown(path, self.user, self.group)
        path.chmod(self.mode)


@dataclass(frozen=True, slots=True)
class RunCommand:
    """A command of the system; `unless` is one that succeeds where there is nothing to do, `where` what must exist."""

    argv: Sequence[str]
    skip_if: Sequence[str] = ()
    required_path: Path = Path("/")

    def describe(self) -> str:
        return f"run     {' '.join(self.argv)}"

    def apply(self, target: InstallTarget) -> str:
        if not target.is_this_machine:
            return "left out: not this machine"
        if not shutil.which(self.argv[0]) or not self.required_path.exists():
            return f"left out: there is no {self.argv[0]} here"
        if self.skip_if and subprocess.run(self.skip_if, capture_output=True, check=False).returncode == 0:
            return "there already"
        done = subprocess.run(self.argv, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ConfigurationError(f"'{' '.join(self.argv)}' failed: {done.stderr.strip()}")
        return "done"


@dataclass(frozen=True, slots=True)
class MakeDirectory:
    """A folder of somebody's."""

    path: Path
    ownership: Ownership

    def describe(self) -> str:
        return f"folder  {self.path}  {self.ownership.describe()}"

    def apply(self, target: InstallTarget) -> str:
        place = target.resolve(self.path)
        there = place.is_dir()
        place.mkdir(parents=True, exist_ok=True)
        self.ownership.apply_to(place, target)
        return "there already" if there else "made"


@dataclass(frozen=True, slots=True)
class WriteFile:
    """A file. One that a site has made its own stays; where `beside`, the new one is put beside it as NAME.dist."""

    path: Path
    content: str
    ownership: Ownership
    write_dist_copy: bool = False
    overwrite: bool = False
    """Nobody else changes it, so it is written anew each time."""

    def describe(self) -> str:
        rule = "" if self.overwrite else "  (one that is there stays)"
        return f"file    {self.path}  {self.ownership.describe()}{rule}"

    def apply(self, target: InstallTarget) -> str:
        place = target.resolve(self.path)
        if not place.exists() or self.overwrite:
            return self._write(place, target)
        if self.write_dist_copy and place.read_text() != self.content:
            self._write(place.with_name(f"{place.name}.dist"), target)
            return f"yours stays; ours is {self.path}.dist"
        return "there already"

    def _write(self, path: Path, target: InstallTarget) -> str:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)  # Never readable before it is given.
        with os.fdopen(handle, "w") as file:
            file.write(self.content)
        self.ownership.apply_to(path, target)
        return "written"


def user_exists(name: str) -> bool:
    """Whether this machine knows a user of that name."""
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True
