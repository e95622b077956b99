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

from ivr.errors import Misconfigured


@dataclass(frozen=True, slots=True)
class Ground:
    """Where it happens. `root` other than "/": a folder that will be a machine; then no command is run."""

    root: Path

    @property
    def is_this_machine(self) -> bool:
        return self.root == Path("/")

    def at(self, path: Path) -> Path:
        """Where `path` of the machine lies."""
        return self.root / path.relative_to("/")


class Step(Protocol):
    """One thing to do."""

    def tell(self) -> str:
        """What it does, as one line."""

    def do(self, ground: Ground) -> str:
        """Do it; gives what came of it in a word or two. Raises `Misconfigured`, OSError."""


@dataclass(frozen=True, slots=True)
class Owned:
    """Whose something is, and what others may do with it."""

    user: str
    group: str
    mode: int

    def tell(self) -> str:
        return f"{self.mode:04o} {self.user}:{self.group}"

    def give(self, path: Path, ground: Ground) -> None:
        """Owner first: giving a file away takes bits of its mode."""
        if ground.is_this_machine:
            shutil.chown(path, self.user, self.group)
        path.chmod(self.mode)


@dataclass(frozen=True, slots=True)
class Run:
    """A command of the system; `unless` is one that succeeds where there is nothing to do, `where` what must exist."""

    words: Sequence[str]
    unless: Sequence[str] = ()
    where: Path = Path("/")

    def tell(self) -> str:
        return f"run     {' '.join(self.words)}"

    def do(self, ground: Ground) -> str:
        if not ground.is_this_machine:
            return "left out: not this machine"
        if not shutil.which(self.words[0]) or not self.where.exists():
            return f"left out: there is no {self.words[0]} here"
        if self.unless and subprocess.run(self.unless, capture_output=True, check=False).returncode == 0:
            return "there already"
        done = subprocess.run(self.words, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Misconfigured(f"'{' '.join(self.words)}' failed: {done.stderr.strip()}")
        return "done"


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of somebody's."""

    path: Path
    owned: Owned

    def tell(self) -> str:
        return f"folder  {self.path}  {self.owned.tell()}"

    def do(self, ground: Ground) -> str:
        place = ground.at(self.path)
        there = place.is_dir()
        place.mkdir(parents=True, exist_ok=True)
        self.owned.give(place, ground)
        return "there already" if there else "made"


@dataclass(frozen=True, slots=True)
class Write:
    """A file. One that a site has made its own stays; where `beside`, the new one is put beside it as NAME.dist."""

    path: Path
    content: str
    owned: Owned
    beside: bool = False
    ours: bool = False
    """Nobody else changes it, so it is written anew each time."""

    def tell(self) -> str:
        rule = "" if self.ours else "  (one that is there stays)"
        return f"file    {self.path}  {self.owned.tell()}{rule}"

    def do(self, ground: Ground) -> str:
        place = ground.at(self.path)
        if not place.exists() or self.ours:
            return self._write(place, ground)
        if self.beside and place.read_text() != self.content:
            self._write(place.with_name(f"{place.name}.dist"), ground)
            return f"yours stays; ours is {self.path}.dist"
        return "there already"

    def _write(self, place: Path, ground: Ground) -> str:
        place.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)  # Never readable before it is given.
        with os.fdopen(handle, "w") as file:
            file.write(self.content)
        self.owned.give(place, ground)
        return "written"


def user_exists(name: str) -> bool:
    """Whether this machine knows a user of that name."""
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True
