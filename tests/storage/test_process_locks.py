"""Locks between the processes of an installation."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from pathlib import Path

import pytest

from ivr.storage.process_locks import ProcessLocks

OTHER_PROCESS_PROGRAM = """
import sys
from pathlib import Path
from ivr.storage.process_locks import ProcessLocks
print(ProcessLocks(Path(sys.argv[1])).acquire("take"), flush=True)
sys.stdin.read()
"""


def start_lock_holder(folder: Path) -> subprocess.Popen[str]:
    """Start a process that holds the lock "take"."""
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
    locks = ProcessLocks(folder)
    assert not locks.is_locked("take")
    with start_lock_holder(folder) as process:
        assert locks.is_locked("take")
        assert not locks.is_locked("another")
        assert not locks.acquire("take")
        process.kill()
    assert not locks.is_locked("take"), "the kernel has released the lock of the killed process"
    assert list(folder.iterdir()) == []
    assert locks.acquire("take")


def test_released_lock_leaves_no_file(tmp_path: Path) -> None:
    locks = ProcessLocks(tmp_path / "locks")
    assert locks.acquire("take")
    assert locks.is_locked("take")
    assert ProcessLocks(tmp_path / "locks").is_locked("take")
    locks.release("take")
    locks.release("take")
    assert not locks.is_locked("take")
    assert list((tmp_path / "locks").iterdir()) == []


def test_lock_without_file_support_still_works_in_process(tmp_path: Path) -> None:
    (tmp_path / "locks").write_text("no folder")
    locks = ProcessLocks(tmp_path / "locks")
    assert locks.acquire("take")
    assert locks.is_locked("take")
    locks.release("take")
    assert not locks.is_locked("take")


@pytest.mark.parametrize("check", ["acquire", "is_locked"])
def test_lock_that_is_released_while_another_process_opens_it_has_one_holder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, check: str
) -> None:
    """The other one held a file that had been unlinked, or unlinked that of the next holder: two held the lock."""
    first, second, third = (ProcessLocks(tmp_path) for _ in range(3))
    assert first.acquire("take")
    flock, held = fcntl.flock, []

    def release_before(handle: int, operation: int) -> None:
        monkeypatch.setattr(fcntl, "flock", flock)
        first.release("take")
        if check == "is_locked":
            assert third.acquire("take")
        flock(handle, operation)

    monkeypatch.setattr(fcntl, "flock", release_before)
    if check == "acquire":
        held.append(second.acquire("take"))
    else:
        second.is_locked("take")
        held.append(True)  # By the third.
    held.append(ProcessLocks(tmp_path).acquire("take"))
    assert held == [True, False]
