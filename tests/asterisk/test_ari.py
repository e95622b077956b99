"""Over ARI on a real Asterisk: services that die in mid-call, and several that share the calls."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.asterisk.conftest import Person, eventually
from tests.asterisk.rig.lab import Notes
from tests.asterisk.rig.processes import Service
from tests.asterisk.rig.roads import takes_calls
from tests.asterisk.test_alone import Spare, words_of
from tests.asterisk.test_alone import spare as spare

pytestmark = pytest.mark.only_over("ari", "calls outlive their service over no other transport")
SECOND = "-second"


@pytest.fixture
def second(notes: Notes, spare: Spare) -> Iterator[Service]:
    """One more service of the same data, which shares the calls."""
    environment = dict(notes.spares[spare.n])
    name = environment["IVR_ARI__APPLICATION"] + SECOND
    environment |= {"IVR_ARI__APPLICATION": name, "IVR_FASTAGI__PORT": "0"}
    service = Service(environment, Path(notes.folder) / f"service-{name}.log")
    service.start()
    assert takes_calls(name, notes.console, 20)
    yield service
    with contextlib.suppress(ProcessLookupError):
        service.stop()


async def test_who_was_signed_in_goes_on_when_the_service_is_there_again(alice: Person, spare: Spare) -> None:
    """Killed in the middle of a message; the new one asks for no PIN."""
    alice.moves_in(at=spare.desk, require_pin=True)
    message = alice.has_message(s=20)
    call = await alice.dials(spare.code)
    await call.hears("login/enter-pin")
    await call.press("1379#")
    await call.hears("count/you-have", message)
    await asyncio.to_thread(spare.service.kill)
    await asyncio.to_thread(spare.start)
    await call.hears("count/you-have", "number/1", "count/new-message", message)
    await call.press("7")
    await call.hears("done/deleted")
    await call.hang_up()
    assert alice.folder_of(message) == "deleted"


async def test_a_service_that_is_restarted_while_somebody_speaks_is_not_noticed(
    alice: Person, bob: Person, spare: Spare
) -> None:
    alice.moves_in(at=spare.desk)
    call = await bob.dials(spare.code + alice.number)
    await call.hears("greeting/person-at")
    await call.press("1")
    await call.hears("tone/beep", whole=True)
    words = words_of(bob)
    talking = asyncio.create_task(call.call.say(words.samples))
    await eventually(lambda: [take for take in spare.takes.glob("*.wav") if take.stat().st_size])
    await asyncio.to_thread(spare.service.kill)
    await asyncio.to_thread(spare.start)
    await talking
    await call.press("#")
    await call.hears("done/thank-you")
    await call.ends()
    await eventually(lambda: len(alice.messages()) == 1)
    assert not spare.alone()


async def test_another_service_takes_a_dead_ones_call_up(alice: Person, spare: Spare, second: Service) -> None:
    alice.moves_in(at=spare.desk, require_pin=True)
    message = alice.has_message(s=30)
    call = await alice.dials(spare.code)
    await call.hears("login/enter-pin")
    await call.press("1379#")
    await call.hears("count/you-have", message)
    await asyncio.to_thread(spare.service.kill)
    await call.hears("count/you-have", "number/1", "count/new-message", message, within_s=20)
    await call.press("7")
    await call.hears("done/deleted")
    await call.hang_up()
    assert alice.folder_of(message) == "deleted"


async def test_a_name_without_a_service_falls_through_to_the_next(alice: Person, spare: Spare, second: Service) -> None:
    """*6 and the place of the spare: nobody, then the spare, then the second one."""
    alice.moves_in(at=spare.desk)
    call = await alice.dials(spare.code.replace("*7", "*6"))
    await call.hears("count/no-messages")
    await call.hang_up()
    await asyncio.to_thread(spare.service.kill)
    call = await alice.dials(spare.code.replace("*7", "*6"))
    await call.hears("count/no-messages")
    await call.hang_up()
    await asyncio.to_thread(second.kill)
    call = await alice.dials(spare.code.replace("*7", "*6"))
    await call.hears("problem/later")
    await call.ends()


async def test_whoever_claims_a_call_first_has_it(alice: Person, spare: Spare, second: Service) -> None:
    """*5 and the place of the spare: it and the second one share the calls."""
    alice.moves_in(at=spare.desk)
    for _ in range(3):
        call = await alice.dials(spare.code.replace("*7", "*5"))
        await call.hears("count/no-messages")
        await call.press("#")
        await call.hears("done/goodbye")
        await call.ends()
    await asyncio.to_thread(spare.service.kill)
    call = await alice.dials(spare.code.replace("*7", "*5"))
    await call.hears("count/no-messages")
    await call.hang_up()


async def test_the_dialplans_own_functions_work_behind_a_call(alice: Person, bob: Person, notes: Notes) -> None:
    """Variables set over ARI would take STAT(), DB() and their like from it."""
    alice.moves_in()
    bob.moves_in()
    call = await bob.dials(alice.number)
    await call.hears("greeting/person-at")
    await call.press("1")
    await call.hears("tone/beep", whole=True)
    await call.call.say(words_of(bob).samples)
    await call.hang_up()
    await eventually(lambda: len(alice.messages()) == 1)
    log = (Path(notes.folder) / "log" / "messages").read_text(errors="replace")
    assert "Dangerous function" not in log
