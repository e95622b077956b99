"""Fallback recordings become messages, each once; a file that cannot be delivered stays."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from ivr.audio import wav
from ivr.clock import EARLIEST_PLAUSIBLE_TIME
from ivr.directory.models import Account
from ivr.errors import StoreError
from ivr.mailbox.voicemail_settings import DAY_S
from ivr.recovery.fallback_recordings import parse_file_name
from ivr.storage.records import Take
from tests.support.app_fixture import NOON, AppFixture
from tests.support.speech import speech_pcm

SPEECH = speech_pcm(2000)


def write_fallback_recording(app: AppFixture, name: str, speech: bytes = SPEECH) -> Path:
    """A file as the dialplan's Record() leaves it when Asterisk is killed."""
    path = app.container.recordings.takes_folder / name
    path.write_bytes(wav.header(0) + speech)
    return path


def fallback_name(account: str = "demo", box: str = "1000", caller: str = "2001", at: int = NOON - 60) -> str:
    return f"fallback-{account}-{box}-{caller}-{at}-14628816000012.wav"


async def run_recovery(app: AppFixture) -> list[str]:
    """Run the recovery for a minute. Return the log events about fallback recordings."""
    with capture_logs() as logs:
        for _ in range(20):
            await app.container.recording_recovery.run_once()
            app.clock.advance(s=3)
    return [entry["event"] for entry in logs if str(entry["event"]).startswith("fallback_recording.")]


async def test_fallback_recording_becomes_message_once(app: AppFixture) -> None:
    box = await app.create_box()
    path = write_fallback_recording(app, fallback_name())
    await run_recovery(app)
    [message] = await app.messages(box)
    assert (message.length_ms, message.caller.number, message.time) == (2000, "2001", NOON - 60)
    assert (message.from_uri, message.to_uri) == ("2001@demo.example", "1000@demo.example")
    assert app.container.recordings.message_path(box.account_id, message.id).read_bytes()[:44] == wav.header(32_000)
    assert not path.exists()


async def test_recovery_rests_while_nothing_changes_and_finds_what_is_new_at_once(
    app: AppFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = await app.create_box()
    recovery, takes, looks = app.container.recording_recovery, app.container.takes, 0

    async def list_unfinished() -> list[Take]:
        nonlocal looks
        looks += 1
        return await type(takes).list_unfinished(takes)

    monkeypatch.setattr(takes, "list_unfinished", list_unfinished)
    skipped = app.container.recovery_timing.runs_per_forced_run
    for _ in range(skipped + 2):
        await recovery.run_if_needed()
    assert looks == 2, "at the start, and once although nothing has changed"
    assert recovery.last_run_at == NOON
    write_fallback_recording(app, fallback_name())
    for _ in range(3):  # It is looked at until it has stopped growing.
        await recovery.run_if_needed()
        app.clock.advance(s=3)
    assert (looks, len(await app.messages(box))) == (5, 1)


async def test_recording_that_waited_longer_than_retention_is_heard(app: AppFixture) -> None:
    box = await app.create_box()
    left_at = NOON - 200 * DAY_S
    write_fallback_recording(app, fallback_name(at=left_at))
    await run_recovery(app)
    await app.container.retention_worker.run_once()
    assert [message.time for message in await app.messages(box)] == [left_at]


async def test_crash_before_unlink_creates_no_duplicate_message(app: AppFixture) -> None:
    box = await app.create_box()
    content = write_fallback_recording(app, fallback_name()).read_bytes()
    await run_recovery(app)
    (app.container.recordings.takes_folder / fallback_name()).write_bytes(content)
    await run_recovery(app)
    assert len(await app.messages(box)) == 1
    [message] = await app.messages(box)
    await app.container.messages.soft_delete(box.id, [message.id])
    app.clock.advance(s=8 * 86_400)
    await app.container.retention_worker.run_once()
    (app.container.recordings.takes_folder / fallback_name()).write_bytes(content)
    await run_recovery(app)
    assert await app.messages(box) == [], "not even when the message was purged in between"


async def test_growing_fallback_recording_is_not_recovered(app: AppFixture) -> None:
    box = await app.create_box()
    for seconds in range(1, 6):
        write_fallback_recording(app, fallback_name(), SPEECH * seconds)
        await app.container.recording_recovery.run_once()
        app.clock.advance(s=4)
    assert await app.messages(box) == []


@pytest.mark.parametrize("account", ["demo", "demoexample"])
async def test_account_in_filename_matches_name_or_realm_without_special_characters(
    app: AppFixture, account: str
) -> None:
    box = await app.create_box()
    write_fallback_recording(app, fallback_name(account))
    await run_recovery(app)
    assert len(await app.messages(box)) == 1


@pytest.mark.parametrize("account", ["", "default"])
async def test_missing_account_is_inferred_from_unique_box(app: AppFixture, account: str) -> None:
    box = await app.create_box(aliases=["5550123"])
    await app.container.directory.create_account(Account(name="other", realm="other.example"))
    write_fallback_recording(app, fallback_name(account=account, box="5550123"))
    await run_recovery(app)
    assert len(await app.messages(box)) == 1


async def test_anonymous_caller_has_no_number(app: AppFixture) -> None:
    box = await app.create_box()
    write_fallback_recording(app, fallback_name(caller="anonymous"))
    await run_recovery(app)
    [message] = await app.messages(box)
    assert (message.caller.number, message.from_uri) == ("", "anonymous@demo.example")


async def test_fallback_recording_shorter_than_minimum_is_dropped(app: AppFixture) -> None:
    box = await app.create_box()
    path = write_fallback_recording(app, fallback_name(), SPEECH[:3000])
    assert await run_recovery(app) == ["fallback_recording.discarded"]
    assert await app.messages(box) == []
    assert not path.exists()


@pytest.mark.parametrize(
    "name",
    [
        fallback_name(box="4711"),
        fallback_name(account="unknown"),
        "fallback-.wav",
        "fallback-demo-1000.wav",
        "fallback-demo-1000-2001-soon-1.wav",
        "fallback-demo-../../etc-2001-1462881540-1.wav".replace("/", "_"),
        fallback_name() + ".bak",
    ],
)
async def test_fallback_recording_without_box_is_kept_and_logged_once(app: AppFixture, name: str) -> None:
    await app.create_box()
    path = write_fallback_recording(app, name)
    with capture_logs() as logs:
        for _ in range(20):
            await app.container.recording_recovery.run_once()
            app.clock.advance(s=3)
    [logged] = [entry for entry in logs if entry["event"] == "fallback_recording.not_delivered"]
    assert logged["remedy"]
    assert logged["file"] == str(path)
    assert path.exists()


async def test_invalid_fallback_file_is_kept(app: AppFixture) -> None:
    await app.create_box()
    path = write_fallback_recording(app, fallback_name())
    path.write_bytes(b"something else altogether" * 1000)
    assert await run_recovery(app) == ["fallback_recording.not_delivered"]
    assert path.exists()


@pytest.mark.parametrize("content", [b"", b"something else altogether" * 1000])
async def test_recording_that_cannot_become_a_message_is_removed_after_its_time(
    app: AppFixture, content: bytes
) -> None:
    """No owner can hear or delete it: what a caller said stayed on the disk for ever."""
    await app.create_box()
    path = write_fallback_recording(app, fallback_name() if content else fallback_name(box="4711"))
    path.write_bytes(content or path.read_bytes())
    os.utime(path, (NOON - 89 * DAY_S,) * 2)
    assert await run_recovery(app) == ["fallback_recording.not_delivered"]
    app.clock.jump(200 * DAY_S)
    await run_recovery(app)
    assert path.exists(), "a clock that was set forward removes nothing early"
    app.clock.jump(-200 * DAY_S)
    app.clock.advance(s=DAY_S)
    assert await run_recovery(app) == ["fallback_recording.expired"]
    assert not path.exists()


async def test_damaged_file_that_cannot_be_removed_ends_no_recovery(
    app: AppFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    await app.create_box()
    path = write_fallback_recording(app, fallback_name())
    path.write_bytes(b"something else altogether" * 1000)
    os.utime(path, (NOON - 100 * DAY_S,) * 2)

    def refuse(_: Path) -> None:
        raise StoreError("the disk is mounted read-only")

    monkeypatch.setattr(app.container.recordings, "remove", refuse)
    assert "fallback_recording.failed" in await run_recovery(app)


async def test_box_created_later_receives_fallback_recording(app: AppFixture) -> None:
    write_fallback_recording(app, fallback_name())
    assert await run_recovery(app) == ["fallback_recording.not_delivered"]
    box = await app.create_box()
    await run_recovery(app)
    assert len(await app.messages(box)) == 1


@given(st.text(max_size=60))
def test_any_filename_is_parsed_without_error(text: str) -> None:
    found = parse_file_name(Path("/takes") / f"fallback-{text.replace('/', '')}.wav")
    assert found is None or found.message_id


async def test_recording_of_a_clock_that_was_not_set_is_delivered_with_the_present_time(app: AppFixture) -> None:
    """With the time of its name it would be past its retention, and never heard."""
    box = await app.create_box()
    app.clock.advance(s=EARLIEST_PLAUSIBLE_TIME - NOON + 86_400)
    now = app.clock.now()
    write_fallback_recording(app, fallback_name(at=1234))
    await run_recovery(app)
    [message] = await app.messages(box)
    assert now <= message.time <= app.clock.now()


@pytest.mark.parametrize("account", ["demo", ""])
async def test_box_is_found_by_as_many_queries_whatever_the_number_of_accounts(
    app: AppFixture, monkeypatch: pytest.MonkeyPatch, account: str
) -> None:
    box = await app.create_box()
    read, queries = app.container.database.read, list[object]()

    async def count(query: Callable[[sqlite3.Connection], object]) -> object:
        queries.append(query)
        return await read(query)

    monkeypatch.setattr(app.container.database, "read", count)
    path = write_fallback_recording(app, fallback_name(account=account))
    await run_recovery(app)
    with_one_account = len(queries)
    for n in range(20):
        await app.container.directory.create_account(Account(name=f"other{n}", realm=f"other{n}.example"))
    queries.clear()
    write_fallback_recording(app, fallback_name(account=account, caller="2002"))
    await run_recovery(app)
    assert len(queries) <= with_one_account
    assert not path.exists()
    assert len(await app.messages(box)) == 2


@pytest.mark.parametrize("jump_s", [3600, 86_400, 30 * 86_400])
async def test_recording_of_a_clock_that_was_set_back_is_delivered_at_once(app: AppFixture, jump_s: int) -> None:
    """It is no message of the future, and does not wait for the day of its name."""
    box = await app.create_box()
    path = write_fallback_recording(app, fallback_name(at=NOON + jump_s))
    assert await run_recovery(app) == ["fallback_recording.delivered"]
    assert not path.exists()
    [message] = await app.messages(box)
    assert NOON <= message.time <= app.clock.now()
