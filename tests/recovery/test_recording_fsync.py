"""Recordings in progress are on the disk within a second."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path

import pytest

from ivr.recovery import recording_fsync
from ivr.recovery.recording_fsync import RecordingFsync


@pytest.fixture
def synced_names(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of what was synced, in order."""
    names: list[str] = []
    real = recording_fsync._fsync

    def note(path: Path) -> None:
        real(path)
        names.append(path.name)

    monkeypatch.setattr(recording_fsync, "_fsync", note)
    return names


@pytest.fixture
def takes(tmp_path: Path) -> Path:
    folder = tmp_path / "takes"
    folder.mkdir()
    return folder


def test_grown_file_is_synced_and_new_file_with_directory(takes: Path, synced_names: list[str]) -> None:
    growing = RecordingFsync(takes)
    growing.run_once()
    assert synced_names == []
    (takes / "a.wav").write_bytes(b"1")
    growing.run_once()
    assert synced_names == ["a.wav", "takes"]
    growing.run_once()
    assert synced_names == ["a.wav", "takes"], "it has not grown"
    (takes / "a.wav").write_bytes(b"12")
    growing.run_once()
    assert synced_names == ["a.wav", "takes", "a.wav"]


def test_file_removed_during_fsync_is_no_error(
    takes: Path, synced_names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (takes / "a.wav").write_bytes(b"1")
    (takes / "b.wav").write_bytes(b"1")
    monkeypatch.setattr(os, "open", lambda *_: (_ for _ in ()).throw(FileNotFoundError))
    RecordingFsync(takes).run_once()


async def test_fsync_runs_repeatedly_off_loop_thread(
    takes: Path, synced_names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording_fsync, "INTERVAL_S", 0.01)
    threads: set[threading.Thread] = set()
    real = RecordingFsync.run_once

    def turn(self: RecordingFsync) -> None:
        threads.add(threading.current_thread())
        real(self)

    monkeypatch.setattr(RecordingFsync, "run_once", turn)
    task = asyncio.create_task(RecordingFsync(takes).run_forever())
    for size in range(1, 4):
        (takes / "a.wav").write_bytes(bytes(size))
        async with asyncio.timeout(5):
            while synced_names.count("a.wav") < size:
                await asyncio.sleep(0.005)
    task.cancel()
    assert threading.main_thread() not in threads


async def test_failing_folder_is_logged_once_and_retried(
    takes: Path, synced_names: list[str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(recording_fsync, "INTERVAL_S", 0.01)
    takes.rmdir()
    task = asyncio.create_task(RecordingFsync(takes).run_forever())
    await asyncio.sleep(0.1)
    takes.mkdir()
    (takes / "a.wav").write_bytes(b"1")
    async with asyncio.timeout(5):
        while "a.wav" not in synced_names:
            await asyncio.sleep(0.005)
    task.cancel()
    assert capfd.readouterr().out.count("takes.not_synced") == 1
