"""Calls over ARI outlive the service that has them: what the next start, or another service, makes of them."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ivr.app import App
from ivr.clock import SystemClock
from ivr.service.heartbeat import InstanceHeartbeat
from ivr.service.service import Service, start_service
from tests.call.conftest import SECRET
from tests.call.test_ari import FROM_ALICE
from tests.support.app_fixture import AppFixture, FakeClock
from tests.support.fake_ari_server import APPLICATION, PASSWORD, FakeAriServer, FakeChannel

StartService = Callable[..., Awaitable[Service]]
TRUNK = "PJSIP/trunk-00000001"
ENTER_PIN = "Please enter your pin"


@pytest.fixture
async def app(tmp_path: Path, tone_prompts: Path, ari_server: FakeAriServer) -> AsyncIterator[AppFixture]:
    app = AppFixture(
        tmp_path / "data", sounds={"folder": tone_prompts}, asterisk={"secret": SECRET}, fastagi={"port": 0},
        ari={"port": ari_server.port, "password": PASSWORD},
    )  # fmt: skip
    app.clock = SystemClock()  # type: ignore[assignment]
    await app.open()
    ari_server.takes = app.settings.data.folder / "takes"
    yield app
    app.container.close()


@pytest.fixture
async def another_service(app: AppFixture, ari_server: FakeAriServer) -> AsyncIterator[StartService]:
    """Starts one more service, of the same data."""
    running: list[Service] = []

    async def begin(application: str = APPLICATION) -> Service:
        ari = app.settings.ari.model_copy(update={"application": application})
        second_app = App(app.settings.model_copy(update={"ari": ari}), clock=SystemClock()).open()
        requests_before = len(ari_server.requests)
        running.append(await start_service(second_app, component="calls"))
        async with asyncio.timeout(60):
            while not any(f"applications/{application}" in one for one in ari_server.requests[requests_before:]):
                await asyncio.sleep(0.01)
        return running[-1]

    yield begin
    for service in running:
        await service.stop()


def set_heartbeat_age(app: AppFixture, seconds: int) -> None:
    """The service was alive so long ago."""
    with sqlite3.connect(app.settings.data.folder / "state" / "ivr.db") as connection:
        connection.execute("UPDATE live_calls SET heartbeat_at = heartbeat_at - ?", (seconds,))
    connection.close()


def wait_for_row(app: AppFixture, sql: str) -> int:
    with sqlite3.connect(app.settings.data.folder / "state" / "ivr.db") as connection:
        found = connection.execute(f"SELECT count(*) FROM {sql}").fetchone()[0]
    connection.close()
    return int(found)


async def wait_until(app: AppFixture, condition: str) -> None:
    async with asyncio.timeout(60):
        while not wait_for_row(app, condition):
            await asyncio.sleep(0.01)


async def start_logged_in_call(app: AppFixture, asterisk: FakeAriServer) -> FakeChannel:
    """An owner has dialled in from outside, entered the PIN, and hears a message."""
    await app.create_message(await app.create_box(owner=app.alice, pin="1379"), s=60)
    call = asterisk.call("check", "account=demo", "number=1000", channel=TRUNK, variables=FROM_ALICE)
    await call.wait_for_playback(ENTER_PIN)
    call.press("1379#1")
    await call.wait_for_playback("(recording)")
    await wait_until(app, "live_calls WHERE box_id IS NOT NULL")
    return call


async def test_owner_session_is_resumed_after_restart(
    app: AppFixture, ari_server: FakeAriServer, another_service: StartService
) -> None:
    service = await another_service()
    call = await start_logged_in_call(app, ari_server)
    await service.stop()
    await another_service()
    await call.wait_for_playback("You have one new message")
    call.press("#")
    assert await call.wait_until_over() == "DONE"
    assert sum(ENTER_PIN in text for text in call.heard) == 1
    await wait_until(app, "calls WHERE status = 'DONE'")
    assert wait_for_row(app, "calls") == 2, "what the first one knew of it is written down, too"
    assert wait_for_row(app, "live_calls") == 0


async def test_session_older_than_a_minute_requires_pin(
    app: AppFixture, ari_server: FakeAriServer, another_service: StartService
) -> None:
    service = await another_service()
    call = await start_logged_in_call(app, ari_server)
    await service.stop()
    set_heartbeat_age(app, 60)
    await another_service()
    await call.wait_for_playback(ENTER_PIN)
    call.hang_up()
    await call.wait_until_over()


@pytest.mark.parametrize("other", ["channel = 'PJSIP/trunk-00000002'", "uniqueid = '1700000000.99'"])
async def test_session_of_other_channel_is_not_resumed(
    app: AppFixture, ari_server: FakeAriServer, another_service: StartService, other: str
) -> None:
    service = await another_service()
    call = await start_logged_in_call(app, ari_server)
    await service.stop()
    with sqlite3.connect(app.settings.data.folder / "state" / "ivr.db") as connection:
        connection.execute(f"UPDATE live_calls SET {other}")
    connection.close()
    await another_service()
    await call.wait_for_playback(ENTER_PIN)
    call.hang_up()
    await call.wait_until_over()


async def test_caller_without_session_restarts_from_beginning(
    app: AppFixture, ari_server: FakeAriServer, another_service: StartService
) -> None:
    service = await another_service()
    await app.create_box(owner=app.alice, pin="1379")
    call = ari_server.call("check", "account=demo", "number=1000", channel=TRUNK, variables=FROM_ALICE)
    await call.wait_for_playback(ENTER_PIN)
    await service.stop()
    await another_service()
    await call.wait_for_playback(ENTER_PIN)
    call.press("1379#")
    await call.wait_for_playback("You have no messages")
    call.hang_up()
    await call.wait_until_over()


async def test_session_of_deleted_box_is_not_resumed(
    app: AppFixture, ari_server: FakeAriServer, another_service: StartService
) -> None:
    service = await another_service()
    call = await start_logged_in_call(app, ari_server)
    await service.stop()
    box = await app.container.boxes.find_by_number(app.account.id, "1000")
    assert box
    await app.container.boxes.delete(box)
    await another_service()
    await call.wait_for_playback(ENTER_PIN)
    call.hang_up()
    await call.wait_until_over()


async def test_caller_with_recording_returns_to_dialplan_and_is_thanked(
    app: AppFixture, ari_server: FakeAriServer, another_service: StartService
) -> None:
    """And what they said becomes a message."""
    service = await another_service()
    box = await app.create_box("1001", owner=app.bob)
    call = ari_server.call("leave", "account=demo", "number=1001", variables=FROM_ALICE)
    await call.speak(3000)
    await call.wait_for_playback("To keep")
    await service.stop()
    await another_service()
    assert await call.wait_until_over() == "", "the service sets no status: the dialplan looks at the recording"
    call.hang_up()
    async with asyncio.timeout(60):
        while not (found := await app.messages(box)):
            await asyncio.sleep(0.05)
    assert [message.length_ms for message in found] == [3000]


async def test_calls_of_dead_service_are_resumed_by_other(
    app: AppFixture, ari_server: FakeAriServer, another_service: StartService
) -> None:
    service = await another_service()
    await another_service("ivr-2")
    call = await start_logged_in_call(app, ari_server)
    await service.stop()
    set_heartbeat_age(app, 10)
    await call.wait_for_playback("You have one new message")
    assert call.application == "ivr-2"
    call.press("#")
    assert await call.wait_until_over() == "DONE"
    assert sum(ENTER_PIN in text for text in call.heard) == 1


async def test_calls_of_live_service_are_not_taken(
    app: AppFixture, ari_server: FakeAriServer, another_service: StartService
) -> None:
    await another_service()
    await another_service("ivr-2")
    call = await start_logged_in_call(app, ari_server)
    await asyncio.sleep(2.5)
    assert call.application == APPLICATION
    assert call.stasis_entries == 1
    call.hang_up()
    await call.wait_until_over()


async def test_call_offered_to_several_services_is_claimed(
    app: AppFixture, ari_server: FakeAriServer, another_service: StartService
) -> None:
    await another_service()
    about = {"id": "1700000000.77", "name": TRUNK}
    ari_server.send_event("CallBroadcast", channel=about)
    async with asyncio.timeout(60):
        while ari_server.claims != ["1700000000.77"]:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("jump_s", [3600, 86_400])
async def test_calls_of_others_are_left_alone_when_the_clock_was_set(jump_s: int) -> None:
    """The heartbeats of live services seem to be old until they have written the next."""
    clock, taken = FakeClock(), list[str]()
    heartbeats = {"ivr-2": clock.now()}

    class Calls:
        async def record_heartbeat(self, instance: str, now: int) -> None:
            heartbeats[instance] = now

        async def orphaned_calls(self, instance: str, last_seen_before: int) -> list[SimpleNamespace]:
            orphaned = [name for name, at in heartbeats.items() if name != instance and at < last_seen_before]
            return [SimpleNamespace(instance=name, uniqueid="1") for name in orphaned]

        async def close_stale(self, now: int) -> None:
            pass

    async def take_over(instance: str, _name: str, _uniqueid: str) -> None:
        taken.append(instance)

    application: Any = SimpleNamespace(calls_in_progress=1, take_over_channel=take_over)
    calls: Any = Calls()
    heartbeat = InstanceHeartbeat("ivr", application=application, call_store=calls, clock=clock)
    clock.jump(jump_s)
    await heartbeat.run_once()
    assert taken == []
    heartbeats["ivr-2"] = clock.now()
    for _ in range(5):
        clock.advance(s=2)
        await heartbeat.run_once()
    assert taken, "a service that is dead is still found, after the seconds that it takes"
