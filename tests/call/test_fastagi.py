"""The FastAGI server over a real socket, with a peer that behaves as Asterisk does."""

from __future__ import annotations

import asyncio
import re
import sqlite3
import time
from pathlib import Path

import pytest

from ivr import __version__
from ivr.api.audio import MessageDetails
from ivr.audio.formats import Sound
from ivr.call.base import Call
from ivr.call.fastagi.server import FastAgiServer
from ivr.call.journal import JournalEntry
from ivr.call.owner_proof import NO_PROOF
from ivr.terminal.fake_asterisk import AgiRequest, FakeAsterisk
from tests.call.conftest import FakePbx
from tests.support.handset import HANG_UP, OnSound, ScriptedHandset, TypingHandset
from tests.support.speech import speech_pcm

PIN_ALONE = re.compile(r"(?<![0-9a-f])8426(?![0-9a-f])")
"""The PIN of the tests; not four digits of an id, which are there by chance."""
ENTER_PIN = "Please enter your pin, then press pound."


async def test_an_owner_hears_deletes_and_leaves(pbx: FakePbx) -> None:
    box = await pbx.app.create_box(owner=pbx.app.alice)
    message = await pbx.app.create_message(box)
    handset = ScriptedHandset([OnSound("(recording)", "7"), OnSound("To leave", "#")])
    assert await pbx.run_call(handset, "number=1000") == "DONE"
    assert handset.heard[:4] == ["You have one new message", "Message one", "(recording)", "Deleted."]
    assert handset.heard[-1] == "Goodbye."
    assert await pbx.app.folder_of(message) == "deleted"


@pytest.mark.parametrize(
    "claim",
    [
        {"secret": "guessed"},
        {"secret": ""},
        {"auth": ""},
        {"diversion_count": "1"},
        {"channel": "Local/alice@x-00000001;1"},
        {"channel": "PJSIP/trunk-00000001"},
        {"channel": "SIP/alice-00000001"},
        {"channel": "PJSIP/alice)},x-1"},
        {"channel": ""},
    ],
    ids=str,
)
async def test_unverified_identity_is_asked_for_pin(pbx: FakePbx, claim: dict[str, str]) -> None:
    await pbx.app.create_box(owner=pbx.app.alice)
    handset = ScriptedHandset([OnSound(ENTER_PIN, HANG_UP)])
    await pbx.run_call(handset, "number=1000", **claim)
    assert handset.heard == [ENTER_PIN]


async def test_an_endpoint_may_have_hyphens_in_its_name(pbx: FakePbx) -> None:
    from ivr.call.incoming import endpoint_of

    assert endpoint_of("PJSIP/alice-home-0000002f") == "alice-home"
    assert endpoint_of("PJSIP/alice") is None


async def test_hangup_during_playback_ends_call(pbx: FakePbx) -> None:
    box = await pbx.app.create_box(owner=pbx.app.alice)
    await pbx.app.create_message(box)
    assert await pbx.run_call(ScriptedHandset([OnSound("(recording)", HANG_UP)]), "number=1000") == "HANGUP"


async def test_message_left_by_hangup_is_saved(pbx: FakePbx) -> None:
    box = await pbx.app.create_box("1001", owner=pbx.app.bob)
    speech = speech_pcm(2000)
    handset = ScriptedHandset([OnSound("(recording)", HANG_UP)], speech)
    await pbx.run_call(handset, "number=1001", path="leave")
    [message] = await pbx.app.messages(box)
    assert message.length_ms == 2000


async def test_message_without_audio_is_announced_and_menu_continues(pbx: FakePbx) -> None:
    box = await pbx.app.create_box(owner=pbx.app.alice)
    message = await pbx.app.create_message(box)
    pbx.app.container.delivery.audio_paths(message)[0].unlink()
    handset = ScriptedHandset([OnSound("To save", "7"), OnSound("To leave", "#")])
    assert await pbx.run_call(handset, "number=1000") == "DONE"
    assert handset.heard[2] == "The recording of this message cannot be played."
    assert await pbx.app.folder_of(message) == "deleted"


async def test_dialplan_argument_error_is_logged_once_and_call_continues(
    pbx: FakePbx, capfd: pytest.CaptureFixture[str]
) -> None:
    await pbx.app.create_box(owner=pbx.app.alice)
    assert await pbx.run_call(ScriptedHandset(), "number=1000", "mailbox=1000") == "DONE"
    lines = [line for line in capfd.readouterr().out.splitlines() if "dialplan.argument" in line]
    assert len(lines) == 1
    assert "use name=value with a name of" in lines[0]


async def test_pin_is_never_logged(pbx: FakePbx, capfd: pytest.CaptureFixture[str]) -> None:
    await pbx.app.create_box(pin="8426")
    handset = ScriptedHandset(
        [OnSound(ENTER_PIN, "8"), *(OnSound("", key) for key in "426#"), OnSound("To leave", "#")]
    )
    assert await pbx.run_call(handset, "number=1000", channel="PJSIP/trunk-1") == "DONE"
    captured = capfd.readouterr()
    assert not PIN_ALONE.search(captured.out + captured.err)
    steps = await pbx.call_record_steps()
    assert "signed in" in [step["what"] for step in steps]
    # The second # comes within 300 ms of the menu: it counts as a repetition of the one that ended the entry.
    assert [step["key"] for step in steps if step["what"] == "key"] == ["•"] * 5


@pytest.mark.parametrize(
    ("arguments", "channel", "typed"),
    [
        (["number=1000"], "PJSIP/alice-00000001", "8426#"),
        (["number=1000"], "PJSIP/alice-00000001", "1#8426#"),
        ([], "PJSIP/trunk-1", "8426#1000#8426#"),
        ([], "PJSIP/trunk-1", "84260#1000#8426#"),
    ],
    ids=["own phone", "own phone, in a menu", "number prompt", "number prompt, longer"],
)
async def test_pin_typed_where_none_is_asked_for_is_nowhere_in_the_clear(
    pbx: FakePbx, capfd: pytest.CaptureFixture[str], arguments: list[str], channel: str, typed: str
) -> None:
    await pbx.app.create_message(await pbx.app.create_box(owner=pbx.app.alice, pin="8426"))
    await pbx.run_call(TypingHandset(f"{typed}****##0#", 0.02), *arguments, channel=channel)
    keys = [step["key"] for step in await pbx.call_record_steps() if step["what"] == "key"]
    assert "•" in keys, "the record shows that keys were pressed"
    assert not set(keys) & set("8426")
    captured = capfd.readouterr()
    assert "call.ended" in captured.out, "the log is captured"
    assert not PIN_ALONE.search(captured.out + captured.err)
    folder = pbx.app.container.settings.data.folder
    files = [path for path in folder.rglob("*") if path.is_file() and "sentences" not in path.parts]
    assert any(path.name.endswith("-wal") for path in files)
    texts = {path: path.read_bytes().decode("latin-1") for path in files if path.suffix != ".wav"}
    assert [path for path, text in texts.items() if PIN_ALONE.search(text)] == []


# -- keys --------------------------------------------------------------------------------------------------------------


class LoopBlocker:
    """Keeps the loop busy for `s` seconds at a time, over and over."""

    def __init__(self, s: float) -> None:
        self._task = asyncio.create_task(self._run(s))

    async def _run(self, s: float) -> None:
        while s:
            time.sleep(s)
            await asyncio.sleep(0.002)

    def stop(self) -> None:
        self._task.cancel()


@pytest.mark.parametrize("late_ms", [0, 5, 50])
@pytest.mark.parametrize("pace_s", [0.02, 0.1])
async def test_keys_arrive_in_order_however_late_the_loop_is(pbx: FakePbx, pace_s: float, late_ms: int) -> None:
    await pbx.app.create_message(await pbx.app.create_box(owner=pbx.app.alice), s=60)
    keys = "1" + "25#528*" * 6 + "0#"  # Four digits in a row would be masked in the record.
    hog = LoopBlocker(late_ms / 1000)
    try:
        assert await pbx.run_call(TypingHandset(keys, pace_s), "number=1000") == "DONE"
    finally:
        hog.stop()
    assert "".join(step["key"] for step in await pbx.call_record_steps() if step["what"] == "key") == keys


async def wait_for_stall(call: Call) -> None:
    """Keep the loop busy for 150 ms, and return when the journal of `call` has noted that."""
    time.sleep(0.15)
    async with asyncio.timeout(60):
        while not [entry for entry in call.journal.entries if entry.event == "service late"]:
            await asyncio.sleep(0.001)


def test_call_record_tells_that_the_service_stood_still(tmp_path: Path) -> None:
    entries: list[JournalEntry] = []

    async def handle(call: Call) -> None:
        try:
            await wait_for_stall(call)
        finally:
            entries.extend(call.journal.entries)

    async def run() -> None:
        server = FastAgiServer(handle, Sound(tmp_path / "silence.wav", 60_000, ""), NO_PROOF, time.monotonic)
        address = await server.start("127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*address)
        writer.write(b"agi_network_script: check\nagi_channel: PJSIP/alice-00000001\n\n")
        await reader.read()
        writer.close()
        await server.stop()

    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:  # The loop of the other tests hides delays.
        runner.run(run())
    # A busy machine adds stalls of its own.
    stalls_ms = [entry.details["ms"] for entry in entries if entry.event == "service late"]
    assert all(isinstance(ms, int) for ms in stalls_ms)
    assert max(stalls_ms) > 100  # type: ignore[type-var,operator]


async def test_keys_typed_at_once_all_arrive(pbx: FakePbx) -> None:
    box = await pbx.app.create_box(owner=pbx.app.alice)
    message = await pbx.app.create_message(box)
    handset = TypingHandset("1379#17#", 0.02)
    assert await pbx.run_call(handset, "number=1000", channel="PJSIP/trunk-1") == "DONE"
    assert await pbx.app.folder_of(message) == "deleted"


# -- a database that another process locks ----------------------------------------------------------------------------


async def test_while_one_call_waits_for_the_database_another_goes_on(pbx: FakePbx) -> None:
    app = pbx.app
    mine, bobs = await app.create_box("1000", owner=app.alice), await app.create_box("1001", owner=app.bob)
    message, other = await app.create_message(mine), await app.create_message(bobs)
    other_process = sqlite3.connect(app.settings.data.folder / "state" / "ivr.db", isolation_level=None)

    saving = ScriptedHandset([OnSound("(recording)", "1"), OnSound("To leave", "#")])
    listening = ScriptedHandset([OnSound("(recording)", key) for key in f"25#252{HANG_UP}"])
    other_process.execute("BEGIN IMMEDIATE")
    a = asyncio.create_task(pbx.run_call(saving, "number=1000"))
    while "(recording)" not in saving.heard:
        await asyncio.sleep(0.005)
    b = asyncio.create_task(pbx.run_call(listening, "number=1001", channel="PJSIP/bob-00000001"))
    while listening.heard.count("(recording)") < 7:
        await asyncio.sleep(0.005)
    assert saving.heard[-1] == "(recording)", "call A waits, and hears no other prompt meanwhile"
    other_process.execute("ROLLBACK")
    other_process.close()
    assert await a == "DONE"
    assert await b == "HANGUP"
    assert "Saved." in saving.heard
    assert await app.folder_of(message) == "saved"
    assert await app.folder_of(other) in ("new", "saved")


async def test_database_timeout_is_announced_to_caller(pbx: FakePbx) -> None:
    app = pbx.app
    message = await app.create_message(await app.create_box("1000", owner=app.alice))
    other_process = sqlite3.connect(app.settings.data.folder / "state" / "ivr.db", isolation_level=None)
    other_process.execute("BEGIN IMMEDIATE")
    saving = ScriptedHandset([OnSound("(recording)", "1"), OnSound("To save", HANG_UP)])
    await pbx.run_call(saving, "number=1000")
    assert "I am sorry, that could not be done. Nothing was lost." in saving.heard
    other_process.execute("ROLLBACK")
    other_process.close()
    assert await app.folder_of(message) == "new"


@pytest.mark.parametrize("where", ["dialplan", "user"])
async def test_language_without_recordings_is_spoken_in_english(pbx: FakePbx, where: str) -> None:
    await pbx.app.create_box(owner=pbx.app.alice)
    languages = ["ja", "sv", "en_US"]
    for language in languages if where == "user" else [*languages, "xx", "../en"]:  # A user cannot have the last two.
        words = ["number=1000"]
        if where == "user":
            await pbx.app.container.directory.update_user(pbx.app.alice.model_copy(update={"language": language}))
        else:
            words.append(f"language={language}")
        handset = ScriptedHandset([OnSound("You have no messages.", "#")])
        assert await pbx.run_call(handset, *words) == "DONE"
        assert (handset.heard[0], handset.heard[-1]) == ("You have no messages.", "Goodbye."), language


@pytest.mark.parametrize(("version", "is_told"), [("", True), (f"dialplan={__version__}", False)])
async def test_dialplan_of_before_the_renaming_learns_that_the_message_is_stored(
    pbx: FakePbx, version: str, is_told: bool
) -> None:
    """Else it has the caller leave the message once more: it is loaded until `dialplan reload`."""
    await pbx.app.create_box("1001", owner=pbx.app.bob)
    handset = ScriptedHandset([OnSound("(recording)", HANG_UP)], speech_pcm(2000))
    call = pbx.new_call(handset, "number=1001", "watchdog=5", *filter(None, [version]), path="leave")
    await call.connect_and_run(*pbx.address)
    earlier = {name: call.variables.get(name) for name in ("IVRSTATUS", "IVRMESSAGE", "IVRTAKE")}
    new = {name: call.variables[name] for name in ("IVR_STATUS", "IVR_MESSAGE_ID", "IVR_TAKE_FILE")}
    assert list(earlier.values()) == (list(new.values()) if is_told else [None] * 3)


async def test_caller_is_stored_as_a_client_may_give_it_back(pbx: FakePbx) -> None:
    """However long its name is, and whatever is in it: else an exported message could not be uploaded again."""
    box = await pbx.app.create_box("1001", owner=pbx.app.bob)
    handset = ScriptedHandset([OnSound("(recording)", HANG_UP)], speech_pcm(2000))
    request = AgiRequest(
        "leave", ("account=demo", "number=1001"), "PJSIP/trunk-1", "5550100", caller_name=f"Ann\t{'n' * 300}"
    )
    await FakeAsterisk(request, handset).connect_and_run(*pbx.address)
    [message] = await pbx.app.messages(box)
    assert message.caller.name == f"Ann {'n' * 252}"
    details = MessageDetails(caller_id_name=message.caller.name, caller_id_number=message.caller.number)
    assert details.caller_id_name == message.caller.name
