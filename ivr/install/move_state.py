"""The step of an installation that moves what an earlier version had elsewhere to `state/`."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from ivr.errors import ConfigurationError, StoreBusy
from ivr.install.steps import InstallTarget
from ivr.settings import DataSettings, Settings
from ivr.storage.data_folder import private_files_outside, state_folder
from ivr.storage.files import run_as_owner_of
from ivr.stores import Stores


@dataclass(frozen=True, slots=True)
class MoveState:
    """Move database and secrets of a data folder, as the user of the service: that user can lay links in it."""

    folder: Path

    def describe(self) -> str:
        return f"move    database and secrets of {self.folder} to {state_folder(self.folder)}"

    def preview(self, target: InstallTarget) -> str:
        return ""

    def apply(self, target: InstallTarget) -> str:
        if not target.is_this_machine:
            return "skipped: not this machine"
        folder = target.resolve(self.folder)
        owner = folder.stat().st_uid
        if foreign := [path for path in private_files_outside(folder) if path.lstat().st_uid != owner]:
            words = " ".join(shlex.quote(str(path)) for path in foreign)
            raise ConfigurationError(
                f"{foreign[0]} belongs to another user than {folder}: chown --reference={shlex.quote(str(folder))}"
                f" {words}, then run 'ivr install' again"
            )
        with run_as_owner_of(folder):
            try:
                is_moved = Stores(Settings(data=DataSettings(folder=folder))).migration.move_files()
            except StoreBusy:
                return "later: the service runs, and does it at its next start"
        return "done" if is_moved else "nothing to do"
