"""Recordings in progress are on the disk within a second."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path

import pytest

from ivr.mailbox import syncing
from ivr.mailbox.syncing import Syncing


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of what was synced, in order."""
    names: list[str] = []
    real = syncing._sync

    def note(path: Path) -> None:
        real(path)
        names.append(path.name)

    monkeypatch.setattr(syncing, "_sync", note)
    return names


@pytest.fixture
def takes(tmp_path: Path) -> Path:
    folder = tmp_path / "takes"
    folder.mkdir()
    return folder


def test_a_file_is_synced_when_it_has_grown_and_a_new_one_with_its_name(takes: Path, synced: list[str]) -> None:
    growing = Syncing(takes)
    growing.turn()
    assert synced == []
    (takes / "a.wav").write_bytes(b"1")
    growing.turn()
    assert synced == ["a.wav", "takes"]
    growing.turn()
    assert synced == ["a.wav", "takes"], "it has not grown"
    (takes / "a.wav").write_bytes(b"12")
    growing.turn()
    assert synced == ["a.wav", "takes", "a.wav"]


def test_one_that_is_kept_meanwhile_is_no_error(
    takes: Path, synced: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (takes / "a.wav").write_bytes(b"1")
    (takes / "b.wav").write_bytes(b"1")
    monkeypatch.setattr(os, "open", lambda *_: (_ for _ in ()).throw(FileNotFoundError))
    Syncing(takes).turn()


async def test_it_goes_on_by_itself_off_the_loops_thread(
    takes: Path, synced: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(syncing, "EVERY_S", 0.01)
    threads: set[threading.Thread] = set()
    real = Syncing.turn

    def turn(self: Syncing) -> None:
        threads.add(threading.current_thread())
        real(self)

    monkeypatch.setattr(Syncing, "turn", turn)
    task = asyncio.create_task(Syncing(takes).run())
    for size in range(1, 4):
        (takes / "a.wav").write_bytes(bytes(size))
        async with asyncio.timeout(5):
            while synced.count("a.wav") < size:
                await asyncio.sleep(0.005)
    task.cancel()
    assert threading.main_thread() not in threads


async def test_a_folder_that_fails_is_told_once_and_tried_again(
    takes: Path, synced: list[str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(syncing, "EVERY_S", 0.01)
    takes.rmdir()
    task = asyncio.create_task(Syncing(takes).run())
    await asyncio.sleep(0.1)
    takes.mkdir()
    (takes / "a.wav").write_bytes(b"1")
    async with asyncio.timeout(5):
        while "a.wav" not in synced:
            await asyncio.sleep(0.005)
    task.cancel()
    assert capfd.readouterr().out.count("takes.not_synced") == 1
