"""`ivr-agi`, the real program, on pipes: what a caller and an owner notice of it."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ivr.audio import wav
from tests.call.agi.conftest import LONG_S, PROGRAM, NoService
from tests.support.handset import HANG_UP, ScriptedHandset, TypingHandset, When
from tests.support.mailserver import MailServer

ENTER_PIN = "Please enter your pin, then press pound."
SPEECH = b"\x10\x20" * 16_000


async def test_an_owner_hears_deletes_and_leaves(site: NoService) -> None:
    message = await site.house.message(await site.house.box(owner=site.house.alice))
    handset = ScriptedHandset([When("(recording)", "7"), When("To leave", "#")])
    peer = await site.call(handset, "number=1000")
    assert peer.variables["IVRSTATUS"] == "DONE"
    assert handset.heard[:4] == ["You have one new message", "Message one", "(recording)", "Deleted."]
    assert handset.heard[-1] == "Goodbye."
    assert await site.house.folder_of(message) == "deleted"


async def test_all_typed_in_one_go_arrives(site: NoService) -> None:
    message = await site.house.message(await site.house.box(owner=site.house.alice))
    peer = await site.call(TypingHandset("1379#17#", 0.02), "number=1000", channel="PJSIP/trunk-1")
    assert peer.variables["IVRSTATUS"] == "DONE"
    assert await site.house.folder_of(message) == "deleted"


@pytest.mark.parametrize(
    "claim", [{"secret": "guessed"}, {"channel": "PJSIP/trunk-1"}, {"channel": "Local/alice@x-00000001;1"}], ids=str
)
async def test_who_only_claims_to_be_alice_is_asked_for_the_pin(site: NoService, claim: dict[str, str]) -> None:
    await site.house.box(owner=site.house.alice)
    handset = ScriptedHandset([When(ENTER_PIN, HANG_UP)])
    await site.call(handset, "number=1000", **claim)  # type: ignore[arg-type]
    assert handset.heard == [ENTER_PIN]


async def test_a_line_break_in_an_argument_forges_nobodys_phone(site: NoService) -> None:
    """Asterisk writes arguments into the header block, too, as they are."""
    await site.house.box(owner=site.house.alice)
    forged = "x\nagi_channel: PJSIP/alice-00000001"
    handset = ScriptedHandset([When(ENTER_PIN, HANG_UP)])
    await site.call(handset, "number=1000", channel="PJSIP/trunk-00000001", header=(forged,))
    assert handset.heard == [ENTER_PIN]


async def test_words_of_any_kind_are_words_and_nothing_else(site: NoService) -> None:
    await site.house.box(owner=site.house.alice)
    words = ['language="en', "reason=a\nHANGUP", "beep=\udcff\udcfe", "", "number=1000", "x" * 3000, "nonsense=\\\"'"]
    peer = await site.call(ScriptedHandset(), *words)
    assert peer.variables["IVRSTATUS"] == "DONE"
    assert "dialplan.argument" in await site.over()


async def test_no_log_line_holds_a_pin(site: NoService) -> None:
    await site.house.box(pin="8642")
    handset = ScriptedHandset([When(ENTER_PIN, "8"), *(When("", key) for key in "642#"), When("To leave", "#")])
    site.environment["IVR_LOG__LEVEL"] = "debug"
    await site.call(handset, "number=1000", channel="PJSIP/trunk-1")
    assert "8642" not in await site.over()


# -- leaving a message -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("signals", [True, False], ids=["told by a signal", "told by the end of the stream"])
async def test_who_hangs_up_while_speaking_has_left_a_message(site: NoService, signals: bool) -> None:
    """A signal reaches only a program of Asterisk's own user."""
    box = await site.house.box("1001", owner=site.house.bob)
    handset = ScriptedHandset([When("(recording)", HANG_UP)], SPEECH)
    await site.call(handset, "number=1001", path="leave", signals=signals)
    assert "status=HANGUP" in await site.over()
    [message] = await site.house.messages(box)
    assert message.length_ms == 2000
    assert list(site.house.app.recordings.takes.iterdir()) == []


class Talking(ScriptedHandset):
    """Somebody who goes on talking; `path` is what they are recorded into."""

    path: Path | None = None
    over: asyncio.Event

    async def record(self, path: Path, *_: Any) -> tuple[str | None, int]:
        self.over = asyncio.Event()
        wav.write(path, SPEECH)
        self.path = path
        await self.over.wait()
        raise ConnectionError


async def killed_while_recording(site: NoService) -> Path:
    """A program that is killed while a caller talks; what they said until then."""
    talking = Talking()
    call = asyncio.create_task(site.call(talking, "number=1001", path="leave"))
    await site.eventually(lambda: talking.path)
    site.processes[-1].send_signal(signal.SIGKILL)
    await site.processes[-1].wait()
    talking.over.set()
    await asyncio.wait({call})
    assert talking.path
    return talking.path


async def test_a_program_killed_while_a_caller_speaks_loses_nothing(site: NoService) -> None:
    """The next call's program makes a message of it, when its own caller is gone."""
    box = await site.house.box("1001", owner=site.house.bob)
    path = await killed_while_recording(site)
    assert await site.house.messages(box) == []
    await site.call(ScriptedHandset(), "number=1001", channel="PJSIP/bob-00000002")
    told = await site.over()
    assert "take.adopted" in told
    [message] = await site.house.messages(box)
    assert message.length_ms == 2000
    assert not path.exists()


async def test_what_another_call_is_recording_is_left_to_it(site: NoService) -> None:
    box = await site.house.box("1001", owner=site.house.bob)
    talking = Talking()
    call = asyncio.create_task(site.call(talking, "number=1001", path="leave"))
    await site.eventually(lambda: talking.path)
    assert not await site.house.app.adoption.is_anything_left()
    await site.call(ScriptedHandset(), "number=1001", channel="PJSIP/bob-00000002")
    told = await site.over()
    assert "take.adopted" not in told
    assert await site.house.messages(box) == []
    talking.over.set()
    await asyncio.wait({call})


# -- what follows ------------------------------------------------------------------------------------------------------


@pytest.fixture
def mail_server(site: NoService) -> Any:
    server = MailServer()
    server.start()
    site.environment |= {"IVR_MAIL__HOST": "127.0.0.1", "IVR_MAIL__PORT": str(server.port)}
    yield server
    server.stop()


async def test_without_a_service_the_program_itself_sends_the_mail(site: NoService, mail_server: MailServer) -> None:
    await site.house.box("1001", owner=site.house.bob, notify_email_addresses=["bob@demo.example"])
    handset = ScriptedHandset([When("(recording)", HANG_UP)], SPEECH)
    await site.call(handset, "number=1001", path="leave")
    await site.over()
    assert [to for to, _ in mail_server.got] == ["bob@demo.example"]
    assert await site.house.app.outbox.rows() == []


async def test_mail_that_is_not_taken_waits_for_another_time(site: NoService, mail_server: MailServer) -> None:
    await site.house.box("1001", owner=site.house.bob, notify_email_addresses=["bob@demo.example"])
    mail_server.moods.append("not now")
    handset = ScriptedHandset([When("(recording)", HANG_UP)], SPEECH)
    await site.call(handset, "number=1001", path="leave")
    await site.over()
    assert mail_server.got == []
    [row] = await site.house.app.outbox.rows()
    await site.house.app.outbox.retry([row.id])
    tended = [sys.executable, "-m", "ivr", "tend"]
    await asyncio.to_thread(subprocess.run, tended, check=True, env=site.environment, timeout=LONG_S)
    assert [to for to, _ in mail_server.got] == ["bob@demo.example"]


# -- what a site may do wrong ------------------------------------------------------------------------------------------


async def test_started_by_hand_it_says_who_starts_it(site: NoService) -> None:
    process = await site.start("check")
    assert process.stdin
    process.stdin.close()
    assert "it is started by Asterisk" in await site.over()
    assert process.returncode == 1


@pytest.mark.parametrize(
    ("setting", "value", "told"),
    [
        ("IVR_DATA__BUSY_MS", "soon", "data.busy_ms"),
        ("IVR_DATA__FOLDER", "/proc/nothing", "/proc/nothing"),
        ("IVR_SOUNDS__FOLDER", "/nowhere", "there are no prompts"),
    ],
)
async def test_what_is_wrong_is_told_in_a_line_and_the_dialplan_goes_on(
    site: NoService, setting: str, value: str, told: str
) -> None:
    site.environment[setting] = value
    peer = await site.call(ScriptedHandset(), "number=1000", signals=False)
    assert "IVRSTATUS" not in peer.variables
    assert told in await site.over()
    assert site.processes[-1].returncode == 1


def test_before_a_caller_hears_anything_only_what_a_call_needs_is_loaded() -> None:
    """The first prompt is to come within half a second of the start of the program."""
    asked = (
        "import sys, json, ivr.agi; sys.modules['rich'] = None; import ivr.serving.one_call;"
        "print(json.dumps([name for name in sys.modules if sys.modules[name]]))"
    )
    said = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True).stdout
    loaded = {name.partition(".")[0] for name in json.loads(said)}
    assert "asterisk" in loaded
    heavy = {
        "fastapi",
        "uvicorn",
        "starlette",
        "panoramisk",
        "sqlite_utils",
        "numpy",
        "babel",
        "typer",
        "rich",
        "jinja2",
    }
    assert loaded & heavy == set()
    assert PROGRAM.exists()
