"""Calls over ARI, with a peer that behaves as Asterisk does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from ivr.call.ari.player import KeyPress
from ivr.clock import SystemClock
from ivr.service.service import Service, start_service
from tests.call.conftest import SECRET
from tests.support.app_fixture import AppFixture
from tests.support.fake_ari_server import APPLICATION, PASSWORD, TIME_SCALE, FakeAriServer, FakeChannel

ALICE = "PJSIP/alice-00000001"
FROM_ALICE = {
    "GLOBAL(IVR_SECRET)": SECRET, "PJSIP_ENDPOINT(alice,auth)": "yes", "REDIRECTING(count)": "0",
    "REDIRECTING(from-num)": "",
}  # fmt: skip
ENTER_PIN = "Please enter your pin"


class AriPbx:
    """The running service, and the Asterisk that its calls come from."""

    def __init__(self, app: AppFixture, service: Service, asterisk: FakeAriServer) -> None:
        self.app = app
        self.service = service
        self.asterisk = asterisk

    def start_call(self, *arguments: str, path: str = "check", channel: str = ALICE, **variables: str) -> FakeChannel:
        known = {**FROM_ALICE, **{name.replace("__", ","): value for name, value in variables.items()}}
        return self.asterisk.call(path, "account=demo", *arguments, "", channel=channel, variables=known)

    async def call_record(self) -> dict[str, Any]:
        """What is written down of the only call, when it is over."""
        question = "SELECT status, steps FROM calls"
        async with asyncio.timeout(60):
            while (row := await self.app.container.database.read(lambda c: c.execute(question).fetchone())) is None:
                await asyncio.sleep(0.005)
        return {"status": row[0], "steps": json.loads(row[1])}


@pytest.fixture
async def ari_pbx(tmp_path: Path, tone_prompts: Path, ari_server: FakeAriServer) -> AsyncIterator[AriPbx]:
    app = AppFixture(
        tmp_path / "data", sounds={"folder": tone_prompts}, asterisk={"secret": SECRET}, fastagi={"port": 0},
        ari={"port": ari_server.port, "password": PASSWORD, "application": APPLICATION},
    )  # fmt: skip
    app.clock = SystemClock()  # type: ignore[assignment]
    await app.open()
    ari_server.takes = app.settings.data.folder / "takes"
    service = await start_service(app.container, component="calls")
    await ari_server.connected()
    before = asyncio.all_tasks()
    yield AriPbx(app, service, ari_server)
    await service.stop()
    left = {task for task in asyncio.all_tasks() - before if "StasisApplication" in repr(task.get_coro())}
    assert left == set()


async def test_an_owner_hears_deletes_and_leaves(ari_pbx: AriPbx) -> None:
    message = await ari_pbx.app.create_message(await ari_pbx.app.create_box(owner=ari_pbx.app.alice))
    call = ari_pbx.start_call("number=1000")
    await call.wait_for_playback("(recording)")
    call.press("7")
    await call.wait_for_playback("To leave")
    call.press("#")
    assert await call.wait_until_over() == "DONE"
    assert call.heard[:4] == ["You have one new message", "Message one", "(recording)", "Deleted."]
    assert call.heard[-1] == "Goodbye."
    assert await ari_pbx.app.folder_of(message) == "deleted"


@pytest.mark.parametrize(
    "claim",
    [
        {"GLOBAL(IVR_SECRET)": "guessed"}, {"GLOBAL(IVR_SECRET)": ""}, {"PJSIP_ENDPOINT(alice,auth)": ""},
        {"REDIRECTING(count)": "1"}, {"REDIRECTING(from-num)": "5550199"}, {"channel": "Local/alice@x-00000001;1"},
        {"channel": "PJSIP/trunk-00000001"}, {"channel": "PJSIP/alice)},x-1"}, {"channel": ""},
    ],
    ids=str,
)  # fmt: skip
async def test_unverified_identity_is_asked_for_pin(ari_pbx: AriPbx, claim: dict[str, str]) -> None:
    await ari_pbx.app.create_box(owner=ari_pbx.app.alice)
    call = ari_pbx.start_call("number=1000", **claim)
    await call.wait_for_playback(ENTER_PIN)
    call.hang_up()
    await call.wait_until_over()
    assert call.heard == ["Please enter your pin, then press pound."]


async def test_keys_typed_at_once_all_arrive(ari_pbx: AriPbx) -> None:
    message = await ari_pbx.app.create_message(await ari_pbx.app.create_box(owner=ari_pbx.app.alice, pin="1379"))
    call = ari_pbx.start_call("number=1000", channel="PJSIP/trunk-1")
    call.press("1379#17#")
    assert await call.wait_until_over() == "DONE"
    assert await ari_pbx.app.folder_of(message) == "deleted"


async def test_seek_and_pause_resume_at_position(ari_pbx: AriPbx) -> None:
    await ari_pbx.app.create_message(await ari_pbx.app.create_box(owner=ari_pbx.app.alice), s=40)
    call = ari_pbx.start_call("number=1000")
    first = await call.wait_for_playback("(recording)")
    await asyncio.sleep(1.2 / TIME_SCALE * 10)
    call.press("8")
    second = await call.wait_for_playback("(recording)")
    await asyncio.sleep(0.2)
    call.press("*")
    await asyncio.sleep(0.1)
    call.press("*")
    third = await call.wait_for_playback("(recording)")
    call.hang_up()
    await call.wait_until_over()
    # A turn of the peer's loop counts ten times here.
    assert abs(second.heard_positions[0] - 10_000 - first.heard_positions[1]) <= 40 * TIME_SCALE
    assert abs(third.heard_positions[0] - second.heard_positions[1]) <= 40 * TIME_SCALE
    assert second.heard_positions[0] > 20_000


async def _limits_while_menu_repeats(ari_pbx: AriPbx) -> list[str]:
    """The time limits set while the owner asks three times when a message of one minute was left."""
    await ari_pbx.app.create_message(await ari_pbx.app.create_box(owner=ari_pbx.app.alice), s=60)
    call = ari_pbx.start_call("number=1000", "watchdog=5")
    await call.wait_for_playback("(recording)")
    before = len(call.dialplan_actions)
    for _ in range(3):
        call.press("#")
        await call.wait_for_playback("Received")
        await call.wait_for_playback("(recording)")
    call.hang_up()
    await call.wait_until_over()
    return [action for action in call.dialplan_actions[before:] if action.startswith("limit")]


async def test_time_limit_is_not_extended_while_keys_are_pressed(ari_pbx: AriPbx) -> None:
    """Each time takes the call away for a moment, in which nothing plays."""
    assert await _limits_while_menu_repeats(ari_pbx) == []


async def test_time_limit_is_extended_while_caller_only_listens(
    ari_pbx: AriPbx, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that the dialplan is not waited for for long where the service dies."""
    monkeypatch.setattr("ivr.call.ari.call.TYPING_WINDOW_S", 0.0)
    assert await _limits_while_menu_repeats(ari_pbx) != []


async def test_message_interrupted_by_hangup_does_not_count_as_heard(ari_pbx: AriPbx) -> None:
    message = await ari_pbx.app.create_message(await ari_pbx.app.create_box(owner=ari_pbx.app.alice), s=30)
    call = ari_pbx.start_call("number=1000")
    await call.wait_for_playback("(recording)")
    call.hang_up()
    await call.wait_until_over()
    assert (await ari_pbx.call_record())["status"] == "HANGUP"
    assert await ari_pbx.app.folder_of(message) == "new"


@pytest.mark.parametrize(("key", "folder"), [("7", "deleted"), ("1", "saved")])
async def test_key_is_acted_on_if_hangup_follows_at_once(ari_pbx: AriPbx, key: str, folder: str) -> None:
    """As over FastAGI: the key was pressed first."""
    message = await ari_pbx.app.create_message(await ari_pbx.app.create_box(owner=ari_pbx.app.alice), s=30)
    call = ari_pbx.start_call("number=1000")
    await call.wait_for_playback("(recording)")
    call.press(key)
    call.hang_up()
    await call.wait_until_over()
    assert (await ari_pbx.call_record())["status"] == "HANGUP"
    assert await ari_pbx.app.folder_of(message) == folder


async def test_message_left_by_hangup_is_saved(ari_pbx: AriPbx) -> None:
    box = await ari_pbx.app.create_box("1001", owner=ari_pbx.app.bob)
    ari_pbx.asterisk.recorded_ms = 2000
    call = ari_pbx.start_call("number=1001", path="leave")
    await call.wait_for_playback("Please leave your message")
    call.press("1")
    await call._wait_for(lambda: call.recording, "a recording")
    call.hang_up()
    await call.wait_until_over()
    assert (await ari_pbx.call_record())["status"] == "HANGUP"
    [message] = await ari_pbx.app.messages(box)
    assert message.length_ms == 2000


async def test_key_only_ends_recording(ari_pbx: AriPbx) -> None:
    box = await ari_pbx.app.create_box("1001", owner=ari_pbx.app.bob)
    call = ari_pbx.start_call("number=1001", path="leave")
    await call.speak(3000)
    await call.wait_for_playback("To keep")
    call.press("1")
    assert await call.wait_until_over() == "DONE"
    [message] = await ari_pbx.app.messages(box)
    assert message.length_ms == 3000
    assert call.variables["IVR_MESSAGE_ID"] == message.id


async def test_failed_recording_is_reported(ari_pbx: AriPbx) -> None:
    await ari_pbx.app.create_box("1001", owner=ari_pbx.app.bob)
    takes = ari_pbx.app.settings.data.folder / "takes"
    call = ari_pbx.start_call("number=1001", path="leave")
    await call.wait_for_playback("The person")
    takes.rename(takes.with_name("elsewhere"))
    assert await call.wait_until_over() == "ERROR"
    assert call.heard[-1] == "I am sorry, the recording failed. What you said was not kept."


async def test_call_is_left_to_the_dialplan_when_takes_cannot_be_recorded(ari_pbx: AriPbx) -> None:
    await ari_pbx.app.create_box("1001", owner=ari_pbx.app.bob)
    takes = ari_pbx.app.settings.data.folder / "takes"
    takes.rename(takes.with_name("elsewhere"))
    call = ari_pbx.start_call("number=1001", path="leave")
    assert await call.wait_until_over() == "", "the dialplan says what it could do: IVR_FALLBACK_STATUS"
    assert call.heard == []


async def test_number_that_caller_withholds_is_not_stored(ari_pbx: AriPbx) -> None:
    box = await ari_pbx.app.create_box("1001", owner=ari_pbx.app.bob)
    presentation = {"CALLERID(num-pres)": "prohib_passed_screen"}
    call = ari_pbx.start_call("number=1001", path="leave", **presentation)
    await call.speak(3000)
    await call.wait_for_playback("To keep")
    call.press("1")
    assert await call.wait_until_over() == "DONE"
    assert [(message.caller.number, message.caller.name) for message in await ari_pbx.app.messages(box)] == [
        ("anonymous", "")
    ]


async def test_message_without_audio_is_announced_and_menu_continues(ari_pbx: AriPbx) -> None:
    message = await ari_pbx.app.create_message(await ari_pbx.app.create_box(owner=ari_pbx.app.alice))
    ari_pbx.app.container.delivery.audio_paths(message)[0].unlink()
    call = ari_pbx.start_call("number=1000")
    await call.wait_for_playback("To save")
    call.press("7")
    await call.wait_for_playback("To leave")
    call.press("#")
    assert await call.wait_until_over() == "DONE"
    assert "The recording of this message cannot be played." in call.heard


# -- bad input ---------------------------------------------------------------------------------------------------------


async def test_dialplan_argument_error_is_logged_once_and_call_continues(
    ari_pbx: AriPbx, capfd: pytest.CaptureFixture[str]
) -> None:
    await ari_pbx.app.create_box(owner=ari_pbx.app.alice)
    call = ari_pbx.start_call("number=1000", "mailbox=1000")
    await call.wait_for_playback("To leave")
    call.press("#")
    assert await call.wait_until_over() == "DONE"
    assert capfd.readouterr().out.count("use name=value with a name of") == 1


@pytest.mark.parametrize("says", [(), ("dance",), ("",) * 3, ("check", "\x00", "=", "a" * 5000)], ids=str)
async def test_unparsable_arguments_leave_no_call(ari_pbx: AriPbx, says: tuple[str, ...]) -> None:
    """The call belongs to the only account; it names no mailbox, and the caller enters none."""
    call = ari_pbx.asterisk.call(*says, channel="PJSIP/trunk-1")
    assert await call.wait_until_over() in ("SKIPPED", "NOBOX", "NOACCESS")


INVALID_FRAMES: list[str | bytes] = [
    "", "{", "[]", "null", "7", '"x"', "{}", "[" * 3000, b"\x00\xff", '{"type": 7}', '{"type": "StasisStart"}',
    '{"type": "StasisStart", "application": "ivr", "channel": {"id": 7}}',
    '{"type": "StasisStart", "application": "ivr", "channel": {"id": "no/such?channel"}, "args": [7, null, "check"]}',
    '{"type": "StasisStart", "application": "ivr", "channel": "x", "args": {"a": 1}}',
    '{"type": "PlaybackFinished", "application": "ivr", "playback": {"id": "x", "target_uri": "channel:unknown"}}',
    '{"type": "ChannelDtmfReceived", "application": "ivr", "digit": "12", "channel": {"id": "unknown"}}',
    '{"type": "RESTResponse", "request_id": "99999", "status_code": "many"}', '{"type": "RESTResponse"}',
]  # fmt: skip


async def test_invalid_frames_and_foreign_events_are_ignored(ari_pbx: AriPbx) -> None:
    await ari_pbx.app.create_message(await ari_pbx.app.create_box(owner=ari_pbx.app.alice), s=30)
    call = ari_pbx.start_call("number=1000")
    await call.wait_for_playback("(recording)")
    about = {"id": call.id, "name": ALICE}
    mine: list[dict[str, object]] = [
        {"type": "ChannelDtmfReceived", "digit": 7}, {"type": "ChannelDtmfReceived", "digit": "77"},
        {"type": "PlaybackStarted", "playback": {"id": "old", "target_uri": f"channel:{call.id}"}},
        {"type": "PlaybackFinished", "playback": {"id": "old", "target_uri": f"channel:{call.id}", "state": "done"}},
        {"type": "ChannelStateChange"}, {"type": "RecordingFailed"},
    ]  # fmt: skip
    for frame in INVALID_FRAMES:
        await ari_pbx.asterisk.send(frame)
    for event in mine:
        await ari_pbx.asterisk.send(json.dumps({"application": APPLICATION, "channel": about, **event}))
    await asyncio.sleep(0.05)
    call.press("7")
    await call.wait_for_playback("To leave")
    call.press("#")
    assert await call.wait_until_over() == "DONE"


async def test_a_late_end_of_an_old_playback_does_not_end_the_new_one(ari_pbx: AriPbx) -> None:
    await ari_pbx.app.create_message(await ari_pbx.app.create_box(owner=ari_pbx.app.alice), s=30)
    call = ari_pbx.start_call("number=1000")
    old = await call.wait_for_playback("(recording)")
    call.press("2")
    new = await call.wait_for_playback("(recording)")
    about = {"id": old.id, "target_uri": f"channel:{call.id}", "state": "done"}
    ari_pbx.asterisk.send_event("PlaybackFinished", playback=about)
    await asyncio.sleep(0.1)
    assert new.heard_positions == [], "it plays on"
    call.hang_up()
    await call.wait_until_over()


@pytest.mark.parametrize("status", [404, 409, 412, 500])
@pytest.mark.parametrize("what", ["answer", "play", "variable", "subscription", "continue", "DELETE playbacks"])
async def test_a_channel_that_is_just_gone_leaves_no_call_behind(ari_pbx: AriPbx, what: str, status: int) -> None:
    await ari_pbx.app.create_message(await ari_pbx.app.create_box(owner=ari_pbx.app.alice), s=30)
    call = ari_pbx.start_call("number=1000")
    if what == "DELETE playbacks":
        await call.wait_for_playback("(recording)")
    ari_pbx.asterisk.refusals[what] = (status, {"message": "Channel not found"})
    call.press("#" * 20)
    call.hang_up()
    await call.wait_until_over()
    await _wait_until_no_calls(ari_pbx)


async def test_stasis_end_before_hangup_is_reported_as_hangup(ari_pbx: AriPbx) -> None:
    """A request that comes in between is refused as if the dialplan had the call again."""
    await ari_pbx.app.create_message(await ari_pbx.app.create_box(owner=ari_pbx.app.alice), s=30)
    call = ari_pbx.start_call("number=1000")
    await call.wait_for_playback("You have")
    ari_pbx.asterisk.refusals["play"] = (409, {"message": "Channel not in Stasis application"})
    call.press("5")
    await asyncio.sleep(0.1)
    call.hang_up()
    await call.wait_until_over()
    await _wait_until_no_calls(ari_pbx)
    assert (await ari_pbx.call_record())["status"] == "HANGUP"


async def _wait_until_no_calls(ari_pbx: AriPbx) -> None:
    assert ari_pbx.service.call_servers
    assert ari_pbx.service.call_servers.ari
    async with asyncio.timeout(60):
        while ari_pbx.service.call_servers.ari.stasis_application.calls_in_progress:
            await asyncio.sleep(0.01)


async def test_call_reclaimed_by_dialplan_ends(ari_pbx: AriPbx) -> None:
    await ari_pbx.app.create_message(await ari_pbx.app.create_box(owner=ari_pbx.app.alice), s=30)
    call = ari_pbx.start_call("number=1000")
    await call.wait_for_playback("(recording)")
    call.reclaim_by_dialplan()
    await _wait_until_no_calls(ari_pbx)
    assert (await ari_pbx.call_record())["status"] == "ERROR"


async def test_reentered_call_starts_fresh(ari_pbx: AriPbx) -> None:
    await ari_pbx.app.create_message(await ari_pbx.app.create_box(owner=ari_pbx.app.alice), s=30)
    call = ari_pbx.start_call("number=1000")
    await call.wait_for_playback("(recording)")
    call.in_stasis = False  # Without an event.
    for playback in call.playbacks:
        playback.stop.set()
    call.enter()
    await call.wait_for_playback("You have one new message")
    await call.wait_for_playback("(recording)")
    call.press("7")
    await call.wait_for_playback("To leave")
    call.press("#")
    assert await call.wait_until_over() == "DONE"


async def test_calls_over_limit_return_to_dialplan(ari_pbx: AriPbx) -> None:
    assert ari_pbx.service.call_servers
    assert ari_pbx.service.call_servers.ari
    ari_pbx.service.call_servers.ari.stasis_application._max_calls = 0
    assert await ari_pbx.start_call("number=1000").wait_until_over() == ""


# -- connections -------------------------------------------------------------------------------------------------------


async def test_a_lost_connection_does_not_end_a_call(ari_pbx: AriPbx) -> None:
    message = await ari_pbx.app.create_message(await ari_pbx.app.create_box(owner=ari_pbx.app.alice), s=20)
    call = ari_pbx.start_call("number=1000")
    playback = await call.wait_for_playback("(recording)")
    await ari_pbx.asterisk.lose_connections()
    async with asyncio.timeout(60):
        while not playback.heard_positions:
            await asyncio.sleep(0.01)  # It ends while no connection can carry the event.
    await ari_pbx.asterisk.connected()
    await call.wait_for_playback("To save")
    call.press("7")
    await call.wait_for_playback("To leave")
    call.press("#")
    assert await call.wait_until_over() == "DONE"
    assert await ari_pbx.app.folder_of(message) == "deleted"


async def test_truncated_frame_is_a_lost_connection(ari_pbx: AriPbx) -> None:
    await ari_pbx.app.create_message(await ari_pbx.app.create_box(owner=ari_pbx.app.alice), s=20)
    call = ari_pbx.start_call("number=1000")
    await call.wait_for_playback("(recording)")
    for socket in ari_pbx.asterisk._sockets:
        socket.transport.write(b"\x81\x7e\x10\x00" + b'{"type": "Cha')
    await ari_pbx.asterisk.lose_connections()
    await ari_pbx.asterisk.connected()
    await asyncio.sleep(0.1)
    call.press("7")
    await call.wait_for_playback("To leave")
    call.press("#")
    assert await call.wait_until_over() == "DONE"


async def test_caller_hung_up_during_outage_is_detected_on_reconnect(ari_pbx: AriPbx) -> None:
    message = await ari_pbx.app.create_message(await ari_pbx.app.create_box(owner=ari_pbx.app.alice), s=60)
    call = ari_pbx.start_call("number=1000")
    await call.wait_for_playback("(recording)")
    await ari_pbx.asterisk.lose_connections()
    call.hang_up()
    await call.wait_until_over()
    await ari_pbx.asterisk.connected()
    assert (await ari_pbx.call_record())["status"] == "HANGUP"
    assert await ari_pbx.app.folder_of(message) == "new"


async def test_asterisk_restart_ends_old_calls_and_accepts_new(ari_pbx: AriPbx) -> None:
    await ari_pbx.app.create_message(await ari_pbx.app.create_box(owner=ari_pbx.app.alice), s=60)
    call = ari_pbx.start_call("number=1000")
    await call.wait_for_playback("(recording)")
    await ari_pbx.asterisk.stop()
    await ari_pbx.asterisk.start_listening()
    await ari_pbx.asterisk.connected()
    assert (await ari_pbx.call_record())["status"] == "HANGUP"
    call = ari_pbx.start_call("number=1000")
    await call.wait_for_playback("(recording)")
    call.hang_up()
    await call.wait_until_over()


async def test_wrong_password_is_logged_and_retried(
    tmp_path: Path, tone_prompts: Path, ari_server: FakeAriServer, capfd: pytest.CaptureFixture[str]
) -> None:
    app = AppFixture(
        tmp_path / "data", sounds={"folder": tone_prompts}, fastagi={"port": 0},
        ari={"port": ari_server.port, "password": "guessed"},
    )  # fmt: skip
    await app.open()
    ari_server.takes = app.settings.data.folder / "takes"
    service = await start_service(app.container, component="calls")
    log = ""
    async with asyncio.timeout(60):
        while log.count("its password in ari.conf must be that of [ari]") < 2:
            await asyncio.sleep(0.05)
            log += capfd.readouterr().out
    assert "guessed" not in log
    await service.stop()


@pytest.mark.parametrize(
    ("later_ms", "held_ms", "is_repeat"), [(25, 50, True), (77, 50, True), (100, 50, False), (25, 120, True)]
)
def test_duplicate_dtmf_event_counts_once(later_ms: int, held_ms: int, is_repeat: bool) -> None:
    """As Asterisk does while nothing plays: the times are of a real one, and of the fastest machine."""
    first = KeyPress("8", 1_000_000.0, 50)
    assert KeyPress("8", 1_000_000.0 + later_ms, held_ms).is_repeat_of(first) is (is_repeat and held_ms == 50)
    assert not KeyPress("2", 1_000_000.0 + later_ms, 50).is_repeat_of(first)


async def test_playback_stop_is_retried_when_just_started(ari_pbx: AriPbx) -> None:
    """Asterisk says 500 until its own thread has got there."""
    await ari_pbx.app.create_message(await ari_pbx.app.create_box(owner=ari_pbx.app.alice), s=30)
    call = ari_pbx.start_call("number=1000")
    await call.wait_for_playback("(recording)")
    ari_pbx.asterisk.refusals["DELETE playbacks"] = (500, {"message": "Could not stop playback"})
    call.press("7")
    await asyncio.sleep(0.05)
    del ari_pbx.asterisk.refusals["DELETE playbacks"]
    await call.wait_for_playback("To leave")
    call.press("#")
    assert await call.wait_until_over() == "DONE"
