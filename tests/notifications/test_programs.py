"""The programs that run for changes of messages and of PINs."""

from __future__ import annotations

import os
import signal
from contextlib import nullcontext
from pathlib import Path

import pytest

from ivr.errors import InvalidFields, ProgramFailed
from ivr.site_program import SiteProgram
from ivr.storage.records import ChangeReason, Folder
from tests.notifications.conftest import NotificationAppFixture
from tests.support.scripted_call import Press

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a program that belongs to root needs root")


def program_of(folder: Path, text: str) -> Path:
    path = folder / "program"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


async def test_program_runs_for_each_change_with_the_counts(tmp_path: Path) -> None:
    path = program_of(tmp_path, f'echo "$@" >> {tmp_path}/out')
    app = NotificationAppFixture(tmp_path / "data", notifications={"program": path})
    await app.open()
    box = await app.create_box()
    message = await app.leave_message(box)
    await app.run_until_idle()
    await app.container.messages.move_to_folder(box.id, message.id, Folder.SAVED, ChangeReason.DTMF)
    await app.run_until_idle()
    await app.report_box_full(box)
    await app.run_until_idle()
    assert (tmp_path / "out").read_text().splitlines() == [
        "demo 1000 1 0 0 message.new",
        "demo 1000 0 1 0 message.saved",
    ]
    await app.shut_down()


async def test_program_that_fails_is_tried_again(tmp_path: Path) -> None:
    path = program_of(tmp_path, f"echo run >> {tmp_path}/out; exit 1")
    app = NotificationAppFixture(tmp_path / "data", notifications={"program": path})
    await app.open()
    await app.leave_message(await app.create_box())
    await app.run_until_idle()
    [task] = [task for task in await app.pending_tasks() if task.kind == "program"]
    assert "exit code 1" in (task.error or "") or "code 1" in (task.error or "")
    app.clock.advance(s=900)
    await app.run_until_idle()
    assert (tmp_path / "out").read_text() == "run\nrun\n"
    await app.shut_down()


@pytest.mark.parametrize("code", [0, 3])
async def test_program_that_leaves_a_child_in_the_background_has_ended(tmp_path: Path, code: int) -> None:
    """The child has its standard error: the program was said not to have ended, and ran five times."""
    path = program_of(tmp_path, f"sleep 60 & echo $! > {tmp_path}/child; echo full >&2; exit {code}")
    program = SiteProgram(path, "[notifications] program", timeout_s=15)
    try:
        with pytest.raises(ProgramFailed, match="exit code 3: full") if code else nullcontext():
            await program.run("demo")
    finally:
        os.kill(int((tmp_path / "child").read_text()), signal.SIGKILL)


async def test_program_that_writes_many_errors_ends(tmp_path: Path) -> None:
    path = program_of(tmp_path, "head -c 3000000 /dev/zero | tr '\\0' x >&2; exit 2")
    with pytest.raises(ProgramFailed, match=r"exit code 2: x{300}$"):
        await SiteProgram(path, "[notifications] program", timeout_s=15).run("demo")


@pytest.mark.parametrize("fails", [False, True])
async def test_program_gets_each_new_pin_on_its_input(tmp_path: Path, fails: bool) -> None:
    path = program_of(tmp_path, f'echo "$@" $(cat) >> {tmp_path}/out; exit {int(fails)}')
    app = NotificationAppFixture(tmp_path / "data", pins={"change_program": path})
    await app.open()
    box = await app.create_box(owner=app.alice, pin="471629")
    await app.run_call(
        [Press("53", during="To change"), Press("839105#", during="new pin"), Press("839105#", during="again")],
        endpoint="alice",
        number="1000",
    )
    assert (tmp_path / "out").read_text().splitlines() == ["demo 1000 471629", "demo 1000 839105"]
    assert await app.container.pins.is_set_to(box, "839105")
    await app.shut_down()


async def test_program_that_checks_pins_refuses_one_before_it_is_repeated(tmp_path: Path) -> None:
    """The owner hears it at once and chooses another; nothing of the refused one is stored."""
    path = program_of(tmp_path, 'test "$1 $2" = "demo 1000" && read pin && test "$pin" != 839105')
    app = NotificationAppFixture(tmp_path / "data", pins={"check_program": path})
    await app.open()
    box = await app.create_box(owner=app.alice, pin="471629")
    script = [Press("53", during="To change"), Press("839105#", during="new pin")]
    script += [Press("620417#", during="new pin"), Press("620417#", during="again")]
    phone = await app.run_call(script, endpoint="alice", number="1000")
    assert phone.texts.index("That pin is not allowed here.") < phone.texts.index(
        "Please enter it again, then press pound."
    )
    assert await app.container.pins.is_set_to(box, "620417")
    await app.shut_down()


async def test_program_that_checks_pins_leaves_nothing_half_done(tmp_path: Path) -> None:
    """Over REST and by command a refused PIN creates and changes no mailbox; neither does a program that cannot run."""
    path = program_of(tmp_path, "exit 1")
    app = NotificationAppFixture(tmp_path / "data", pins={"check_program": path})
    await app.open()
    boxes = app.container.boxes
    box = await app.create_box("2000", pin=None)
    for text in ("exit 1", None):
        if text is None:
            path.unlink()
        with pytest.raises(InvalidFields) as refused:
            await app.create_box("1000", pin="471629")
        assert refused.value.violations["pin"].keys() == {"refused"}
        assert await boxes.find_by_number(app.account.id, "1000") is None
        with pytest.raises(InvalidFields):
            await boxes.patch(await boxes.get(box.id), {"name": "Renamed", "pin": "471629"})
        with pytest.raises(InvalidFields):
            await app.container.pins.set_by_administrator(box, "471629")
        with pytest.raises(InvalidFields):
            await app.container.pins.set_by_owner(box, "471629")
        assert (await boxes.get(box.id)).settings.name == "Box 2000"
        assert not await app.container.pins.has_pin(box)
    await app.shut_down()
