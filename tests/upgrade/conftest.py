"""A machine with an earlier version, and the `ivr` command of this one on it."""

from __future__ import annotations

import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.conftest import Ivr, ivr

__all__ = ["ivr"]

ARCHIVE = Path(__file__).with_name("earlier_installation.tar.xz")


class EarlierMachine:
    """The tree of a machine with ivr of commit 09bb59a: settings, dialplan, unit, and a data folder with messages.

    That version had its database in the data folder itself.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.data = root / "var/lib/ivr"
        self.earlier_database = self.data / "ivr.db"
        self.state = self.data / "state"
        self.database = self.state / "ivr.db"
        self.dialplan = root / "etc/asterisk/ivr"
        self.unit = root / "etc/systemd/system/ivr.service"

    def tree(self) -> dict[str, bytes]:
        """Return the content of each file by its path; locks and the files beside an open database are left out."""
        return {
            str(path.relative_to(self.root)): path.read_bytes()
            for path in sorted(self.root.rglob("*"))
            if path.is_file() and not path.name.endswith(("-wal", "-shm"))
        }


def unpack(root: Path) -> EarlierMachine:
    """Unpack the machine below `root`."""
    root.mkdir()
    subprocess.run(["tar", "-xJf", str(ARCHIVE), "-C", str(root), "--no-same-owner"], check=True)
    found = EarlierMachine(root)
    with closing(sqlite3.connect(found.earlier_database)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")  # As its service leaves it; an archive holds one file only.
    return found


@pytest.fixture
def machine(tmp_path: Path, ivr: Ivr, monkeypatch: pytest.MonkeyPatch) -> EarlierMachine:
    """`ivr` works on its data folder."""
    found = unpack(tmp_path / "machine")
    monkeypatch.setenv("IVR_DATA__FOLDER", str(found.data))
    return found
