"""Over ARI on a real Asterisk: services that die in mid-call, and several that share the calls."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.asterisk.conftest import Person, eventually
from tests.asterisk.rig.lab import Notes, _free_port
from tests.asterisk.rig.processes import Service
from tests.asterisk.rig.roads import takes_calls
from tests.asterisk.test_alone import Spare, _take_spare, words_of
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


async def test_asterisk_may_dial_the_service(alice: Person, notes: Notes) -> None:
    """And dials it again when it has died; the call goes on."""
    spare = Spare(notes, _take_spare(notes), port := _free_port(socket.SOCK_STREAM))
    tell_asterisk_to_dial(notes, spare, port)
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


def tell_asterisk_to_dial(notes: Notes, spare: Spare, port: int) -> None:
    """As asterisk-conf/websocket_client.conf and ari.conf show it."""
    name, etc = spare.name, Path(notes.folder) / "etc"
    secret = notes.spares[spare.n]["IVR_ARI__PASSWORD"]
    client = [
        f"[{name}]", "type = websocket_client", "connection_type = persistent", f"uri = ws://127.0.0.1:{port}/",
        "protocols = ari", "username = ivr", f"password = {secret}", "reconnect_interval = 200",
    ]  # fmt: skip
    used = [f"[{name}-out]", "type = outbound_websocket", f"websocket_client_id = {name}", f"apps = {name}"]
    for file, lines in (("websocket_client.conf", client), ("ari.conf", [*used, "local_ari_user = ivr"])):
        with (etc / file).open("a") as conf:
            conf.write("\n".join(["", *lines, ""]))
    for module in ("res_websocket_client", "res_ari"):
        subprocess.run([*notes.console, "-rx", f"module reload {module}.so"], check=True, capture_output=True)


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
