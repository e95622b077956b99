"""Over ARI on a real Asterisk: services that die in mid-call, and several that share the calls."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.asterisk.conftest import PhoneUser, wait_until
from tests.asterisk.test_fallback_recordings import (
    SpareService,
    claim_spare,
    contains_speech,
    expect_fallback_greeting,
    leave_fallback_recording,
    read_recording,
    spare_service,
    speak_and_hang_up,
    speech_of,
)
from tests.asterisk.test_message_playback import FRAME_MS, press_and_measure_seek
from tests.asterisk.test_settings_menu import navigate_to_beep
from tests.lab.lab import HttpOnlyProxyProcess, LabInfo, free_tcp_port
from tests.lab.processes import ServiceProcess
from tests.lab.transports import outbound_websocket_conf, tls_lines, wait_for_ari_application

__all__ = ["spare_service"]

pytestmark = pytest.mark.only_over("ari", "calls outlive their service over no other transport")
SECOND_SPARE = "-second"
LONGEST_NAME = 64
PER_CALL_CLOSE_S = 4
"""From an answer on, until Asterisk has closed what it had dialled for the call."""


@pytest.fixture
def second_service(lab: LabInfo, spare_service: SpareService) -> Iterator[ServiceProcess]:
    """One more service of the same data, which shares the calls."""
    environment = dict(lab.spare_environments[spare_service.index])
    name = environment["IVR_ARI__APPLICATION"] + SECOND_SPARE
    environment |= {"IVR_ARI__APPLICATION": name, "IVR_FASTAGI__PORT": "0"}
    service = ServiceProcess(environment, Path(lab.folder) / f"service-{name}.log")
    service.start()
    assert wait_for_ari_application(name, lab.console_command, 20)
    yield service
    with contextlib.suppress(ProcessLookupError):
        service.stop()


async def test_owner_session_resumes_after_service_restart(alice: PhoneUser, spare_service: SpareService) -> None:
    """Killed in the middle of a message; the new one asks for no PIN."""
    alice.create_user_and_box(admin=spare_service.admin, require_pin=True)
    message = alice.create_message(s=20)
    call = await alice.dial(spare_service.dial_prefix)
    await call.expect("login/enter-pin")
    await call.press("1379#")
    await call.expect("count/you-have", message)
    await asyncio.to_thread(spare_service.service.kill)
    await asyncio.to_thread(spare_service.start)
    await call.expect("count/you-have", "number/1", "count/new-message", message)
    await call.press("7")
    await call.expect("done/deleted")
    await call.hang_up()
    assert alice.folder_of(message) == "deleted"


async def test_service_restart_during_recording_is_unnoticed(
    alice: PhoneUser, bob: PhoneUser, spare_service: SpareService
) -> None:
    alice.create_user_and_box(admin=spare_service.admin)
    call = await bob.dial(spare_service.dial_prefix + alice.number)
    await call.expect("greeting/person-at")
    await call.press("1")
    await call.expect("tone/beep", whole=True)
    words = speech_of(bob)
    talking = asyncio.create_task(call.say(words.samples))
    await wait_until(lambda: [take for take in spare_service.takes.glob("*.wav") if take.stat().st_size])
    await asyncio.to_thread(spare_service.service.kill)
    await asyncio.to_thread(spare_service.start)
    await talking
    await call.press("#")
    await call.expect("done/thank-you")
    await call.wait_for_hangup()
    await wait_until(lambda: len(alice.messages()) == 1)
    assert not spare_service.fallback_recordings()


async def test_second_service_resumes_call_of_dead_service(
    alice: PhoneUser, spare_service: SpareService, second_service: ServiceProcess
) -> None:
    alice.create_user_and_box(admin=spare_service.admin, require_pin=True)
    message = alice.create_message(s=30)
    call = await alice.dial(spare_service.dial_prefix)
    await call.expect("login/enter-pin")
    await call.press("1379#")
    await call.expect("count/you-have", message)
    await asyncio.to_thread(spare_service.service.kill)
    await call.expect("count/you-have", "number/1", "count/new-message", message, within_s=20)
    await call.press("7")
    await call.expect("done/deleted")
    await call.hang_up()
    assert alice.folder_of(message) == "deleted"


async def test_application_without_service_falls_through_to_next(
    alice: PhoneUser, spare_service: SpareService, second_service: ServiceProcess
) -> None:
    """*6 and the index of the spare service: an application without a service, then the spare, then the second one."""
    alice.create_user_and_box(admin=spare_service.admin)
    call = await alice.dial(spare_service.dial_prefix.replace("*7", "*6"))
    await call.expect("count/no-messages")
    await call.hang_up()
    await asyncio.to_thread(spare_service.service.kill)
    call = await alice.dial(spare_service.dial_prefix.replace("*7", "*6"))
    await call.expect("count/no-messages")
    await call.hang_up()
    await asyncio.to_thread(second_service.kill)
    call = await alice.dial(spare_service.dial_prefix.replace("*7", "*6"))
    await call.expect("problem/later")
    await call.wait_for_hangup()


async def test_first_service_to_claim_call_handles_it(
    alice: PhoneUser, spare_service: SpareService, second_service: ServiceProcess
) -> None:
    """*5 and the place of the spare_service: it and the second one share the calls."""
    alice.create_user_and_box(admin=spare_service.admin)
    for _ in range(3):
        call = await alice.dial(spare_service.dial_prefix.replace("*7", "*5"))
        await call.expect("count/no-messages")
        await call.press("#")
        await call.expect("done/goodbye")
        await call.wait_for_hangup()
    await asyncio.to_thread(spare_service.service.kill)
    call = await alice.dial(spare_service.dial_prefix.replace("*7", "*5"))
    await call.expect("count/no-messages")
    await call.hang_up()


async def test_asterisk_connects_to_service_over_tls_and_reconnects(alice: PhoneUser, lab: LabInfo) -> None:
    """And dials it again when it has died; the call goes on. Asterisk verifies the certificate of the service."""
    n, port, folder = claim_spare(lab), free_tcp_port(), Path(lab.folder) / "tls"
    files = {"CERTIFICATE": folder / "certificate.pem", "KEY": folder / "key.pem"}
    tls = {f"IVR_ARI__LISTEN_TLS_{name}": str(path) for name, path in files.items()}
    spare_service = SpareService(lab, n, IVR_ARI__LISTEN_PORT=str(port), **tls)
    sample = (Path(lab.folder) / "etc" / "ivr" / "websocket_client.conf").read_text()
    configure_outbound_websocket(lab, n, "persistent", port, *tls_lines(sample, files["CERTIFICATE"]))
    try:
        assert wait_for_ari_application(spare_service.name, lab.console_command, 20)
        alice.create_user_and_box(admin=spare_service.admin)
        message = alice.create_message(s=20)
        call = await alice.dial(spare_service.dial_prefix)
        await call.expect("count/you-have", message)
        await asyncio.to_thread(spare_service.service.kill)
        await asyncio.to_thread(spare_service.service.start)
        await call.expect("count/you-have", "number/1", "count/new-message", message)
        await call.press("7")
        await call.expect("done/deleted")
        await call.hang_up()
        assert alice.folder_of(message) == "deleted"
    finally:
        spare_service.close()


async def test_service_connects_to_asterisk_over_tls(alice: PhoneUser, lab: LabInfo) -> None:
    """A service that believes another certificate does not connect; then it has the right one."""
    folder, n = Path(lab.folder) / "tls", claim_spare(lab)
    over_tls = {"IVR_ARI__TLS": "true", "IVR_ARI__PORT": str(lab.ari_tls_port)}
    unbelieving = lab.spare_environments[n] | over_tls | {"IVR_ARI__APPLICATION": "unbelieving"}
    log = Path(lab.folder) / "service-unbelieving.log"
    doubtful = ServiceProcess(unbelieving, log)
    doubtful.start()
    try:
        await wait_until(lambda: "is not accepted" in log.read_text())
    finally:
        doubtful.stop()
    spare_service = SpareService(lab, n, **over_tls, IVR_ARI__TLS_CA=str(folder / "certificate.pem"))
    try:
        alice.create_user_and_box(admin=spare_service.admin)
        message = alice.create_message(s=20)
        call = await alice.dial(spare_service.dial_prefix)
        await call.expect("count/you-have", "number/1", "count/new-message", message)
        await call.press("7")
        await call.expect("done/deleted")
        await call.hang_up()
        assert alice.folder_of(message) == "deleted"
    finally:
        spare_service.close()


def configure_outbound_websocket(lab: LabInfo, n: int, kind: str, port: int, *more: str) -> None:
    """Asterisk dials a spare_service service, as asterisk-conf/websocket_client.conf and ari.conf show it."""
    spare_service, etc = lab.spare_environments[n], Path(lab.folder) / "etc"
    sections = outbound_websocket_conf(
        spare_service["IVR_ARI__APPLICATION"], kind, port, spare_service["IVR_ARI__PASSWORD"], more
    )
    for file, lines in zip(("websocket_client.conf", "ari.conf"), sections, strict=True):
        with (etc / file).open("a") as conf:
            conf.write("\n".join(["", *lines, ""]))
    for module in ("res_websocket_client", "res_ari"):
        subprocess.run([*lab.console_command, "-rx", f"module reload {module}.so"], check=True, capture_output=True)


@pytest.fixture
def per_call_service(lab: LabInfo) -> Iterator[SpareService]:
    """A service that Asterisk dials for each call, and that keeps them on a connection of its own."""
    n, port = claim_spare(lab), free_tcp_port()
    configure_outbound_websocket(lab, n, "per_call_config", port, "reconnect_attempts = 2")
    own = f"{lab.spare_environments[n]['IVR_ARI__APPLICATION']}.".ljust(LONGEST_NAME, "n")
    spare_service = SpareService(
        lab, n, IVR_ARI__APPLICATION=own, IVR_ARI__LISTEN_PORT=str(port), IVR_ARI__PER_CALL_CONNECTIONS="True"
    )  # fmt: skip
    yield spare_service
    spare_service.close()


async def test_asterisk_connects_to_service_per_call(
    alice: PhoneUser, bob: PhoneUser, stranger: PhoneUser, per_call_service: SpareService
) -> None:
    """An owner signs in, listens and deletes; two callers at once leave a message, one by a key, one by hanging up."""
    spare_service = per_call_service
    alice.create_user_and_box(admin=spare_service.admin, require_pin=True)
    message = alice.create_message(s=20)
    call = await alice.dial(spare_service.dial_prefix)
    await call.press("1379#1")
    await call.expect(message)
    await asyncio.sleep(PER_CALL_CLOSE_S)
    await call.press("7")
    await call.expect("done/deleted")
    await call.hang_up()
    assert alice.folder_of(message) == "deleted"

    async def leaves_a_message(caller: PhoneUser, ends: str) -> None:
        call = await caller.dial(spare_service.dial_prefix + alice.number)
        await call.expect("greeting/person-at")
        await call.press("#")
        await call.expect("tone/beep", whole=True)
        await call.say(speech_of(caller).samples)
        if ends:
            await call.press(ends)
            await call.expect("to/save-recording")
            await call.press("1")
            await call.expect("done/message-left")
        await call.hang_up()

    await asyncio.gather(leaves_a_message(bob, "#"), leaves_a_message(stranger, ""))
    await wait_until(lambda: len(alice.messages()) == 3)
    recordings = [read_recording(Path(one["audio"][0])) for one in alice.messages()]
    assert all(any(contains_speech(audio, speech_of(caller)) for audio in recordings) for caller in (bob, stranger))
    assert not spare_service.fallback_recordings()


async def test_calls_over_per_call_connections_survive_service_crash(
    alice: PhoneUser, per_call_service: SpareService
) -> None:
    """Before Asterisk has closed what it dialled, they go to the dialplan at once, and are not taken up."""
    spare_service = per_call_service
    alice.create_user_and_box(admin=spare_service.admin, require_pin=True)
    message = alice.create_message(s=20)
    call = await alice.dial(spare_service.dial_prefix)
    await call.press("1379#1")
    await call.expect(message)
    await asyncio.sleep(PER_CALL_CLOSE_S)
    await asyncio.to_thread(spare_service.service.kill)
    await asyncio.to_thread(spare_service.start)
    await call.expect("count/you-have", "number/1", "count/new-message", message, within_s=20)
    await call.press("7")
    await call.expect("done/deleted")
    await call.hang_up()
    assert alice.folder_of(message) == "deleted"


async def test_dialplan_records_fallback_when_no_service_listens(
    alice: PhoneUser, bob: PhoneUser, per_call_service: SpareService
) -> None:
    spare_service = per_call_service
    alice.create_user_and_box(admin=spare_service.admin)
    spare_service.service.stop()
    call = await bob.dial(spare_service.dial_prefix + alice.number, within_s=20)
    await expect_fallback_greeting(call, alice)
    await leave_fallback_recording(call, spare_service, bob, alice)


@pytest.fixture
def http_only_proxy(lab: LabInfo) -> Iterator[HttpOnlyProxyProcess]:
    """Asterisk's HTTP server, which takes no requests over a WebSocket."""
    of = int(lab.spare_environments[0]["IVR_ARI__PORT"])
    front = HttpOnlyProxyProcess(free_tcp_port(), of, Path(lab.folder) / f"before-22.4-{free_tcp_port()}.log")
    front.service.start()
    yield front
    front.service.stop()


async def test_asterisk_before_22_4_is_controlled_over_http(
    alice: PhoneUser, bob: PhoneUser, lab: LabInfo, http_only_proxy: HttpOnlyProxyProcess
) -> None:
    """An owner types ahead, seeks, deletes and records a greeting; a caller hears it and leaves a message."""
    spare_service = SpareService(lab, claim_spare(lab), IVR_ARI__PORT=str(http_only_proxy.port))
    try:
        alice.create_user_and_box(admin=spare_service.admin, require_pin=True)
        message = alice.create_message(s=25)
        call = await alice.dial(spare_service.dial_prefix)
        await call.press("1379#1")
        await call.expect(message)
        position = await press_and_measure_seek(call, message, "8")
        assert abs(position.after_ms - (position.before_ms + 10_000)) <= 2 * FRAME_MS
        await call.press("7")
        await call.expect("done/deleted", "to/configure")
        await call.press("5")
        await call.expect("to/record-unavailable")
        await navigate_to_beep(call, "1", "settings/record-greeting")
        await call.say(speech_of(alice).samples)
        await call.press("#")
        await call.expect("to/use-recording")
        await call.press("1")
        await call.expect("done/saved")
        await call.hang_up()
        assert alice.folder_of(message) == "deleted"
        call = await bob.dial(spare_service.dial_prefix + alice.number)
        await call.expect(speech_of(alice))
        await call.press("#")
        await speak_and_hang_up(call, speech_of(bob))
        await wait_until(lambda: [message for message in alice.messages() if message["folder"] == "new"])
        assert not spare_service.fallback_recordings()
    finally:
        spare_service.close()
    request_log = http_only_proxy.log.read_text()
    assert request_log.count("POST /ari/channels/") > 20


async def test_the_dialplans_own_functions_work_behind_a_call(alice: PhoneUser, bob: PhoneUser, lab: LabInfo) -> None:
    """Variables set over ARI would take STAT(), DB() and their like from it."""
    alice.create_user_and_box()
    bob.create_user_and_box()
    call = await bob.dial(alice.number)
    await call.expect("greeting/person-at")
    await call.press("1")
    await call.expect("tone/beep", whole=True)
    await call.say(speech_of(bob).samples)
    await call.hang_up()
    await wait_until(lambda: len(alice.messages()) == 1)
    log = (Path(lab.folder) / "log" / "messages").read_text(errors="replace")
    assert "Dangerous function" not in log
