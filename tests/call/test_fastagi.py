"""The FastAGI server over a real socket, with a peer that behaves as Asterisk does."""

from __future__ import annotations

import asyncio
import sqlite3
import time

import pytest

from tests.call.conftest import Exchange
from tests.support.handset import HANG_UP, ScriptedHandset, TypingHandset, When

ENTER_PIN = "Please enter your pin, then press pound."


async def test_an_owner_hears_deletes_and_leaves(exchange: Exchange) -> None:
    box = await exchange.house.box(owner=exchange.house.alice)
    message = await exchange.house.message(box)
    handset = ScriptedHandset([When("(recording)", "7"), When("To leave", "#")])
    assert await exchange.call(handset, "number=1000") == "DONE"
    assert handset.heard[:4] == ["You have one new message", "Message one", "(recording)", "Deleted."]
    assert handset.heard[-1] == "Goodbye."
    assert await exchange.house.folder_of(message) == "deleted"


@pytest.mark.parametrize(
    "claim",
    [
        {"secret": "guessed"}, {"secret": ""}, {"auth": ""}, {"forwards": "1"}, {"channel": "Local/alice@x-00000001;1"},
        {"channel": "PJSIP/trunk-00000001"}, {"channel": "SIP/alice-00000001"}, {"channel": "PJSIP/alice)},x-1"},
        {"channel": ""},
    ],
    ids=str,
)  # fmt: skip
async def test_who_only_claims_to_be_alice_is_asked_for_the_pin(exchange: Exchange, claim: dict[str, str]) -> None:
    await exchange.house.box(owner=exchange.house.alice)
    handset = ScriptedHandset([When(ENTER_PIN, HANG_UP)])
    await exchange.call(handset, "number=1000", **claim)
    assert handset.heard == [ENTER_PIN]


async def test_an_endpoint_may_have_hyphens_in_its_name(exchange: Exchange) -> None:
    from ivr.call.identity import endpoint_of

    assert endpoint_of("PJSIP/alice-home-0000002f") == "alice-home"
    assert endpoint_of("PJSIP/alice") is None


async def test_hanging_up_in_mid_message_ends_the_call(exchange: Exchange) -> None:
    box = await exchange.house.box(owner=exchange.house.alice)
    await exchange.house.message(box)
    assert await exchange.call(ScriptedHandset([When("(recording)", HANG_UP)]), "number=1000") == "HANGUP"


async def test_leaving_a_message_and_hanging_up(exchange: Exchange) -> None:
    box = await exchange.house.box("1001", owner=exchange.house.bob)
    speech = b"\x10\x20" * 16_000
    handset = ScriptedHandset([When("(recording)", HANG_UP)], speech)
    await exchange.call(handset, "number=1001", path="leave")
    [message] = await exchange.house.messages(box)
    assert message.length_ms == 2000


async def test_a_message_whose_audio_is_gone_is_told_and_the_menu_goes_on(exchange: Exchange) -> None:
    box = await exchange.house.box(owner=exchange.house.alice)
    message = await exchange.house.message(box)
    exchange.house.app.delivery.audio(message)[0].unlink()
    handset = ScriptedHandset([When("To save", "7"), When("To leave", "#")])
    assert await exchange.call(handset, "number=1000") == "DONE"
    assert handset.heard[2] == "The recording of this message cannot be played."
    assert await exchange.house.folder_of(message) == "deleted"


async def test_a_slip_in_the_dialplan_is_told_once_and_the_call_goes_on(
    exchange: Exchange, capfd: pytest.CaptureFixture[str]
) -> None:
    await exchange.house.box(owner=exchange.house.alice)
    assert await exchange.call(ScriptedHandset(), "number=1000", "mailbox=1000") == "DONE"
    told = [line for line in capfd.readouterr().out.splitlines() if "dialplan.argument" in line]
    assert len(told) == 1
    assert "use name=value with a name of" in told[0]


async def test_no_log_line_holds_a_pin(exchange: Exchange, capfd: pytest.CaptureFixture[str]) -> None:
    await exchange.house.box(pin="8642")
    handset = ScriptedHandset([When(ENTER_PIN, "8"), *(When("", key) for key in "642#"), When("To leave", "#")])
    assert await exchange.call(handset, "number=1000", channel="PJSIP/trunk-1") == "DONE"
    captured = capfd.readouterr()
    assert "8642" not in captured.out + captured.err
    steps = await exchange.steps()
    assert "signed in" in [step["what"] for step in steps]
    assert [step["key"] for step in steps if step["what"] == "key"] == ["•"] * 5 + ["#"]


# -- keys --------------------------------------------------------------------------------------------------------------


class Hog:
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
async def test_keys_arrive_in_order_however_late_the_loop_is(exchange: Exchange, pace_s: float, late_ms: int) -> None:
    await exchange.house.message(await exchange.house.box(owner=exchange.house.alice), s=60)
    keys = "1" + "258#52*8" * 6 + "0#"
    hog = Hog(late_ms / 1000)
    try:
        assert await exchange.call(TypingHandset(keys, pace_s), "number=1000") == "DONE"
    finally:
        hog.stop()
    assert "".join(step["key"] for step in await exchange.steps() if step["what"] == "key") == keys


async def test_all_typed_in_one_go_arrives(exchange: Exchange) -> None:
    box = await exchange.house.box(owner=exchange.house.alice)
    message = await exchange.house.message(box)
    handset = TypingHandset("1379#17#", 0.02)
    assert await exchange.call(handset, "number=1000", channel="PJSIP/trunk-1") == "DONE"
    assert await exchange.house.folder_of(message) == "deleted"


# -- a database that somebody else holds -----------------------------------------------------------------------------


async def test_while_one_call_waits_for_the_database_another_goes_on(exchange: Exchange) -> None:
    house = exchange.house
    mine, bobs = await house.box("1000", owner=house.alice), await house.box("1001", owner=house.bob)
    message, other = await house.message(mine), await house.message(bobs)
    other_process = sqlite3.connect(house.settings.data.folder / "ivr.db", isolation_level=None)

    saving = ScriptedHandset([When("(recording)", "1"), When("To leave", "#")])
    listening = ScriptedHandset([When("(recording)", key) for key in f"25#252{HANG_UP}"])
    other_process.execute("BEGIN IMMEDIATE")
    a = asyncio.create_task(exchange.call(saving, "number=1000"))
    while "(recording)" not in saving.heard:
        await asyncio.sleep(0.005)
    b = asyncio.create_task(exchange.call(listening, "number=1001", channel="PJSIP/bob-00000001"))
    while listening.heard.count("(recording)") < 7:
        await asyncio.sleep(0.005)
    assert saving.heard[-1] == "(recording)", "call A waits, and is told nothing it should not be"
    other_process.execute("ROLLBACK")
    other_process.close()
    assert await a == "DONE"
    assert await b == "HANGUP"
    assert "Saved." in saving.heard
    assert await house.folder_of(message) == "saved"
    assert await house.folder_of(other) in ("new", "saved")


async def test_a_call_that_waited_too_long_for_the_database_is_told(exchange: Exchange) -> None:
    house = exchange.house
    message = await house.message(await house.box("1000", owner=house.alice))
    other_process = sqlite3.connect(house.settings.data.folder / "ivr.db", isolation_level=None)
    other_process.execute("BEGIN IMMEDIATE")
    saving = ScriptedHandset([When("(recording)", "1"), When("To save", HANG_UP)])
    await exchange.call(saving, "number=1000")
    assert "I am sorry, that could not be done. Nothing was lost." in saving.heard
    other_process.execute("ROLLBACK")
    other_process.close()
    assert await house.folder_of(message) == "new"
