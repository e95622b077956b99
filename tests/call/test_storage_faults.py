"""Full disk, broken connection, unwritable folder: the caller hears of it, and the recording is stored."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from ivr.app import App
from ivr.audio import wav
from ivr.errors import StoreError
from ivr.recovery.fallback_recordings import RecoveryTiming
from ivr.service.service import start_service
from ivr.storage import audio_folder
from tests.call.conftest import SECRET, FakePbx
from tests.support.app_fixture import AppFixture, FakeClock
from tests.support.handset import HANG_UP, OnSound, ScriptedHandset
from tests.support.postgresql_server import PostgresqlServer
from tests.support.speech import speech_pcm

RECORDING_FAILED = "I am sorry, the recording failed. What you said was not kept."
ERROR_PROMPT = "I am sorry, that could not be done. Nothing was lost."
SPEECH = speech_pcm(2000)
SAVE_KEYS = OnSound("To keep", "1")


@pytest.fixture(autouse=True)
def _fast_recovery(monkeypatch: pytest.MonkeyPatch) -> None:
    """The recovery runs every 50 ms; the clock of the app decides for how long a file has not grown."""
    monkeypatch.setattr(App, "recovery_timing", RecoveryTiming(interval_s=0.05))


async def recovered_length_ms(pbx: FakePbx, number: str = "1001") -> int:
    """The length in ms of the only message of the box, as soon as there is one."""
    box = await pbx.app.container.boxes.find_by_number(pbx.app.account.id, number)
    assert box
    async with asyncio.timeout(60):
        while not (found := await pbx.app.messages(box)):
            await advance_time(pbx, 2)
    [message] = found
    return message.length_ms


async def advance_time(pbx: FakePbx, s: float) -> None:
    """Advance the clock of the app; the recovery runs twice meanwhile."""
    clock = pbx.app.container.clock
    assert isinstance(clock, FakeClock)
    clock.advance(s=s)
    await asyncio.sleep(0.1)


async def assert_no_message(pbx: FakePbx) -> None:
    """The owner sees none. Audio may lie there already, at the place that the next try gives it again."""
    box = await pbx.app.container.boxes.find_by_number(pbx.app.account.id, "1001")
    assert box
    assert await pbx.app.messages(box) == []


async def assert_nothing_half_stored(pbx: FakePbx) -> None:
    await assert_no_message(pbx)
    folder = pbx.app.settings.data.folder / pbx.app.account.id
    assert [path for path in folder.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    ("number", "status", "last_prompt"),
    [
        (errno.ENOSPC, "ERROR", ERROR_PROMPT),
        (errno.EDQUOT, "ERROR", ERROR_PROMPT),
        (errno.EROFS, "", "To keep"),
        (errno.EACCES, "", "To keep"),
    ],
)
async def test_disk_error_while_saving_keeps_take(
    pbx: FakePbx, monkeypatch: pytest.MonkeyPatch, number: int, status: str, last_prompt: str
) -> None:
    """On a full disk the caller is told. Else the dialplan, by an empty status, thanks for the take that it finds."""
    await pbx.app.create_box("1001", owner=pbx.app.bob)

    def fails(_: Path) -> None:
        raise OSError(number, os.strerror(number))

    handset = ScriptedHandset([SAVE_KEYS], SPEECH)
    with monkeypatch.context() as patch:
        patch.setattr(audio_folder, "fsync", fails)
        assert await pbx.run_call(handset, "number=1001", path="leave") == status
        assert handset.heard[-1].startswith(last_prompt)
        await assert_nothing_half_stored(pbx)
    assert await recovered_length_ms(pbx) == 2000, "delivered once the folder can be written again"


@contextmanager
def mount_small_disk(disk: Path) -> Iterator[Path]:
    """A disk of 4 MB. Skips the test where none can be mounted."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk; a test above does it with a disk that says it is full")
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "ivr-small-disk", str(disk)]
    mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no disk can be mounted here ({mounted.stderr.strip()}); a test above does without")
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)
        disk.rmdir()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with mount_small_disk(tmp_path / "disk") as disk:
        yield disk


@pytest.fixture
async def full_disk_pbx(small_disk: Path, tone_prompts: Path) -> AsyncIterator[tuple[FakePbx, Path]]:
    """A service whose disk has room for the take, and not for one more copy of it."""
    app = AppFixture(
        small_disk / "data", sounds={"folder": tone_prompts}, asterisk={"secret": SECRET}, fastagi={"port": 0}
    )  # fmt: skip
    await app.open()
    await app.create_box("1001", owner=app.bob)
    service = await start_service(app.container, component="calls")
    ballast = small_disk / "ballast"
    exchange = FakePbx(app, service)
    # Calls before it, so that what is said on the way is joined and lies on the disk already.
    await app.create_box("1002", owner=app.bob)
    await exchange.run_call(ScriptedHandset([OnSound("The person", HANG_UP)]), "number=1001", path="leave")
    await exchange.run_call(ScriptedHandset([SAVE_KEYS], SPEECH), "number=1002", path="leave")
    while await app.container.outbox.list_tasks():
        await asyncio.sleep(0.01)  # What follows that message takes room too.
    left = os.statvfs(small_disk)
    ballast.write_bytes(bytes(max(0, left.f_bavail * left.f_frsize - len(SPEECH) - 76_000)))
    yield exchange, ballast
    await service.stop()


async def test_full_disk_keeps_take_and_tells_caller(full_disk_pbx: tuple[FakePbx, Path]) -> None:
    exchange, ballast = full_disk_pbx
    handset = ScriptedHandset([SAVE_KEYS], SPEECH)
    assert await exchange.run_call(handset, "number=1001", path="leave") == "ERROR"
    assert handset.heard[-1] == ERROR_PROMPT
    await assert_no_message(exchange)
    ballast.unlink()
    assert await recovered_length_ms(exchange) == 2000


async def test_recording_write_error_is_announced_to_caller(pbx: FakePbx) -> None:
    await pbx.app.create_box("1001", owner=pbx.app.bob)

    class ReadOnly(ScriptedHandset):
        async def record(self, *_: object) -> tuple[str | None, int]:
            raise PermissionError

    handset = ReadOnly()
    assert await pbx.run_call(handset, "number=1001", path="leave") == "ERROR"
    assert handset.heard[-1] == RECORDING_FAILED
    await assert_nothing_half_stored(pbx)


async def test_broken_connection_lets_recording_finish(pbx: FakePbx) -> None:
    """Asterisk records on until the caller hangs up; the message has all of it."""
    await pbx.app.create_box("1001", owner=pbx.app.bob)
    recording: list[Path] = []

    class Breaks(ScriptedHandset):
        async def record(self, path: Path, *_: object) -> tuple[str | None, int]:
            recording.append(path)
            wav.write(path, SPEECH)
            raise ConnectionError

    await pbx.run_call(Breaks(), "number=1001", path="leave")
    for seconds in range(2, 8):
        await advance_time(pbx, 4)
        await assert_nothing_half_stored(pbx)
        wav.write(recording[0], SPEECH * seconds)
    assert await recovered_length_ms(pbx) == 14_000


@contextmanager
def full_tables(server: PostgresqlServer, database: str) -> Iterator[None]:
    """Have all tables of a database lie on a disk without room for one more page."""
    with mount_small_disk(server.socket_folder / "disk") as disk, server.connect(database) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()

        def move_to(tablespace: str) -> None:
            for (table,) in tables:
                connection.execute(f'ALTER TABLE "{table}" SET TABLESPACE {tablespace}'.encode())

        place = disk / "tables"
        place.mkdir()
        shutil.chown(place, "postgres", "postgres")
        connection.execute(f"CREATE TABLESPACE small LOCATION '{place}'".encode())
        try:
            move_to("small")
            ballast = disk / "ballast"
            with suppress(OSError), ballast.open("wb", buffering=0) as file:
                while file.write(bytes(4096)):
                    pass
            yield
            ballast.unlink()
        finally:
            move_to("pg_default")
            connection.execute("DROP TABLESPACE small")


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
async def test_full_disk_of_postgresql_leaves_the_message_to_the_dialplan(
    pbx: FakePbx, postgresql: PostgresqlServer
) -> None:
    """The data folder has room: the dialplan records there, as whenever PostgreSQL is away."""
    box = await pbx.app.create_box("1001", owner=pbx.app.bob)
    database = pbx.app.settings.database.url.partition("?")[0].rpartition("/")[2]
    with full_tables(postgresql, database):
        handset = ScriptedHandset([SAVE_KEYS], SPEECH)
        assert await pbx.run_call(handset, "number=1001", path="leave") == ""
        assert ERROR_PROMPT not in handset.heard
        await assert_no_message(pbx)
        with pytest.raises(StoreError, match=r"the disk of PostgreSQL is full .*: free space there"):
            await pbx.app.create_message(box)
    assert await pbx.run_call(ScriptedHandset([SAVE_KEYS], SPEECH), "number=1001", path="leave") == "DONE"
    assert await recovered_length_ms(pbx) == 2000
