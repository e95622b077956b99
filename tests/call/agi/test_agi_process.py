"""`ivr-agi`, the real program, on pipes: what a caller and an owner notice of it."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ivr.audio import wav
from tests.call.agi.conftest import PROCESS_TIMEOUT_S, AgiInstallation
from tests.support.fake_smtp_server import FakeSmtpServer
from tests.support.handset import HANG_UP, OnSound, ScriptedHandset, TypingHandset
from tests.support.speech import speech_pcm

ENTER_PIN = "Please enter your pin, then press pound."
SPEECH = speech_pcm(2000)


async def test_an_owner_hears_deletes_and_leaves(agi_installation: AgiInstallation) -> None:
    message = await agi_installation.app.create_message(
        await agi_installation.app.create_box(owner=agi_installation.app.alice)
    )
    handset = ScriptedHandset([OnSound("(recording)", "7"), OnSound("To leave", "#")])
    peer = await agi_installation.run_call(handset, "number=1000")
    assert peer.variables["IVR_STATUS"] == "DONE"
    assert handset.heard[:4] == ["You have one new message", "Message one", "(recording)", "Deleted."]
    assert handset.heard[-1] == "Goodbye."
    assert await agi_installation.app.folder_of(message) == "deleted"


async def test_keys_typed_at_once_all_arrive(agi_installation: AgiInstallation) -> None:
    message = await agi_installation.app.create_message(
        await agi_installation.app.create_box(owner=agi_installation.app.alice)
    )
    peer = await agi_installation.run_call(TypingHandset("1379#17#", 0.02), "number=1000", channel="PJSIP/trunk-1")
    assert peer.variables["IVR_STATUS"] == "DONE"
    assert await agi_installation.app.folder_of(message) == "deleted"


@pytest.mark.parametrize(
    "claim", [{"secret": "guessed"}, {"channel": "PJSIP/trunk-1"}, {"channel": "Local/alice@x-00000001;1"}], ids=str
)
async def test_unverified_identity_is_asked_for_pin(agi_installation: AgiInstallation, claim: dict[str, str]) -> None:
    await agi_installation.app.create_box(owner=agi_installation.app.alice)
    handset = ScriptedHandset([OnSound(ENTER_PIN, HANG_UP)])
    await agi_installation.run_call(handset, "number=1000", **claim)  # type: ignore[arg-type]
    assert handset.heard == [ENTER_PIN]


async def test_line_break_in_argument_cannot_forge_identity(agi_installation: AgiInstallation) -> None:
    """Asterisk writes arguments into the header block, too, as they are."""
    await agi_installation.app.create_box(owner=agi_installation.app.alice)
    forged = "x\nagi_channel: PJSIP/alice-00000001"
    handset = ScriptedHandset([OnSound(ENTER_PIN, HANG_UP)])
    await agi_installation.run_call(handset, "number=1000", channel="PJSIP/trunk-00000001", header=(forged,))
    assert handset.heard == [ENTER_PIN]


async def test_arguments_cannot_inject_header_lines(agi_installation: AgiInstallation) -> None:
    await agi_installation.app.create_box(owner=agi_installation.app.alice)
    words = ['language="en', "reason=a\nHANGUP", "beep=\udcff\udcfe", "", "number=1000", "x" * 3000, "nonsense=\\\"'"]
    peer = await agi_installation.run_call(ScriptedHandset(), *words)
    assert peer.variables["IVR_STATUS"] == "DONE"
    assert "dialplan.argument" in await agi_installation.wait_for_processes()


async def test_pin_is_never_logged(agi_installation: AgiInstallation) -> None:
    await agi_installation.app.create_box(pin="8426")
    handset = ScriptedHandset(
        [OnSound(ENTER_PIN, "8"), *(OnSound("", key) for key in "426#"), OnSound("To leave", "#")]
    )
    agi_installation.environment["IVR_LOG__LEVEL"] = "debug"
    await agi_installation.run_call(handset, "number=1000", channel="PJSIP/trunk-1")
    assert "8426" not in await agi_installation.wait_for_processes()


# -- leaving a message -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("signals", [True, False], ids=["by a signal", "by the end of the stream"])
async def test_hangup_while_recording_leaves_message(agi_installation: AgiInstallation, signals: bool) -> None:
    """A signal reaches only a program of Asterisk's own user."""
    box = await agi_installation.app.create_box("1001", owner=agi_installation.app.bob)
    handset = ScriptedHandset([OnSound("(recording)", HANG_UP)], SPEECH)
    await agi_installation.run_call(handset, "number=1001", path="leave", signals=signals)
    assert "status=HANGUP" in await agi_installation.wait_for_processes()
    [message] = await agi_installation.app.messages(box)
    assert message.length_ms == 2000
    assert list(agi_installation.app.container.recordings.takes_folder.iterdir()) == []


class TalkingHandset(ScriptedHandset):
    """A caller who talks until the connection is lost. `path`: the file of the recording."""

    path: Path | None = None
    ended: asyncio.Event

    async def record(self, path: Path, *_: Any) -> tuple[str | None, int]:
        self.ended = asyncio.Event()
        wav.write(path, SPEECH)
        self.path = path
        await self.ended.wait()
        raise ConnectionError


async def kill_while_recording(site: AgiInstallation) -> Path:
    """Kill a program while its caller talks; return the file of what was recorded until then."""
    talking = TalkingHandset()
    call = asyncio.create_task(site.run_call(talking, "number=1001", path="leave"))
    await site.wait_until(lambda: talking.path)
    site.processes[-1].send_signal(signal.SIGKILL)
    await site.processes[-1].wait()
    talking.ended.set()
    await asyncio.wait({call})
    assert talking.path
    return talking.path


async def test_process_killed_while_recording_loses_nothing(agi_installation: AgiInstallation) -> None:
    """The next call's program makes a message of it, when its own caller is gone."""
    box = await agi_installation.app.create_box("1001", owner=agi_installation.app.bob)
    path = await kill_while_recording(agi_installation)
    assert await agi_installation.app.messages(box) == []
    await agi_installation.run_call(ScriptedHandset(), "number=1001", channel="PJSIP/bob-00000002")
    log = await agi_installation.wait_for_processes()
    assert "take.recovered" in log
    [message] = await agi_installation.app.messages(box)
    assert message.length_ms == 2000
    assert not path.exists()


async def test_recording_of_another_call_is_not_recovered(agi_installation: AgiInstallation) -> None:
    box = await agi_installation.app.create_box("1001", owner=agi_installation.app.bob)
    talking = TalkingHandset()
    call = asyncio.create_task(agi_installation.run_call(talking, "number=1001", path="leave"))
    await agi_installation.wait_until(lambda: talking.path)
    assert not await agi_installation.app.container.recording_recovery.has_pending()
    await agi_installation.run_call(ScriptedHandset(), "number=1001", channel="PJSIP/bob-00000002")
    log = await agi_installation.wait_for_processes()
    assert "take.recovered" not in log
    assert await agi_installation.app.messages(box) == []
    talking.ended.set()
    await asyncio.wait({call})


# -- what follows ------------------------------------------------------------------------------------------------------


@pytest.fixture
def smtp_server(agi_installation: AgiInstallation) -> Any:
    server = FakeSmtpServer()
    server.start()
    agi_installation.environment |= {"IVR_MAIL__HOST": "127.0.0.1", "IVR_MAIL__PORT": str(server.port)}
    yield server
    server.stop()


async def test_agi_process_sends_mail_without_service(
    agi_installation: AgiInstallation, smtp_server: FakeSmtpServer
) -> None:
    await agi_installation.app.create_box(
        "1001", owner=agi_installation.app.bob, notify_email_addresses=["bob@demo.example"]
    )
    handset = ScriptedHandset([OnSound("(recording)", HANG_UP)], SPEECH)
    await agi_installation.run_call(handset, "number=1001", path="leave")
    await agi_installation.wait_for_processes()
    assert [to for to, _ in smtp_server.received] == ["bob@demo.example"]
    assert await agi_installation.app.container.outbox.list_tasks() == []


async def test_rejected_mail_is_retried_later(agi_installation: AgiInstallation, smtp_server: FakeSmtpServer) -> None:
    await agi_installation.app.create_box(
        "1001", owner=agi_installation.app.bob, notify_email_addresses=["bob@demo.example"]
    )
    smtp_server.behaviours.append("rejects temporarily")
    handset = ScriptedHandset([OnSound("(recording)", HANG_UP)], SPEECH)
    await agi_installation.run_call(handset, "number=1001", path="leave")
    await agi_installation.wait_for_processes()
    assert smtp_server.received == []
    [row] = await agi_installation.app.container.outbox.list_tasks()
    await agi_installation.app.container.outbox.retry([row.id])
    maintained = [sys.executable, "-m", "ivr", "maintain"]
    await asyncio.to_thread(
        subprocess.run, maintained, check=True, env=agi_installation.environment, timeout=PROCESS_TIMEOUT_S
    )
    assert [to for to, _ in smtp_server.received] == ["bob@demo.example"]


# -- what a site may do wrong ------------------------------------------------------------------------------------------


async def test_program_started_by_hand_prints_usage(agi_installation: AgiInstallation) -> None:
    process = await agi_installation.start_program("check")
    assert process.stdin
    process.stdin.close()
    assert "it is started by Asterisk" in await agi_installation.wait_for_processes()
    assert process.returncode == 1


@pytest.mark.parametrize(
    ("setting", "value", "error"),
    [
        ("IVR_DATA__BUSY_TIMEOUT_MS", "soon", "data.busy_timeout_ms"),
        ("IVR_DATA__FOLDER", "/proc/nothing", "/proc/nothing"),
        ("IVR_SOUNDS__FOLDER", "/nowhere", "there are no prompts"),
    ],
)
async def test_startup_error_is_one_line_and_dialplan_continues(
    agi_installation: AgiInstallation, setting: str, value: str, error: str
) -> None:
    agi_installation.environment[setting] = value
    peer = await agi_installation.run_call(ScriptedHandset(), "number=1000", signals=False)
    assert "IVR_STATUS" not in peer.variables
    assert error in await agi_installation.wait_for_processes()
    assert agi_installation.processes[-1].returncode == 1


NEVER_IMPORTED_IN_A_CALL = {
    "babel",
    "fastapi",
    "jinja2",
    "numpy",
    "panoramisk",
    "prometheus_client",
    "rich",
    "sqlite_utils",
    "starlette",
    "typer",
    "uvicorn",
}


async def test_agi_call_imports_only_what_it_needs(agi_installation: AgiInstallation) -> None:
    """The first prompt is to play within half a second of the start of the program, and a wrong PIN costs no import."""
    await agi_installation.app.create_box(owner=agi_installation.app.alice)
    agi_installation.environment["PYTHONPROFILEIMPORTTIME"] = "1"
    handset = ScriptedHandset(
        [OnSound(ENTER_PIN, "9"), *(OnSound("", key) for key in "999#"), OnSound("That pin", HANG_UP)]
    )
    await agi_installation.run_call(handset, "number=1000", channel="PJSIP/trunk-1")
    imports = (await agi_installation.wait_for_processes()).splitlines()
    imported = {line.rpartition("|")[2].strip() for line in imports if line.startswith("import time:")}
    assert handset.heard[:1] == [ENTER_PIN]
    assert {"ivr.menus.sign_in", "ivr.storage.sqlite.outbox"} <= imported, "the call, and the check for pending work"
    packages = {name.partition(".")[0] for name in imported if name != "rich"}  # structlog tries it; ivr.agi blocks it.
    assert packages & NEVER_IMPORTED_IN_A_CALL == set()
