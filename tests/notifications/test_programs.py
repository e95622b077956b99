"""The programs that run for changes of messages and of PINs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

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
