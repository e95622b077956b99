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

from tests.lab.sip_phone import Phone, PhoneCall
from tests.lab.sip_phone.speech import speech

FIRST_SOUND_TIMEOUT_S = 10.0
HANGUP_TIMEOUT_S = 20.0
SPEECH_LEVEL = 128
"""A peak that is no noise of the line."""
QUIET_S = 0.2
SPEECH = speech(4711, 1300)
PIN = "1379"


@dataclass(frozen=True, slots=True)
class SoakCaller:
    """A phone and its owner's box."""

    phone: Phone
    box: str
    transport_prefix: str
    """The prefix that selects the transport."""


async def log_in_and_delete(caller: SoakCaller, other: SoakCaller, random: Random) -> None:
    call = await _dial(caller, "*97")
    await call.press("1")
    await asyncio.sleep(random.uniform(0.5, 1.5))
    await call.press("7")
    await asyncio.sleep(0.4)
    await call.hang_up()


async def leave_message(caller: SoakCaller, other: SoakCaller, random: Random) -> None:
    call = await _dial(caller, other.box)
    await _wait_for_beep_end(call)
    await call.say(SPEECH)
    await call.hang_up()


async def leave_message_with_key(caller: SoakCaller, other: SoakCaller, random: Random) -> None:
    call = await _dial(caller, other.box)
    await _wait_for_beep_end(call)
    await call.say(SPEECH)
    await call.press("#")
    await asyncio.sleep(0.5)
    await call.press("1")
    await call.wait_for_hangup(HANGUP_TIMEOUT_S)


async def type_everything_ahead(caller: SoakCaller, other: SoakCaller, random: Random) -> None:
    call = await _dial(caller, f"*98{other.box}")
    await call.press(f"{PIN}#0", tone_ms=60, gap_ms=60)
    await asyncio.sleep(0.5)
    await call.hang_up()


async def leave_by_menu(caller: SoakCaller, other: SoakCaller, random: Random) -> None:
    call = await _dial(caller, "*97")
    await call.press(random.choice(["#", "50#"]))
    await call.wait_for_hangup(HANGUP_TIMEOUT_S)


async def hang_up_immediately(caller: SoakCaller, other: SoakCaller, random: Random) -> None:
    call = await caller.phone.dial(caller.transport_prefix + random.choice(["*97", other.box]))
    await asyncio.sleep(random.uniform(0, 0.2))
    await call.hang_up()


CallScenario = Callable[[SoakCaller, SoakCaller, Random], Awaitable[None]]
SCENARIOS: tuple[CallScenario, ...] = (
    leave_message, log_in_and_delete, type_everything_ahead, hang_up_immediately, leave_message_with_key,
    leave_by_menu,
)  # fmt: skip
MESSAGE_SCENARIOS = (leave_message, leave_message_with_key)


async def _dial(caller: SoakCaller, number: str) -> PhoneCall:
    """Dial, and wait for the first sound."""
    call = await caller.phone.dial(caller.transport_prefix + number, within_s=FIRST_SOUND_TIMEOUT_S)
    async with asyncio.timeout(FIRST_SOUND_TIMEOUT_S):
        while not any(arrival.peak > SPEECH_LEVEL for arrival in call.arrivals):
            await asyncio.sleep(0.02)
    return call


async def _wait_for_beep_end(call: PhoneCall) -> None:
    async with asyncio.timeout(FIRST_SOUND_TIMEOUT_S):
        while any(
            arrival.peak > SPEECH_LEVEL and monotonic() - arrival.arrival_s < QUIET_S for arrival in call.arrivals[-20:]
        ):
            await asyncio.sleep(0.02)
