"""A service that cannot store: the caller is not greeted, the dialplan records, and no state is called ready."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from ivr.clock import EARLIEST_PLAUSIBLE_TIME, SET_CLOCK
from ivr.errors import StoreError
from ivr.health.checks import run_checks
from ivr.health.facts import HealthFacts
from ivr.health.finding import Level
from ivr.health.monitor import HealthMonitor, HealthReport
from ivr.storage.records import ZoneUse
from tests.support.app_fixture import AppFixture
from tests.support.scripted_call import HangUp, ScriptedCall, Speak

Break = Callable[[AppFixture], None]


def data_of(app: AppFixture) -> Path:
    return app.settings.data.folder


def move_data_folder(app: AppFixture) -> None:
    data_of(app).rename(data_of(app).with_name("moved"))


def replace_data_folder(app: AppFixture) -> None:
    move_data_folder(app)
    shutil.copytree(data_of(app).with_name("moved"), data_of(app))


def delete_database(app: AppFixture) -> None:
    (data_of(app) / "state" / "ivr.db").unlink()


def replace_database(app: AppFixture) -> None:
    path = data_of(app) / "state" / "ivr.db"
    shutil.copy(path, path.with_name("restored"))
    path.with_name("restored").rename(path)


def delete_write_ahead_log(app: AppFixture) -> None:
    (data_of(app) / "state" / "ivr.db-wal").unlink()


def delete_index_of_the_log(app: AppFixture) -> None:
    (data_of(app) / "state" / "ivr.db-shm").unlink()


def delete_takes_folder(app: AppFixture) -> None:
    shutil.rmtree(data_of(app) / "takes")


def replace_takes_folder_by_file(app: AppFixture) -> None:
    delete_takes_folder(app)
    (data_of(app) / "takes").touch()


def migrate_to_newer_schema(app: AppFixture) -> None:
    connection = sqlite3.connect(data_of(app) / "state" / "ivr.db")
    connection.execute("PRAGMA user_version = 999")
    connection.close()


def reset_clock(app: AppFixture) -> None:
    app.container.health_limits = replace(app.container.health_limits, earliest_time=EARLIEST_PLAUSIBLE_TIME)


def lose_pepper(app: AppFixture) -> None:
    (data_of(app) / "state" / "pepper").unlink()


def change_pepper(app: AppFixture) -> None:
    (data_of(app) / "state" / "pepper").write_text("another")


PREVENTS_STORING = [
    move_data_folder,
    replace_data_folder,
    delete_database,
    replace_database,
    delete_write_ahead_log,
    delete_index_of_the_log,
    delete_takes_folder,
    replace_takes_folder_by_file,
    migrate_to_newer_schema,
    reset_clock,
]


async def leave_message(app: AppFixture) -> ScriptedCall:
    return await app.run_call([Speak(3000, then="hang-up")], path="leave", number="1000", caller="2001")


async def report(app: AppFixture) -> HealthReport:
    app.clock.advance(s=5)
    return await app.container.health_monitor.report()


async def test_healthy_service_is_ready(app: AppFixture) -> None:
    await app.create_box()
    found = await report(app)
    assert found.is_ready, found.problems


@pytest.mark.parametrize("break_it", PREVENTS_STORING)
async def test_service_that_cannot_store_leaves_the_caller_to_the_dialplan(app: AppFixture, break_it: Break) -> None:
    await app.create_box()
    break_it(app)
    phone = await leave_message(app)
    assert phone.texts == [], "no caller waits for a greeting that leads nowhere"
    assert phone.status == "", "the dialplan records by itself if IVR_STATUS is empty"
    assert not (await report(app)).is_ready


@pytest.mark.parametrize("break_it", [lose_pepper, change_pepper])
async def test_service_without_its_pepper_is_not_ready_and_still_takes_messages(
    app: AppFixture, break_it: Break
) -> None:
    box = await app.create_box()
    break_it(app)
    found = await report(app)
    assert [finding.check for finding in found.problems] == ["pepper"]
    await leave_message(app)
    assert len(await app.messages(box)) == 1


async def test_account_folder_that_is_a_file_is_not_ready_and_messages_wait_until_it_is_gone(app: AppFixture) -> None:
    box = await app.create_box()
    folder = data_of(app) / box.account_id
    folder.touch()
    [problem] = (await report(app)).problems
    assert (problem.check, problem.command) == ("recordings", f"mv {folder} {folder}.aside && systemctl restart ivr")
    await leave_message(app)
    assert await app.messages(box) == []
    folder.unlink()
    for _ in range(3):
        await app.container.recording_recovery.run_once()
        app.clock.advance(s=3600)
    assert len(await app.messages(box)) == 1
    assert (await report(app)).is_ready


@pytest.mark.parametrize("place", ["takes", "account", "audio-cache"])
async def test_full_disk_of_one_folder_is_found(app: AppFixture, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Recordings in progress, or those of an account, may have a disk of their own."""
    box = await app.create_box()
    folder = data_of(app) / (box.account_id if place == "account" else place)
    folder.mkdir(exist_ok=True)
    folder.chmod(0o2770)
    monkeypatch.setattr("ivr.health.folders._device_of", lambda path: path == folder)
    facts = HealthFacts(
        folder=data_of(app), now=app.clock.now(), free_bytes=lambda path: 1000 if path == folder else 2**40
    )
    [problem] = [finding for finding in run_checks(facts) if finding.what == f"0 MB free for {folder}"]
    assert problem.level is Level.PROBLEM
    assert problem.prevents_storing is (place == "takes"), "what cannot be stored elsewhere stays in takes"
    assert ("lower cache_mb in [audio]" in problem.remedy) is (place == "audio-cache")


@pytest.mark.parametrize(("change", "command"), [(move_data_folder, "mount -a && "), (replace_data_folder, "")])
async def test_folder_that_is_another_one_than_the_service_opened_is_a_finding_of_its_own(
    app: AppFixture, change: Break, command: str
) -> None:
    await app.create_box()
    assert app.container.opened_folder
    change(app)
    problems = [one for one in (await report(app)).findings if "moved, deleted or replaced while the s" in one.what]
    assert [(one.check, one.command) for one in problems] == [("data folder", f"{command}systemctl restart ivr")]


async def test_read_only_file_system_is_one_finding_and_not_one_for_each_folder(
    app: AppFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A chown would not help: it fails there too."""
    box = await app.create_box()
    (data_of(app) / box.account_id).mkdir(exist_ok=True)
    monkeypatch.setattr("ivr.health.folders.is_read_only", lambda _: True)
    monkeypatch.setattr("ivr.health.folders._is_readable_by_group", lambda *_: False)
    found = [
        one for one in run_checks(HealthFacts(folder=data_of(app), now=app.clock.now())) if "read-only" in one.what
    ]
    assert [one.check for one in found] == ["data folder"]
    others = run_checks(HealthFacts(folder=data_of(app), now=app.clock.now()))
    assert [one.what for one in others if one.check == "recordings" and one.level is Level.PROBLEM] == []


async def test_unknown_time_zone_is_reported_for_account_user_and_box(app: AppFixture) -> None:
    await app.create_box("1000", timezone="America/New_York")
    connection = sqlite3.connect(data_of(app) / "state" / "ivr.db")
    connection.execute("UPDATE accounts SET timezone = 'Mars/One'")
    connection.execute("UPDATE users SET timezone = 'Mars/Two' WHERE name = 'bob'")
    connection.execute("UPDATE boxes SET settings = json_set(settings, '$.timezone', 'Mars/Three')")
    connection.commit()
    connection.close()
    assert set(await app.container.health_store.zones()) == {
        ZoneUse("account", "demo", "Mars/One"),
        ZoneUse("user", "bob", "Mars/Two", "demo"),
        ZoneUse("box", "1000", "Mars/Three"),
    }
    problems = (await report(app)).problems
    assert {finding.check for finding in problems} == {"time zones"}
    assert len(problems) == 3


async def test_clock_behind_the_newest_message_is_reported(app: AppFixture) -> None:
    await app.create_message(await app.create_box())
    app.clock.advance(s=-86_400)
    assert [finding.check for finding in (await report(app)).problems] == ["clock"]


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
async def test_clock_that_is_not_that_of_postgresql_is_named_and_calls_are_taken(app: AppFixture) -> None:
    """If the clock of the server is the wrong one, all nodes differ from it, and one of them must take the calls."""
    found = await report(app)
    assert found.is_ready
    [finding] = [one for one in found.findings if "that of PostgreSQL" in one.what]
    assert (finding.check, finding.level, finding.command) == ("clock", Level.WARNING, SET_CLOCK)
    page = json.loads((await app.container.health_pages.render_readiness()).body)
    assert (page["status"], page["checks"]["clock"]) == ("ready", "warning")
    server_time = await app.container.health_store.server_time()
    assert server_time
    app.clock.advance(s=server_time - app.clock.now())
    assert not [one for one in (await report(app)).findings if "that of PostgreSQL" in one.what]


async def test_database_that_fails_during_the_greeting_leaves_the_caller_to_the_dialplan(app: AppFixture) -> None:
    """The check at the start of the call found nothing."""
    await app.create_box()

    async def finds_nothing() -> None:
        delete_database(app)

    services = replace(app.container.voicemail_services, verify_storage=finds_nothing)
    app.container.voicemail_services = services
    phone = await leave_message(app)
    assert "could not be done" not in " ".join(phone.texts)
    assert phone.status == ""


async def test_full_disk_is_told_before_the_greeting(app: AppFixture) -> None:
    """The dialplan could not record either."""
    await app.create_box()
    app.container.health_limits = replace(app.container.health_limits, critical_space_bytes=2**60, full_bytes=2**60)
    phone = await leave_message(app)
    assert phone.status == "ERROR"
    [text] = phone.texts
    assert "could not be done" in text


async def test_owner_still_hears_messages_of_a_database_that_was_replaced(app: AppFixture) -> None:
    await app.create_message(await app.create_box("1000", owner=app.alice))
    replace_database(app)
    phone = await app.run_call([HangUp()], endpoint="alice", number="1000")
    assert any("message" in text for text in phone.texts)


async def test_no_change_is_written_to_a_database_that_was_replaced(app: AppFixture) -> None:
    box = await app.create_box()
    replace_database(app)
    with pytest.raises(StoreError, match="was moved, deleted or replaced while it was open"):
        await app.create_message(box)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write every file; tests/asterisk shows it with a service user")
async def test_service_recovers_when_the_database_is_writable_again(app: AppFixture) -> None:
    box = await app.create_box()
    path = data_of(app) / "state" / "ivr.db"
    path.chmod(0o440)
    assert not (await report(app)).is_ready
    path.chmod(0o640)
    assert (await report(app)).is_ready
    await leave_message(app)
    assert len(await app.messages(box)) == 1


async def test_clients_that_ask_at_the_same_time_share_one_examination(
    app: AppFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    app.clock.advance(s=5)
    examinations: list[int] = []
    examine = app.container.health_store.verify_writable

    async def counted() -> None:
        examinations.append(1)
        await examine()

    monkeypatch.setattr(app.container.health_store, "verify_writable", counted)
    monitor: HealthMonitor = app.container.health_monitor
    reports: Iterable[HealthReport] = await asyncio.gather(*(monitor.report() for _ in range(200)))
    assert all(found.is_ready for found in reports)
    await monitor.report()
    assert len(examinations) == 1
