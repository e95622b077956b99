"""Over ARI on a real Asterisk: services that die in mid-call, and several that share the calls."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.asterisk.conftest import Person, eventually
from tests.asterisk.rig.lab import Front, Notes, free_tcp_port
from tests.asterisk.rig.processes import Service
from tests.asterisk.rig.roads import outbound, takes_calls
from tests.asterisk.test_alone import (
    Spare,
    _take_spare,
    greets_alone,
    holds,
    leaves_alone,
    recorded,
    speaks_and_hangs_up,
    words_of,
)
from tests.asterisk.test_alone import spare as spare
from tests.asterisk.test_listening import FRAME_MS, jump
from tests.asterisk.test_settings import to_the_beep

pytestmark = pytest.mark.only_over("ari", "calls outlive their service over no other transport")
SECOND = "-second"
LONGEST_NAME = 64
CLOSED_WITHIN_S = 4
"""From an answer on, until Asterisk has closed what it had dialled for the call."""


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
    talking = asyncio.create_task(call.says(words.samples))
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


async def test_asterisk_may_dial_the_service(alice: Person, notes: Notes) -> None:
    """And dials it again when it has died; the call goes on."""
    n, port = _take_spare(notes), free_tcp_port()
    spare = Spare(notes, n, IVR_ARI__LISTEN_PORT=str(port))
    dials(notes, n, "persistent", port)
    try:
        assert takes_calls(spare.name, notes.console, 20)
        alice.moves_in(at=spare.desk)
        message = alice.has_message(s=20)
        call = await alice.dials(spare.code)
        await call.hears("count/you-have", message)
        await asyncio.to_thread(spare.service.kill)
        await asyncio.to_thread(spare.service.start)
        await call.hears("count/you-have", "number/1", "count/new-message", message)
        await call.press("7")
        await call.hears("done/deleted")
        await call.hang_up()
        assert alice.folder_of(message) == "deleted"
    finally:
        spare.close()


def dials(notes: Notes, n: int, kind: str, port: int, *more: str) -> None:
    """Asterisk dials a spare service, as asterisk-conf/websocket_client.conf and ari.conf show it."""
    spare, etc = notes.spares[n], Path(notes.folder) / "etc"
    sections = outbound(spare["IVR_ARI__APPLICATION"], kind, port, spare["IVR_ARI__PASSWORD"], more)
    for file, lines in zip(("websocket_client.conf", "ari.conf"), sections, strict=True):
        with (etc / file).open("a") as conf:
            conf.write("\n".join(["", *lines, ""]))
    for module in ("res_websocket_client", "res_ari"):
        subprocess.run([*notes.console, "-rx", f"module reload {module}.so"], check=True, capture_output=True)


@pytest.fixture
def for_each_call(notes: Notes) -> Iterator[Spare]:
    """A service that Asterisk dials for each call, and that keeps them on a connection of its own."""
    n, port = _take_spare(notes), free_tcp_port()
    dials(notes, n, "per_call_config", port, "reconnect_attempts = 2")
    own = f"{notes.spares[n]['IVR_ARI__APPLICATION']}.".ljust(LONGEST_NAME, "n")
    spare = Spare(
        notes, n, IVR_ARI__APPLICATION=own, IVR_ARI__LISTEN_PORT=str(port), IVR_ARI__LISTEN_PER_CALL="True"
    )  # fmt: skip
    yield spare
    spare.close()


async def test_asterisk_may_dial_the_service_for_each_call(
    alice: Person, bob: Person, stranger: Person, for_each_call: Spare
) -> None:
    """An owner signs in, listens and deletes; two callers at once leave a message, one by a key, one by hanging up."""
    spare = for_each_call
    alice.moves_in(at=spare.desk, require_pin=True)
    message = alice.has_message(s=20)
    call = await alice.dials(spare.code)
    await call.press("1379#1")
    await call.hears(message)
    await asyncio.sleep(CLOSED_WITHIN_S)
    await call.press("7")
    await call.hears("done/deleted")
    await call.hang_up()
    assert alice.folder_of(message) == "deleted"

    async def leaves_a_message(caller: Person, ends: str) -> None:
        call = await caller.dials(spare.code + alice.number)
        await call.hears("greeting/person-at")
        await call.press("#")
        await call.hears("tone/beep", whole=True)
        await call.says(words_of(caller).samples)
        if ends:
            await call.press(ends)
            await call.hears("to/save-recording")
            await call.press("1")
            await call.hears("done/message-left")
        await call.hang_up()

    await asyncio.gather(leaves_a_message(bob, "#"), leaves_a_message(stranger, ""))
    await eventually(lambda: len(alice.messages()) == 3)
    kept = [recorded(Path(one["audio"][0])) for one in alice.messages()]
    assert all(any(holds(audio, words_of(caller)) for audio in kept) for caller in (bob, stranger))
    assert not spare.alone()


async def test_who_dies_while_asterisk_dials_for_each_call_finds_its_calls_again(
    alice: Person, for_each_call: Spare
) -> None:
    """Before Asterisk has closed what it dialled, they go to the dialplan at once, and are not taken up."""
    spare = for_each_call
    alice.moves_in(at=spare.desk, require_pin=True)
    message = alice.has_message(s=20)
    call = await alice.dials(spare.code)
    await call.press("1379#1")
    await call.hears(message)
    await asyncio.sleep(CLOSED_WITHIN_S)
    await asyncio.to_thread(spare.service.kill)
    await asyncio.to_thread(spare.start)
    await call.hears("count/you-have", "number/1", "count/new-message", message, within_s=20)
    await call.press("7")
    await call.hears("done/deleted")
    await call.hang_up()
    assert alice.folder_of(message) == "deleted"


async def test_where_nobody_listens_for_calls_the_dialplan_takes_the_message(
    alice: Person, bob: Person, for_each_call: Spare
) -> None:
    spare = for_each_call
    alice.moves_in(at=spare.desk)
    spare.service.stop()
    call = await bob.dials(spare.code + alice.number, within_s=20)
    await greets_alone(call, alice)
    await leaves_alone(call, spare, bob, alice)


@pytest.fixture
def before_22_4(notes: Notes) -> Iterator[Front]:
    """Asterisk's HTTP server, which takes no requests over a WebSocket."""
    of = int(notes.spares[0]["IVR_ARI__PORT"])
    front = Front(free_tcp_port(), of, Path(notes.folder) / f"before-22.4-{free_tcp_port()}.log")
    front.service.start()
    yield front
    front.service.stop()


async def test_an_asterisk_before_22_4_is_asked_over_http(
    alice: Person, bob: Person, notes: Notes, before_22_4: Front
) -> None:
    """An owner types ahead, seeks, deletes and records a greeting; a caller hears it and leaves a message."""
    spare = Spare(notes, _take_spare(notes), IVR_ARI__PORT=str(before_22_4.port))
    try:
        alice.moves_in(at=spare.desk, require_pin=True)
        message = alice.has_message(s=25)
        call = await alice.dials(spare.code)
        await call.press("1379#1")
        await call.hears(message)
        position = await jump(call, message, "8")
        assert abs(position.after_ms - (position.before_ms + 10_000)) <= 2 * FRAME_MS
        await call.press("7")
        await call.hears("done/deleted", "to/configure")
        await call.press("5")
        await call.hears("to/record-unavailable")
        await to_the_beep(call, "1", "settings/record-greeting")
        await call.says(words_of(alice).samples)
        await call.press("#")
        await call.hears("to/use-recording")
        await call.press("1")
        await call.hears("done/saved")
        await call.hang_up()
        assert alice.folder_of(message) == "deleted"
        call = await bob.dials(spare.code + alice.number)
        await call.hears(words_of(alice))
        await call.press("#")
        await speaks_and_hangs_up(call, words_of(bob))
        await eventually(lambda: [message for message in alice.messages() if message["folder"] == "new"])
        assert not spare.alone()
    finally:
        spare.close()
    asked = before_22_4.log.read_text()
    assert asked.count("POST /ari/channels/") > 20


async def test_the_dialplans_own_functions_work_behind_a_call(alice: Person, bob: Person, notes: Notes) -> None:
    """Variables set over ARI would take STAT(), DB() and their like from it."""
    alice.moves_in()
    bob.moves_in()
    call = await bob.dials(alice.number)
    await call.hears("greeting/person-at")
    await call.press("1")
    await call.hears("tone/beep", whole=True)
    await call.says(words_of(bob).samples)
    await call.hang_up()
    await eventually(lambda: len(alice.messages()) == 1)
    log = (Path(notes.folder) / "log" / "messages").read_text(errors="replace")
    assert "Dangerous function" not in log
