"""Recordings in progress are synced to the disk within a second."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from ivr.recovery.recording_fsync import RecordingFsync
from ivr.storage.files import fsync


class FsyncRecorder:
    """Syncs for real; records the names and the threads."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.threads: set[threading.Thread] = set()

    def __call__(self, path: Path) -> None:
        self.threads.add(threading.current_thread())
        fsync(path)
        self.names.append(path.name)

    async def wait_for(self, name: str, count: int = 1) -> None:
        async with asyncio.timeout(60):
            while self.names.count(name) < count:
                await asyncio.sleep(0.005)


@pytest.fixture
def recorder() -> FsyncRecorder:
    return FsyncRecorder()


@pytest.fixture
def takes(tmp_path: Path) -> Path:
    folder = tmp_path / "takes"
    folder.mkdir()
    return folder


def test_grown_file_is_synced_and_new_file_with_directory(takes: Path, recorder: FsyncRecorder) -> None:
    recording_fsync = RecordingFsync(takes, fsync_path=recorder)
    recording_fsync.run_once()
    assert recorder.names == []
    (takes / "a.wav").write_bytes(b"1")
    recording_fsync.run_once()
    assert recorder.names == ["a.wav", "takes"]
    recording_fsync.run_once()
    assert recorder.names == ["a.wav", "takes"], "the file has not grown"
    (takes / "a.wav").write_bytes(b"12")
    recording_fsync.run_once()
    assert recorder.names == ["a.wav", "takes", "a.wav"]


def test_file_removed_before_its_fsync_does_not_stop_the_others(takes: Path, recorder: FsyncRecorder) -> None:
    names = {"a.wav", "b.wav", "c.wav"}
    for name in names:
        (takes / name).write_bytes(b"1")
    removed: list[str] = []

    def remove_the_next(path: Path) -> None:
        """After the first sync, one of the other files disappears."""
        recorder(path)
        if not removed:
            victim = min(names - {path.name})
            (takes / victim).unlink()
            removed.append(victim)

    RecordingFsync(takes, fsync_path=remove_the_next).run_once()
    assert sorted(recorder.names) == sorted({*names, "takes"} - set(removed))


async def test_fsync_runs_repeatedly_off_loop_thread(takes: Path, recorder: FsyncRecorder) -> None:
    task = asyncio.create_task(RecordingFsync(takes, interval_s=0.01, fsync_path=recorder).run_forever())
    for size in range(1, 4):
        (takes / "a.wav").write_bytes(bytes(size))
        await recorder.wait_for("a.wav", size)
    task.cancel()
    assert threading.main_thread() not in recorder.threads


async def test_failing_folder_is_logged_once_and_retried(
    takes: Path, recorder: FsyncRecorder, capfd: pytest.CaptureFixture[str]
) -> None:
    takes.rmdir()
    task = asyncio.create_task(RecordingFsync(takes, interval_s=0.01, fsync_path=recorder).run_forever())
    await asyncio.sleep(0.1)
    takes.mkdir()
    (takes / "a.wav").write_bytes(b"1")
    await recorder.wait_for("a.wav")
    task.cancel()
    assert capfd.readouterr().out.count("takes.fsync_failed") == 1
