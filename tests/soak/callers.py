"""People who make short calls, and what each of them does in one: a name and a coroutine in `WAYS`.

They do not listen to what is said, which would take most of the machine: they wait for the first sound, then press,
speak or hang up. What became of their calls is seen in the records afterwards.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random
from time import monotonic

from tests.sipphone import Phone, PhoneCall
from tests.sipphone.speech import speech

SOUND_WITHIN_S = 10.0
ENDS_WITHIN_S = 20.0
LOUD = 128
"""A peak that is no noise of the line."""
QUIET_S = 0.2
SAID = speech(4711, 1300)
PIN = "1379"


@dataclass(frozen=True, slots=True)
class Caller:
    """A phone and its owner's box."""

    phone: Phone
    box: str
    road: str
    """What is dialled in front of a number, so that the call takes the road."""


async def signs_in_and_deletes(caller: Caller, other: Caller, random: Random) -> None:
    call = await _dials(caller, "*97")
    await call.press("1")
    await asyncio.sleep(random.uniform(0.5, 1.5))
    await call.press("7")
    await asyncio.sleep(0.4)
    await call.hang_up()


async def leaves_a_message(caller: Caller, other: Caller, random: Random) -> None:
    call = await _dials(caller, other.box)
    await _beep_is_over(call)
    await call.say(SAID)
    await call.hang_up()


async def leaves_a_message_by_a_key(caller: Caller, other: Caller, random: Random) -> None:
    call = await _dials(caller, other.box)
    await _beep_is_over(call)
    await call.say(SAID)
    await call.press("#")
    await asyncio.sleep(0.5)
    await call.press("1")
    await call.ended(ENDS_WITHIN_S)


async def types_everything_ahead(caller: Caller, other: Caller, random: Random) -> None:
    call = await _dials(caller, f"*98{other.box}")
    await call.press(f"{PIN}#0", tone_ms=60, gap_ms=60)
    await asyncio.sleep(0.5)
    await call.hang_up()


async def goes_out_by_the_menu(caller: Caller, other: Caller, random: Random) -> None:
    call = await _dials(caller, "*97")
    await call.press(random.choice(["#", "50#"]))
    await call.ended(ENDS_WITHIN_S)


async def hangs_up_at_once(caller: Caller, other: Caller, random: Random) -> None:
    call = await caller.phone.dial(caller.road + random.choice(["*97", other.box]))
    await asyncio.sleep(random.uniform(0, 0.2))
    await call.hang_up()


Way = Callable[[Caller, Caller, Random], Awaitable[None]]
WAYS: tuple[Way, ...] = (
    leaves_a_message, signs_in_and_deletes, types_everything_ahead, hangs_up_at_once, leaves_a_message_by_a_key,
    goes_out_by_the_menu,
)  # fmt: skip
LEAVES = (leaves_a_message, leaves_a_message_by_a_key)


async def _dials(caller: Caller, number: str) -> PhoneCall:
    """Dial, and wait for the first sound."""
    call = await caller.phone.dial(caller.road + number, within_s=SOUND_WITHIN_S)
    async with asyncio.timeout(SOUND_WITHIN_S):
        while not any(arrival.peak > LOUD for arrival in call.arrivals):
            await asyncio.sleep(0.02)
    return call


async def _beep_is_over(call: PhoneCall) -> None:
    async with asyncio.timeout(SOUND_WITHIN_S):
        while any(arrival.peak > LOUD and monotonic() - arrival.arrival_s < QUIET_S for arrival in call.arrivals[-20:]):
            await asyncio.sleep(0.02)
