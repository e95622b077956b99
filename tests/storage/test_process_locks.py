"""Who is at what, known to all processes of an installation."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from ivr.storage.process_locks import ProcessLocks

OTHER_PROCESS_PROGRAM = """
import sys
from pathlib import Path
from ivr.storage.process_locks import ProcessLocks
print(ProcessLocks(Path(sys.argv[1])).acquire("take"), flush=True)
sys.stdin.read()
"""


def start_lock_holder(folder: Path) -> subprocess.Popen[str]:
    """A process that is at "take"."""
    process = subprocess.Popen(
        [sys.executable, "-c", OTHER_PROCESS_PROGRAM, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    assert process.stdout.readline() == "True\n"
    return process


def test_lock_of_other_process_is_seen(tmp_path: Path) -> None:
    folder = tmp_path / "locks"
    here = ProcessLocks(folder)
    assert not here.is_locked("take")
    with start_lock_holder(folder) as process:
        assert here.is_locked("take")
        assert not here.is_locked("another")
        assert not here.acquire("take")
        process.kill()
    assert not here.is_locked("take"), "nobody is at what a dead process was at"
    assert list(folder.iterdir()) == []
    assert here.acquire("take")


def test_released_lock_leaves_no_file(tmp_path: Path) -> None:
    here = ProcessLocks(tmp_path / "locks")
    assert here.acquire("take")
    assert here.is_locked("take")
    assert ProcessLocks(tmp_path / "locks").is_locked("take")
    here.release("take")
    here.release("take")
    assert not here.is_locked("take")
    assert list((tmp_path / "locks").iterdir()) == []


def test_lock_without_file_support_still_works_in_process(tmp_path: Path) -> None:
    (tmp_path / "locks").write_text("no folder")
    here = ProcessLocks(tmp_path / "locks")
    assert here.acquire("take")
    assert here.is_locked("take")
    here.release("take")
    assert not here.is_locked("take")
