"""`ivr watch`: the snapshot, its rendering and its live display."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC
from pathlib import Path

from rich.console import Console

from ivr.cli.watch import render
from ivr.storage.records import FinishedCall, LiveCall, MwiSummary, Overview, RecentMessage
from tests.cli.conftest import Ivr, parse_json
from tests.cli.test_commands import write_wav
from tests.support.app_fixture import NOON, AppFixture
from tests.support.scripted_call import HangUp, Meanwhile, Speak

ROOT = Path(__file__).parents[2]
EMPTY_SNAPSHOT = Overview(
    at=NOON, calls=[], recordings=0, ended=[], messages=[], lights=[], waiting=0, new=0, saved=0, deleted=0
)  # fmt: skip


def render_text(seen: Overview) -> str:
    out = Console(width=110, highlight=False)
    with out.capture() as captured:
        out.print(render(seen, UTC))
    return "\n".join(" ".join(line.split()) for line in captured.get().splitlines())


def test_empty_snapshot_is_rendered() -> None:
    assert "0 calls, 0 recording" in render_text(EMPTY_SNAPSHOT)
    for what in ("calls in progress", "finished calls", "newest messages", "lights"):
        assert f"no {what}" in render_text(EMPTY_SNAPSHOT)


def test_snapshot_is_rendered() -> None:
    seen = Overview(
        at=NOON,
        calls=[LiveCall("PJSIP/alice-00000001", "1000", "check", "1000", NOON - 75)],
        recordings=1,
        ended=[FinishedCall(NOON - 600, NOON - 571, "5550100", "leave", "1001", "HANGUP")],
        messages=[RecentMessage(NOON - 86400, "1001", "2001", 125_000, "new", True)],
        lights=[
            MwiSummary("1000", "Alice", 0, 2, None, 0, ""),
            MwiSummary("1001", "Bob", 3, 0, NOON - 5, 2, "no phone subscribed"),
        ],
        waiting=4, new=3, saved=2, deleted=1,
    )  # fmt: skip
    text = render_text(seen)
    for line in (
        "2016-05-10 12:00:00 UTC 1 calls, 1 recording 3 new, 2 saved, 1 deleted 4 tasks waiting",
        "1:15 PJSIP/alice-00000001 1000 check 1000",
        "11:50:00 0:29 5550100 leave 1001 HANGUP",
        "2016-05-09 12:00 1001 2001 2:05 new !",
        "1000 Alice off 0/2",
        "1001 Bob on 3/0 not set for 0:05, 2 attempts: no phone subscribed",
    ):
        assert line in text.splitlines()


def test_caller_text_is_escaped() -> None:
    seen = replace(EMPTY_SNAPSHOT, calls=[LiveCall("x", "[bold]1[/bold]", "check", "", NOON)])
    assert "[bold]1[/bold]" in render_text(seen)


async def test_snapshot_is_read_from_database(app: AppFixture) -> None:
    box = await app.create_box("1000", owner=app.alice, name="Alice")
    await app.create_box("1001", owner=app.bob)
    await app.create_message(box, s=5, caller="2001")
    await app.create_message(box, s=2, folder="saved", age_s=7200)
    during: list[Overview] = []

    async def look() -> None:
        during.append(await app.container.overview.snapshot(int(app.clock.now())))

    await app.run_call([Meanwhile("beep", look), Speak(4000, "hang-up")], path="leave", number="1001", caller="2002")
    [seen] = during
    assert [(call.caller_number, call.action, call.number) for call in seen.calls] == [("2002", "leave", "1001")]
    assert (seen.new, seen.saved, seen.deleted, seen.recordings) == (1, 1, 0, 1)
    assert [(m.box, m.caller, m.length_ms, m.folder) for m in seen.messages] == [
        ("1000", "2001", 5000, "new"), ("1000", "2001", 2000, "saved"),
    ]  # fmt: skip

    seen = await app.container.overview.snapshot(int(app.clock.now()))
    assert (seen.calls, seen.recordings, seen.new) == ([], 0, 2)
    assert [(c.caller_number, c.box, c.status) for c in seen.ended] == [("2002", "1001", "HANGUP")]
    lights = {light.box: light for light in seen.lights}
    assert (lights["1000"].name, lights["1000"].new, lights["1000"].saved) == ("Alice", 1, 1)
    assert lights["1001"].waiting_since is not None


async def test_idle_mwi_target_is_not_listed(app: AppFixture) -> None:
    await app.create_box("1000", owner=app.alice)
    await app.run_call([HangUp()], endpoint="alice", number="1000")
    await app.container.database.write(lambda c: c.execute("DELETE FROM outbox").rowcount)
    assert (await app.container.overview.snapshot(NOON)).lights == []


def test_watch_once_and_json_output(populated_ivr: Ivr) -> None:
    assert "0 calls, 0 recording" in populated_ivr("watch", "--once").stdout
    assert parse_json(populated_ivr("watch", "--json"))["calls"] == []


def test_watch_runs_live_until_ctrl_c(populated_ivr: Ivr) -> None:
    """Changes are displayed; Ctrl-C ends it without a traceback."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120", "LINES": "50", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "ivr", "watch", "--every", "0.1"]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        seen = _read_until(ours, "0 new, 0 saved")
        populated_ivr("message", "add", "1000", write_wav(Path("in.wav")))
        seen += _read_until(ours, "1 new, 0 saved")
        process.send_signal(signal.SIGINT)
        seen += _read_rest(ours)
    assert process.returncode == 130
    assert "Traceback" not in seen


def _read_until(terminal: int, text: str, within_s: float = 60) -> str:
    """Return the output of a terminal up to `text`."""
    seen, deadline = "", time.monotonic() + within_s
    while text not in seen:
        assert time.monotonic() < deadline, seen[-2000:]
        if select.select([terminal], [], [], 1)[0]:
            seen += os.read(terminal, 65_536).decode(errors="replace")
    return seen


def _read_rest(terminal: int) -> str:
    seen = ""
    with contextlib.suppress(OSError):  # Linux raises it when the other end is closed.
        while more := os.read(terminal, 65_536):
            seen += more.decode(errors="replace")
    os.close(terminal)
    return seen
