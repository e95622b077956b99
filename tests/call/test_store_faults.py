"""Full disk, broken connection, a folder that cannot be written: the caller is told, and what was said is kept."""

from __future__ import annotations

import asyncio
import errno
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from ivr.audio import wav
from ivr.mailbox import adoption, recordings
from ivr.serving.service import serve
from tests.call.conftest import SECRET, Exchange
from tests.support.handset import HANG_UP, ScriptedHandset, When
from tests.support.house import FakeClock, House

NOT_DONE = "I am sorry, that could not be done. Nothing was lost."
SPEECH = b"\x10\x20" * 16_000
TO_SAVE = When("To keep", "1")


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Adoption looks every 50 ms; how long a file must be quiet is told by the clock of the house."""
    monkeypatch.setattr(adoption, "EVERY_S", 0.05)


async def adopted(exchange: Exchange, number: str = "1001") -> int:
    """The length in ms of the only message of the box, as soon as there is one."""
    box = await exchange.house.app.boxes.by_number(exchange.house.account.id, number)
    assert box
    async with asyncio.timeout(10):
        while not (found := await exchange.house.messages(box)):
            await time_passes(exchange, 2)
    [message] = found
    return message.length_ms


async def time_passes(exchange: Exchange, s: float) -> None:
    """For the rules; adoption meanwhile looks twice."""
    clock = exchange.house.app.mailroom.clock
    assert isinstance(clock, FakeClock)
    clock.advance(s=s)
    await asyncio.sleep(0.1)


async def no_message(exchange: Exchange) -> None:
    """The owner sees none. Audio may lie there already, at the place that the next try gives it again."""
    box = await exchange.house.app.boxes.by_number(exchange.house.account.id, "1001")
    assert box
    assert await exchange.house.messages(box) == []


async def nothing_half_stored(exchange: Exchange) -> None:
    await no_message(exchange)
    folder = exchange.house.settings.data.folder / exchange.house.account.id
    assert [path for path in folder.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES], ids=os.strerror)
async def test_a_disk_that_fails_when_the_message_is_kept(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    await exchange.house.box("1001", owner=exchange.house.bob)

    def fails(_: Path) -> None:
        raise OSError(number, os.strerror(number))

    handset = ScriptedHandset([TO_SAVE], SPEECH)
    with monkeypatch.context() as patch:
        patch.setattr(recordings, "_sync", fails)
        assert await exchange.call(handset, "number=1001", path="leave") == "ERROR"
        assert handset.heard[-1] == NOT_DONE
        await nothing_half_stored(exchange)
    assert await adopted(exchange) == 2000, "as soon as there is room again"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk; the test above does it with a disk that says it is full")
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "ivr-small-disk", str(disk)]
    mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no disk can be mounted here ({mounted.stderr.strip()}); the test above does without")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.fixture
async def full_exchange(small_disk: Path, humming: Path) -> AsyncIterator[tuple[Exchange, Path]]:
    """A service whose disk has room for the take, and not for one more copy of it."""
    house = House(
        small_disk / "data", sounds={"folder": humming}, asterisk={"secret": SECRET}, fastagi={"port": 0}
    )  # fmt: skip
    await house.open()
    await house.box("1001", owner=house.bob)
    service = await serve(house.app, only="calls")
    ballast = small_disk / "ballast"
    exchange = Exchange(house, service)
    # Calls before it, so that what is said on the way is joined and lies on the disk already.
    await house.box("1002", owner=house.bob)
    await exchange.call(ScriptedHandset([When("The person", HANG_UP)]), "number=1001", path="leave")
    await exchange.call(ScriptedHandset([TO_SAVE], SPEECH), "number=1002", path="leave")
    while await house.app.outbox.rows():
        await asyncio.sleep(0.01)  # What follows that message takes room too.
    left = os.statvfs(small_disk)
    ballast.write_bytes(bytes(max(0, left.f_bavail * left.f_frsize - len(SPEECH) - 76_000)))
    yield exchange, ballast
    await service.stop()


async def test_a_disk_that_is_really_full(full_exchange: tuple[Exchange, Path]) -> None:
    exchange, ballast = full_exchange
    handset = ScriptedHandset([TO_SAVE], SPEECH)
    assert await exchange.call(handset, "number=1001", path="leave") == "ERROR"
    assert handset.heard[-1] == NOT_DONE
    await no_message(exchange)
    ballast.unlink()
    assert await adopted(exchange) == 2000


async def test_asterisk_that_cannot_write_is_told_to_the_caller(exchange: Exchange) -> None:
    await exchange.house.box("1001", owner=exchange.house.bob)

    class ReadOnly(ScriptedHandset):
        async def record(self, *_: object) -> tuple[str | None, int]:
            raise PermissionError

    handset = ReadOnly()
    assert await exchange.call(handset, "number=1001", path="leave") == "ERROR"
    assert handset.heard[-1] == NOT_DONE
    await nothing_half_stored(exchange)


async def test_a_connection_that_breaks_leaves_the_recording_to_grow_on(exchange: Exchange) -> None:
    """Asterisk records on until the caller hangs up; the message has all of it."""
    await exchange.house.box("1001", owner=exchange.house.bob)
    recording: list[Path] = []

    class Breaks(ScriptedHandset):
        async def record(self, path: Path, *_: object) -> tuple[str | None, int]:
            recording.append(path)
            wav.write(path, SPEECH)
            raise ConnectionError

    await exchange.call(Breaks(), "number=1001", path="leave")
    for seconds in range(2, 8):
        await time_passes(exchange, 4)
        await nothing_half_stored(exchange)
        wav.write(recording[0], SPEECH * seconds)
    assert await adopted(exchange) == 14_000
