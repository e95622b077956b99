"""Two phones that call each other without a server."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import numpy as np
import pytest

from tests.lab.sip_phone import ulaw
from tests.lab.sip_phone.call import PhoneCall
from tests.lab.sip_phone.clip_recognition import Clip, Vocabulary, locate, matches_at
from tests.lab.sip_phone.dtmf_events import KEYS
from tests.lab.sip_phone.errors import CallRejected, ClipNotHeard, NotHungUp, SipTimeout
from tests.lab.sip_phone.phone import Phone
from tests.lab.sip_phone.speech import silence, speech, through_ulaw

pytestmark = pytest.mark.asyncio
NO_SERVER = ("127.0.0.1", 9)
HELLO = Clip("hello", speech(1, 600))
WORLD = Clip("world", speech(2, 500))
VOCABULARY = Vocabulary([HELLO, WORLD])


@asynccontextmanager
async def two_phones() -> AsyncIterator[tuple[Phone, Phone]]:
    async with (
        Phone("alice", "", NO_SERVER, display_name="Alice A.", vocabulary=VOCABULARY) as alice,
        Phone("bob", "", NO_SERVER, vocabulary=VOCABULARY) as bob,
    ):
        yield alice, bob


@asynccontextmanager
async def established_call() -> AsyncIterator[tuple[PhoneCall, PhoneCall]]:
    """The caller's and the other end of a call."""
    async with two_phones() as (alice, bob):
        dialling = asyncio.create_task(alice.dial(bob.uri))
        answered = await (await bob.next_call()).answer()
        yield await dialling, answered


async def test_a_call_is_answered_and_hung_up_by_either_side() -> None:
    for first in (0, 1):
        async with established_call() as ends:
            assert ends[0].is_up
            assert ends[1].is_up
            with pytest.raises(NotHungUp, match="still up"):
                await ends[1 - first].wait_for_hangup(within_s=0.05)
            await ends[first].hang_up()
            await ends[1 - first].wait_for_hangup()
            assert not ends[0].is_up
            assert not ends[1].is_up
            await ends[first].hang_up()
            with pytest.raises(ConnectionError):
                await ends[first].press("1")


async def test_called_phone_sees_caller_and_diversion() -> None:
    async with two_phones() as (alice, bob):
        dialling = asyncio.create_task(alice.dial(bob.uri, diversion="4711", headers={"X-Test": "yes"}))
        incoming = await bob.next_call()
        assert (incoming.caller, incoming.caller_name) == ("alice", "Alice A.")
        assert incoming.invite.get("Diversion") == "<sip:4711@127.0.0.1>;reason=no-answer"
        assert incoming.invite.get("X-Test") == "yes"
        await incoming.reject(603, "Decline")
        with pytest.raises(CallRejected) as refusal:
            await dialling
        assert (refusal.value.status, refusal.value.reason) == (603, "Decline")


async def test_a_call_that_is_not_answered_is_taken_back() -> None:
    async with two_phones() as (alice, bob):
        with pytest.raises(SipTimeout):
            await alice.dial(bob.uri, within_s=0.2)
        incoming = await bob.next_call()
        await incoming.wait_until_cancelled()
        with pytest.raises(CallRejected):
            await incoming.answer()
        with pytest.raises(SipTimeout):
            await bob.next_call(within_s=0.05)


async def test_a_task_that_is_cancelled_takes_its_call_back() -> None:
    async with two_phones() as (alice, bob):
        dialling = asyncio.create_task(alice.dial(bob.uri))
        incoming = await bob.next_call()
        with pytest.raises(NotHungUp):
            await incoming.wait_until_cancelled(within_s=0.05)
        dialling.cancel()
        await incoming.wait_until_cancelled()
        with pytest.raises(asyncio.CancelledError):
            await dialling


async def test_a_phone_that_is_closed_ends_its_calls() -> None:
    async with two_phones() as (alice, bob):
        async with Phone("carol", "", NO_SERVER) as carol:
            dialling = asyncio.create_task(carol.dial(bob.uri))
            call = await (await bob.next_call()).answer()
            await dialling
            ringing = asyncio.create_task(alice.dial(carol.uri))
            await carol.next_call()
        await call.wait_for_hangup()
        with pytest.raises(CallRejected, match="480"):
            await ringing


async def test_every_key_arrives_once_and_in_order() -> None:
    async with established_call() as (caller, called):
        pressed = "".join(random.Random(1).choices(KEYS, k=40))
        await asyncio.gather(caller.press(pressed, tone_ms=50, gap_ms=30), called.press("12,34"))
        await caller.press("#")
        await _wait_until(called, lambda: called.keys_received == pressed + "#")
        assert caller.keys_received == "1234"
        times = [at for _, at in caller.key_up_times]
        assert [key for key, _ in caller.key_up_times] == [*pressed, "#"]
        assert times[39] - times[0] == pytest.approx(39 * 0.08, abs=0.06)
        pause = called.key_up_times[2][1] - called.key_up_times[1][1]
        assert pause == pytest.approx(0.7, abs=0.06)


async def test_press_returns_when_the_last_key_is_up() -> None:
    async with established_call() as (caller, _):
        loop = asyncio.get_running_loop()
        begin = loop.time()
        await caller.press("1", tone_ms=100, gap_ms=2000)
        assert 0.05 < loop.time() - begin < 0.5
        assert len(caller.key_up_times) == 1


async def test_speech_arrives_as_it_was_said_but_for_ulaw() -> None:
    async with established_call() as (caller, called):
        begin = asyncio.get_running_loop().time()
        await caller.say(HELLO.samples)
        assert asyncio.get_running_loop().time() - begin == pytest.approx(0.6, abs=0.1)
        heard = await called.wait_for_clip(HELLO)
        at = round(heard.start_s * ulaw.RATE)
        await _wait_until(called, lambda: len(called.heard) >= at + 4800)
        assert called.heard[at : at + 4800].tolist() == through_ulaw(HELLO.samples).tolist()
        assert matches_at(called.heard, HELLO.samples, at / ulaw.RATE)
        assert locate(called.heard[at + 1000 : at + 2000], HELLO.samples) == 1000
        assert at % ulaw.FRAME == 0
        arrived = [arrival for arrival in called.arrivals if arrival.position == at]
        assert len(arrived) == 1
        assert arrived[0].peak == np.abs(through_ulaw(HELLO.samples[:160])).max()


async def test_silence_is_sent_while_nothing_is_said() -> None:
    async with established_call() as (caller, called):
        await _wait_until(called, lambda: called.position_s > 0.3)
        assert not called.heard.any()
        gaps = np.diff([arrival.rtp_timestamp for arrival in called.arrivals])
        assert set(gaps.tolist()) <= {160, 160 - 2**32}
        begin = called.arrivals[0].arrival_s
        assert called.arrivals[-1].arrival_s - begin == pytest.approx((len(called.arrivals) - 1) * 0.02, abs=0.05)
        assert caller.position_s > 0


async def test_packets_that_are_late_are_sent_at_once() -> None:
    async with established_call() as (caller, called):
        await _wait_until(called, lambda: called.position_s > 0.1)
        already = len(called.arrivals)
        await _wait_until(called, lambda: len(called.arrivals) > already)
        before = len(caller.arrivals)
        deadline = asyncio.get_running_loop().time() + 0.3
        while asyncio.get_running_loop().time() < deadline:
            pass  # the loop is kept busy, as by a test on a machine that is
        await _wait_until(caller, lambda: len(caller.arrivals) >= before + 15)
        assert asyncio.get_running_loop().time() - deadline < 0.1


async def test_clips_are_heard_in_order_and_transcribed() -> None:
    async with established_call() as (caller, called):
        speaking = asyncio.create_task(caller.say(np.concatenate([HELLO.samples, silence(200), WORLD.samples])))
        hello = await called.wait_for_clip(HELLO)
        assert not speaking.done()
        world = await called.wait_for_clip(WORLD, after_s=hello.end_s)
        assert world.start_s - hello.start_s == pytest.approx(0.8, abs=0.005)
        assert not world.complete
        world = await called.wait_for_clip(WORLD, whole=True)
        assert world.end_s - world.start_s == pytest.approx(0.5, abs=0.003)
        await speaking
        await called.wait_for_silence(0.1)
        recognised = await called.transcript()
        assert [heard.name for heard in recognised] == ["hello", "world"]
        assert await called.transcript(after_s=recognised[0].end_s) == recognised[1:]
        assert await called.transcript(after_s=recognised[1].end_s - 0.1) == recognised[1:]


async def test_clip_not_heard_error_lists_what_was_heard() -> None:
    async with established_call() as (caller, called):
        await caller.say(HELLO.samples)
        with pytest.raises(ClipNotHeard, match=r"world was not heard .* heard: \d\.\d\d-\d\.\d\d hello"):
            await called.wait_for_clip(WORLD, within_s=0.2)
        with pytest.raises(ClipNotHeard, match="nothing known"):
            await called.wait_for_clip(HELLO, within_s=0.1, after_s=called.position_s)


async def test_ended_call_fails_waits_immediately() -> None:
    async with established_call() as (caller, called):
        await caller.hang_up()
        async with asyncio.timeout(2):
            with pytest.raises(ClipNotHeard, match="the call is over"):
                await called.wait_for_clip(HELLO, within_s=60)


async def test_silence_counts_from_now_on_and_is_broken_by_sound() -> None:
    async with established_call() as (caller, called):
        loop = asyncio.get_running_loop()
        begin = loop.time()
        await called.wait_for_silence(0.3)
        assert 0.3 <= loop.time() - begin < 0.6
        speaking = asyncio.create_task(caller.say(HELLO.samples))
        with pytest.raises(ClipNotHeard, match=r"no 0\.3 s of silence .* heard: .*hello"):
            await called.wait_for_silence(0.3, within_s=0.5)
        await speaking


async def test_garbage_on_the_rtp_port_is_ignored() -> None:
    async with established_call() as (caller, called):
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0))
        port = called._local.port
        for datagram in (b"", b"garbage", b"\x80\xc8" + bytes(26), b"\x80\x00", bytes(172), b"\x80\x09" + bytes(170)):
            transport.sendto(datagram, ("127.0.0.1", port))
        transport.close()
        await caller.say(HELLO.samples)
        await caller.press("5")
        await called.wait_for_clip(HELLO)
        await _wait_until(called, lambda: called.keys_received == "5")
        assert called.position_s < 2


async def _wait_until(call: PhoneCall, condition: Callable[[], bool]) -> None:
    """Looks at the condition whenever a packet has come."""
    assert await call._line.changes.wait_for(condition, 5)
