"""The step of an installation that writes a file, and leaves alone what the site has changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

from ivr import __version__
from ivr.install import machine_files
from ivr.install.earlier_files import KNOWN_DIGESTS
from ivr.install.installed_files import NEW_SUFFIX, FileState, keep_secrets, text_digest
from ivr.install.steps import InstallTarget, Ownership


class FileRule(Enum):
    """What happens to a file that exists and differs."""

    CONFIGURATION = auto()
    """It is replaced if the site has not changed it; else the new version is written beside it."""
    KEEP = auto()
    """It stays: a secret, or a configuration file of a Debian package, which dpkg upgrades."""
    REPLACE = auto()


OUTCOMES = {
    FileState.MISSING: "written",
    FileState.CURRENT: "exists",
    FileState.OUTDATED: "replaced by the new version",
    FileState.CHANGED: "kept: you have changed it, and there is no new version",
}
PREVIEWS = {**OUTCOMES, FileState.MISSING: "will be written", FileState.OUTDATED: "will be replaced by the new version"}


@dataclass(frozen=True, slots=True)
class WriteFile:
    """Write a file and record it as installed. Owner, group and mode of one that stays are corrected."""

    path: Path
    content: str
    ownership: Ownership
    rule: FileRule = FileRule.CONFIGURATION
    link_free: bool = False
    """Whether every link is refused, also one of root."""

    @property
    def new_path(self) -> Path:
        """Where the new version is if the site has changed the file."""
        return self.path.with_name(f"{self.path.name}{NEW_SUFFIX}")

    def describe(self) -> str:
        return f"file    {self.path}  {self.ownership.describe()}"

    def preview(self, target: InstallTarget) -> str:
        try:
            state = self._state(target)
        except PermissionError:
            return "this user cannot read it: run as root"
        return PREVIEWS.get(state, f"kept: you have changed it; the new version will be {self.new_path}")

    def is_upgrade(self, target: InstallTarget) -> bool:
        """Return whether the machine has an earlier version of the file. A file that cannot be read counts as none."""
        try:
            return self._state(target) in (FileState.OUTDATED, FileState.CONFLICT)
        except PermissionError:
            return False

    def is_pending(self, target: InstallTarget) -> bool:
        """Return whether a new version waits beside the file until the site has taken it over."""
        return self.rule is FileRule.CONFIGURATION and target.resolve(self.new_path).exists()

    def apply(self, target: InstallTarget) -> str:
        path, state = target.resolve(self.path), self._state(target)
        match state:
            case FileState.MISSING:
                self._write(path, self.content, target)
            case FileState.OUTDATED:
                self._write(path, keep_secrets(self.content, self._read(path) or ""), target)
            case _:
                self._correct_owner(path, target)
        if state is FileState.CONFLICT:
            self._write(target.resolve(self.new_path), keep_secrets(self.content, self._read(path) or ""), target)
        if state in (FileState.MISSING, FileState.CURRENT, FileState.OUTDATED):
            target.resolve(self.new_path).unlink(missing_ok=True)  # Ours, and taken over.
        if self.rule is FileRule.CONFIGURATION:
            target.installed.add(self.path, self.content)
        return OUTCOMES.get(state, f"kept: you have changed it; the new version is {self.new_path}")

    def _state(self, target: InstallTarget) -> FileState:
        path = target.resolve(self.path)
        present = self._read(path)
        if present is None:
            return FileState.MISSING
        match self.rule:
            case FileRule.KEEP:
                return FileState.CURRENT
            case FileRule.REPLACE:
                return FileState.CURRENT if present == self.content else FileState.OUTDATED
            case FileRule.CONFIGURATION:
                return target.installed.state(self.path, present, self.content, KNOWN_DIGESTS)

    def _write(self, path: Path, text: str, target: InstallTarget) -> None:
        owner = self.ownership.ids(target)
        machine_files.replace_file(path, text, mode=self.ownership.mode, owner=owner, link_free=self.link_free)

    def _correct_owner(self, path: Path, target: InstallTarget) -> None:
        owner = self.ownership.ids(target)
        machine_files.correct_owner(path, mode=self.ownership.mode, owner=owner, link_free=self.link_free)

    def _read(self, path: Path) -> str | None:
        return machine_files.read_file(path, link_free=self.link_free)


def find_obsolete(folder: Path, files: Sequence[WriteFile], target: InstallTarget) -> list[Path]:
    """Return the files in a folder that an earlier version installed and that are none of `files` any more."""
    return [
        path
        for path in sorted(target.resolve(folder).glob("*"))
        if path.is_file()
        and not any(path in (target.resolve(file.path), target.resolve(file.new_path)) for file in files)
        and (str(folder / path.name) in target.installed.hashes or text_digest(_read_text(path)) in KNOWN_DIGESTS)
    ]


@dataclass(frozen=True, slots=True)
class WriteRecord:
    """Write the record of the installed files. It comes after them: without a record a file is compared once more."""

    path: Path
    ownership: Ownership

    def describe(self) -> str:
        return f"file    {self.path}  {self.ownership.describe()}"

    def preview(self, target: InstallTarget) -> str:
        return ""

    def apply(self, target: InstallTarget) -> str:
        target.installed.version = __version__
        return WriteFile(self.path, target.installed.to_json(), self.ownership, FileRule.REPLACE).apply(target)


def _read_text(path: Path) -> str:
    return path.read_text(errors="surrogateescape")
