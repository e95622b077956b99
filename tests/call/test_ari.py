"""Calls over ARI, with a peer that behaves as Asterisk does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from ivr.call.ari.waiting import Press
from ivr.clock import SystemClock
from ivr.serving.service import Service, serve
from tests.call.conftest import SECRET
from tests.support.ari import APPLICATION, PASSWORD, SPEED, FakeAri, PeerCall
from tests.support.house import House

ALICE = "PJSIP/alice-00000001"
FROM_ALICE = {
    "GLOBAL(IVR_SECRET)": SECRET, "PJSIP_ENDPOINT(alice,auth)": "yes", "REDIRECTING(count)": "0",
    "REDIRECTING(from-num)": "",
}  # fmt: skip
ENTER_PIN = "Please enter your pin"


class Office:
    """The running service, and the Asterisk that its calls come from."""

    def __init__(self, house: House, service: Service, asterisk: FakeAri) -> None:
        self.house = house
        self.service = service
        self.asterisk = asterisk

    def call(self, *arguments: str, path: str = "check", channel: str = ALICE, **variables: str) -> PeerCall:
        known = {**FROM_ALICE, **{name.replace("__", ","): value for name, value in variables.items()}}
        return self.asterisk.call(path, "account=demo", *arguments, "", channel=channel, variables=known)

    async def record(self) -> dict[str, Any]:
        """What is written down of the only call, when it is over."""
        question = "SELECT status, steps FROM calls"
        async with asyncio.timeout(10):
            while (row := await self.house.app.database.read(lambda c: c.execute(question).fetchone())) is None:
                await asyncio.sleep(0.005)
        return {"status": row[0], "steps": json.loads(row[1])}


@pytest.fixture
async def office(tmp_path: Path, humming: Path, asterisk: FakeAri) -> AsyncIterator[Office]:
    house = House(
        tmp_path / "data", sounds={"folder": humming}, asterisk={"secret": SECRET}, fastagi={"port": 0},
        ari={"port": asterisk.port, "password": PASSWORD, "application": APPLICATION},
    )  # fmt: skip
    house.clock = SystemClock()  # type: ignore[assignment]
    await house.open()
    asterisk.takes = house.settings.data.folder / "takes"
    service = await serve(house.app, only="calls")
    await asterisk.connected()
    before = asyncio.all_tasks()
    yield Office(house, service, asterisk)
    await service.stop()
    left = {task for task in asyncio.all_tasks() - before if "_serve" in repr(task) or "_look_at" in repr(task)}
    assert left == set()


async def test_an_owner_hears_deletes_and_leaves(office: Office) -> None:
    message = await office.house.message(await office.house.box(owner=office.house.alice))
    call = office.call("number=1000")
    await call.plays("(recording)")
    call.press("7")
    await call.plays("To leave")
    call.press("#")
    assert await call.ends() == "DONE"
    assert call.heard[:4] == ["You have one new message", "Message one", "(recording)", "Deleted."]
    assert call.heard[-1] == "Goodbye."
    assert await office.house.folder_of(message) == "deleted"


@pytest.mark.parametrize(
    "claim",
    [
        {"GLOBAL(IVR_SECRET)": "guessed"}, {"GLOBAL(IVR_SECRET)": ""}, {"PJSIP_ENDPOINT(alice,auth)": ""},
        {"REDIRECTING(count)": "1"}, {"REDIRECTING(from-num)": "5550199"}, {"channel": "Local/alice@x-00000001;1"},
        {"channel": "PJSIP/trunk-00000001"}, {"channel": "PJSIP/alice)},x-1"}, {"channel": ""},
    ],
    ids=str,
)  # fmt: skip
async def test_who_only_claims_to_be_alice_is_asked_for_the_pin(office: Office, claim: dict[str, str]) -> None:
    await office.house.box(owner=office.house.alice)
    call = office.call("number=1000", **claim)
    await call.plays(ENTER_PIN)
    call.hang_up()
    await call.ends()
    assert call.heard == ["Please enter your pin, then press pound."]


async def test_what_is_typed_in_one_go_arrives(office: Office) -> None:
    message = await office.house.message(await office.house.box(owner=office.house.alice, pin="1379"))
    call = office.call("number=1000", channel="PJSIP/trunk-1")
    call.press("1379#17#")
    assert await call.ends() == "DONE"
    assert await office.house.folder_of(message) == "deleted"


async def test_seek_and_pause_go_on_where_they_stood(office: Office) -> None:
    await office.house.message(await office.house.box(owner=office.house.alice), s=40)
    call = office.call("number=1000")
    first = await call.plays("(recording)")
    await asyncio.sleep(1.2 / SPEED * 10)
    call.press("8")
    second = await call.plays("(recording)")
    await asyncio.sleep(0.2)
    call.press("*")
    await asyncio.sleep(0.1)
    call.press("*")
    third = await call.plays("(recording)")
    call.hang_up()
    await call.ends()
    # A turn of the peer's loop counts ten times here.
    assert abs(second.heard[0] - 10_000 - first.heard[1]) <= 40 * SPEED
    assert abs(third.heard[0] - second.heard[1]) <= 40 * SPEED
    assert second.heard[0] > 20_000


async def _asks_again_and_again(office: Office) -> list[str]:
    """What the time limit was set to while somebody asked three times when a message of a minute was left."""
    await office.house.message(await office.house.box(owner=office.house.alice), s=60)
    call = office.call("number=1000", "watchdog=5")
    await call.plays("(recording)")
    before = len(call.errands)
    for _ in range(3):
        call.press("#")
        await call.plays("Received")
        await call.plays("(recording)")
    call.hang_up()
    await call.ends()
    return [errand for errand in call.errands[before:] if errand.startswith("limit")]


async def test_the_limit_is_not_moved_while_somebody_types(office: Office) -> None:
    """Each time takes the call away for a moment, in which nothing plays."""
    assert await _asks_again_and_again(office) == []


async def test_but_it_is_when_they_only_listen(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the dialplan is not waited for for long where the service dies."""
    monkeypatch.setattr("ivr.call.ari.call.TYPES_FOR_S", 0.0)
    assert await _asks_again_and_again(office) != []


async def test_a_message_that_was_hung_up_in_is_not_heard_to_its_end(office: Office) -> None:
    message = await office.house.message(await office.house.box(owner=office.house.alice), s=30)
    call = office.call("number=1000")
    await call.plays("(recording)")
    call.hang_up()
    await call.ends()
    assert (await office.record())["status"] == "HANGUP"
    assert await office.house.folder_of(message) == "new"


async def test_leaving_a_message_and_hanging_up(office: Office) -> None:
    box = await office.house.box("1001", owner=office.house.bob)
    office.asterisk.said_ms = 2000
    call = office.call("number=1001", path="leave")
    await call.plays("Please leave your message")
    call.press("1")
    await call._until(lambda: call.recording, "a recording")
    call.hang_up()
    await call.ends()
    assert (await office.record())["status"] == "HANGUP"
    [message] = await office.house.messages(box)
    assert message.length_ms == 2000


async def test_leaving_a_message_until_a_key_which_means_nothing_else(office: Office) -> None:
    box = await office.house.box("1001", owner=office.house.bob)
    call = office.call("number=1001", path="leave")
    await call.speaks(3000)
    await call.plays("To keep")
    call.press("1")
    assert await call.ends() == "DONE"
    [message] = await office.house.messages(box)
    assert message.length_ms == 3000
    assert call.variables["IVRMESSAGE"] == message.id


async def test_a_recording_that_asterisk_cannot_write_is_told(office: Office) -> None:
    await office.house.box("1001", owner=office.house.bob)
    takes = office.house.settings.data.folder / "takes"
    takes.rename(takes.with_name("elsewhere"))
    call = office.call("number=1001", path="leave")
    assert await call.ends() == "ERROR"
    assert call.heard[-1] == "I am sorry, that could not be done. Nothing was lost."


async def test_a_message_whose_audio_is_gone_is_told_and_the_menu_goes_on(office: Office) -> None:
    message = await office.house.message(await office.house.box(owner=office.house.alice))
    office.house.app.delivery.audio(message)[0].unlink()
    call = office.call("number=1000")
    await call.plays("To save")
    call.press("7")
    await call.plays("To leave")
    call.press("#")
    assert await call.ends() == "DONE"
    assert "The recording of this message cannot be played." in call.heard


# -- bad input ---------------------------------------------------------------------------------------------------------


async def test_a_slip_in_the_dialplan_is_told_once_and_the_call_goes_on(
    office: Office, capfd: pytest.CaptureFixture[str]
) -> None:
    await office.house.box(owner=office.house.alice)
    call = office.call("number=1000", "mailbox=1000")
    await call.plays("To leave")
    call.press("#")
    assert await call.ends() == "DONE"
    assert capfd.readouterr().out.count("use name=value with a name of") == 1


@pytest.mark.parametrize("says", [(), ("dance",), ("",) * 3, ("check", "\x00", "=", "a" * 5000)], ids=str)
async def test_arguments_that_nobody_understands_leave_no_call_behind(office: Office, says: tuple[str, ...]) -> None:
    call = office.asterisk.call(*says, channel="PJSIP/trunk-1")
    assert await call.ends() in ("SKIPPED", "NOACCOUNT")


NONSENSE: list[str | bytes] = [
    "", "{", "[]", "null", "7", '"x"', "{}", "[" * 3000, b"\x00\xff", '{"type": 7}', '{"type": "StasisStart"}',
    '{"type": "StasisStart", "application": "ivr", "channel": {"id": 7}}',
    '{"type": "StasisStart", "application": "ivr", "channel": {"id": "no/such?channel"}, "args": [7, null, "check"]}',
    '{"type": "StasisStart", "application": "ivr", "channel": "x", "args": {"a": 1}}',
    '{"type": "PlaybackFinished", "application": "ivr", "playback": {"id": "x", "target_uri": "channel:nobody"}}',
    '{"type": "ChannelDtmfReceived", "application": "ivr", "digit": "12", "channel": {"id": "nobody"}}',
    '{"type": "RESTResponse", "request_id": "99999", "status_code": "many"}', '{"type": "RESTResponse"}',
]  # fmt: skip


async def test_nonsense_and_events_of_strangers_harm_no_call(office: Office) -> None:
    await office.house.message(await office.house.box(owner=office.house.alice), s=30)
    call = office.call("number=1000")
    await call.plays("(recording)")
    about = {"id": call.id, "name": ALICE}
    mine: list[dict[str, object]] = [
        {"type": "ChannelDtmfReceived", "digit": 7}, {"type": "ChannelDtmfReceived", "digit": "77"},
        {"type": "PlaybackStarted", "playback": {"id": "old", "target_uri": f"channel:{call.id}"}},
        {"type": "PlaybackFinished", "playback": {"id": "old", "target_uri": f"channel:{call.id}", "state": "done"}},
        {"type": "ChannelStateChange"}, {"type": "RecordingFailed"},
    ]  # fmt: skip
    for frame in NONSENSE:
        await office.asterisk.send(frame)
    for event in mine:
        await office.asterisk.send(json.dumps({"application": APPLICATION, "channel": about, **event}))
    await asyncio.sleep(0.05)
    call.press("7")
    await call.plays("To leave")
    call.press("#")
    assert await call.ends() == "DONE"


async def test_a_late_end_of_an_old_playback_does_not_end_the_new_one(office: Office) -> None:
    await office.house.message(await office.house.box(owner=office.house.alice), s=30)
    call = office.call("number=1000")
    old = await call.plays("(recording)")
    call.press("2")
    new = await call.plays("(recording)")
    about = {"id": old.id, "target_uri": f"channel:{call.id}", "state": "done"}
    office.asterisk.tell("PlaybackFinished", playback=about)
    await asyncio.sleep(0.1)
    assert new.heard == [], "it plays on"
    call.hang_up()
    await call.ends()


@pytest.mark.parametrize("status", [404, 409, 412, 500])
@pytest.mark.parametrize("what", ["answer", "play", "variable", "subscription", "continue", "DELETE playbacks"])
async def test_a_channel_that_is_just_gone_leaves_no_call_behind(office: Office, what: str, status: int) -> None:
    await office.house.message(await office.house.box(owner=office.house.alice), s=30)
    call = office.call("number=1000")
    if what == "DELETE playbacks":
        await call.plays("(recording)")
    office.asterisk.refusals[what] = (status, {"message": "Channel not found"})
    call.press("#" * 20)
    call.hang_up()
    await call.ends()
    await _no_calls(office)


async def test_whoever_hangs_up_has_left_us_first_and_is_told_as_a_hang_up(office: Office) -> None:
    """A request that comes in between is refused as if the dialplan had the call again."""
    await office.house.message(await office.house.box(owner=office.house.alice), s=30)
    call = office.call("number=1000")
    await call.plays("You have")
    office.asterisk.refusals["play"] = (409, {"message": "Channel not in Stasis application"})
    call.press("5")
    await asyncio.sleep(0.1)
    call.hang_up()
    await call.ends()
    await _no_calls(office)
    assert (await office.record())["status"] == "HANGUP"


async def _no_calls(office: Office) -> None:
    assert office.service.calls
    assert office.service.calls.ari
    async with asyncio.timeout(10):
        while office.service.calls.ari.service.calls_in_progress:
            await asyncio.sleep(0.01)


async def test_a_call_that_the_dialplan_takes_back_ends(office: Office) -> None:
    await office.house.message(await office.house.box(owner=office.house.alice), s=30)
    call = office.call("number=1000")
    await call.plays("(recording)")
    call.take_back()
    await _no_calls(office)
    assert (await office.record())["status"] == "ERROR"


async def test_a_call_that_comes_again_begins_anew(office: Office) -> None:
    await office.house.message(await office.house.box(owner=office.house.alice), s=30)
    call = office.call("number=1000")
    await call.plays("(recording)")
    call.in_stasis = False  # Nobody hears of it.
    for playback in call.playbacks:
        playback.stop.set()
    call.enter()
    await call.plays("You have one new message")
    await call.plays("(recording)")
    call.press("7")
    await call.plays("To leave")
    call.press("#")
    assert await call.ends() == "DONE"


async def test_more_calls_than_it_takes_go_back_to_the_dialplan_at_once(office: Office) -> None:
    assert office.service.calls
    assert office.service.calls.ari
    office.service.calls.ari.service._most_calls = 0
    assert await office.call("number=1000").ends() == ""


# -- connections -------------------------------------------------------------------------------------------------------


async def test_a_lost_connection_does_not_end_a_call(office: Office) -> None:
    message = await office.house.message(await office.house.box(owner=office.house.alice), s=20)
    call = office.call("number=1000")
    playback = await call.plays("(recording)")
    await office.asterisk.lose_connections()
    async with asyncio.timeout(10):
        while not playback.heard:
            await asyncio.sleep(0.01)  # It ends, and nobody hears of it.
    await office.asterisk.connected()
    await call.plays("To save")
    call.press("7")
    await call.plays("To leave")
    call.press("#")
    assert await call.ends() == "DONE"
    assert await office.house.folder_of(message) == "deleted"


async def test_half_a_frame_is_a_lost_connection(office: Office) -> None:
    await office.house.message(await office.house.box(owner=office.house.alice), s=20)
    call = office.call("number=1000")
    await call.plays("(recording)")
    for socket in office.asterisk._sockets:
        socket.transport.write(b"\x81\x7e\x10\x00" + b'{"type": "Cha')
    await office.asterisk.lose_connections()
    await office.asterisk.connected()
    await asyncio.sleep(0.1)
    call.press("7")
    await call.plays("To leave")
    call.press("#")
    assert await call.ends() == "DONE"


async def test_who_hung_up_while_the_connection_was_lost_is_gone(office: Office) -> None:
    message = await office.house.message(await office.house.box(owner=office.house.alice), s=60)
    call = office.call("number=1000")
    await call.plays("(recording)")
    await office.asterisk.lose_connections()
    call.hang_up()
    await call.ends()
    await office.asterisk.connected()
    assert (await office.record())["status"] == "HANGUP"
    assert await office.house.folder_of(message) == "new"


async def test_when_asterisk_starts_again_its_old_calls_are_over_and_new_ones_come(office: Office) -> None:
    await office.house.message(await office.house.box(owner=office.house.alice), s=60)
    call = office.call("number=1000")
    await call.plays("(recording)")
    await office.asterisk.stop()
    await office.asterisk.start_listening()
    await office.asterisk.connected()
    assert (await office.record())["status"] == "HANGUP"
    call = office.call("number=1000")
    await call.plays("(recording)")
    call.hang_up()
    await call.ends()


async def test_a_wrong_password_is_told_and_tried_again(
    tmp_path: Path, humming: Path, asterisk: FakeAri, capfd: pytest.CaptureFixture[str]
) -> None:
    house = House(
        tmp_path / "data", sounds={"folder": humming}, fastagi={"port": 0},
        ari={"port": asterisk.port, "password": "guessed"},
    )  # fmt: skip
    await house.open()
    asterisk.takes = house.settings.data.folder / "takes"
    service = await serve(house.app, only="calls")
    told = ""
    async with asyncio.timeout(10):
        while told.count("its password in ari.conf must be that of [ari]") < 2:
            await asyncio.sleep(0.05)
            told += capfd.readouterr().out
    assert "guessed" not in told
    await service.stop()


@pytest.mark.parametrize(
    ("later_ms", "held_ms", "is_told_again"), [(25, 50, True), (77, 50, True), (100, 50, False), (25, 120, True)]
)
def test_a_press_that_is_told_twice_counts_once(later_ms: int, held_ms: int, is_told_again: bool) -> None:
    """As Asterisk does while nothing plays: the times are of a real one, and of the fastest machine."""
    first = Press("8", 1_000_000.0, 50)
    assert Press("8", 1_000_000.0 + later_ms, held_ms).repeats(first) is (is_told_again and held_ms == 50)
    assert not Press("2", 1_000_000.0 + later_ms, 50).repeats(first)


async def test_a_sound_that_has_just_begun_is_ended_at_the_second_try(office: Office) -> None:
    """Asterisk says 500 until its own thread has got there."""
    await office.house.message(await office.house.box(owner=office.house.alice), s=30)
    call = office.call("number=1000")
    await call.plays("(recording)")
    office.asterisk.refusals["DELETE playbacks"] = (500, {"message": "Could not stop playback"})
    call.press("7")
    await asyncio.sleep(0.05)
    del office.asterisk.refusals["DELETE playbacks"]
    await call.plays("To leave")
    call.press("#")
    assert await call.ends() == "DONE"
