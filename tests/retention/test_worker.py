"""Retention: what is hidden, what is removed, when, and what stays."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import time
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
import structlog
from structlog.testing import capture_logs

from ivr.audio import wav
from ivr.clock import RetentionClock
from ivr.errors import NotFound, PastRetention, StoreError
from ivr.health.checks import check_clock
from ivr.health.facts import HealthFacts, HealthLimits
from ivr.health.finding import Level
from ivr.mailbox.takes import TakeSource
from ivr.mailbox.voicemail_settings import DAY_S
from ivr.retention.consistency_check import DEFAULT_LIMITS, MISSING_AUDIO, ConsistencyCheck, ScanLimits
from ivr.retention.rules import ROW_AGE_RULES, RetentionSchedule
from ivr.retention.worker import RetentionStorage, RetentionWorker
from ivr.storage.protocols import AudioStore
from ivr.storage.records import (
    AuditQuery,
    Caller,
    CallRecord,
    ChangeReason,
    Folder,
    FolderCounts,
    MediaDirectory,
    MediaKind,
    Message,
    RecordingPurpose,
    RetentionRule,
    StoredMedia,
)
from ivr.storage.sqlite import retention as statements
from ivr.storage.sqlite.retention import SqliteRetention
from tests.support.app_fixture import AppFixture
from tests.support.s3_server import S3Server
from tests.support.scripted_call import Press

INTERVAL_S = 3600


def create_worker(app: AppFixture, *, batch_size: int = 100, limits: ScanLimits = DEFAULT_LIMITS) -> RetentionWorker:
    container, store = app.container, SqliteRetention(app.container.database, app.clock)
    return RetentionWorker(
        storage=RetentionStorage(
            retention=store,
            messages=container.messages,
            recordings=container.recordings,
            leases=container.leases,
            audit_log=container.audit_log,
        ),
        directory=container.directory,
        consistency_check=ConsistencyCheck(
            store=store,
            directory=container.directory,
            recordings=container.recordings,
            settings=app.settings.retention,
            clock=app.clock,
            limits=limits,
        ),
        schedule=RetentionSchedule(app.settings.retention, app.settings.voicemail, app.container.retention_clock),
        batch_size=batch_size,
    )


async def run_retention(app: AppFixture, worker: RetentionWorker | None = None) -> None:
    """Run until nothing more is due."""
    worker = worker or app.container.retention_worker
    while await worker.run_once():
        pass


async def advance_days(app: AppFixture, days: float) -> None:
    """Run the retention worker once a day, and once more an hour later."""
    for _ in range(int(days)):
        app.clock.advance(s=DAY_S)
        await run_retention(app)
    app.clock.advance(s=(days - int(days)) * DAY_S + INTERVAL_S)
    await run_retention(app)


def audio_path(app: AppFixture, message: Message) -> Path:
    return app.container.delivery.audio_paths(message)[-1]


async def tombstones(app: AppFixture) -> list[dict[str, object]]:
    found = await app.container.database.read(lambda c: c.execute("SELECT * FROM tombstones ORDER BY id").fetchall())
    return [dict(row) for row in found]


async def test_expired_message_is_hidden_in_unused_boxes(app: AppFixture) -> None:
    box = await app.create_box()
    message = await app.create_message(box, age_s=0)
    await advance_days(app, 93)
    assert await app.container.messages.counts(box.id) == FolderCounts(new=1), "the hour of grace is not over"
    app.clock.advance(s=3600)
    await run_retention(app)
    assert await app.container.messages.counts(box.id) == FolderCounts()
    with pytest.raises(PastRetention):
        await app.container.messages.get(box.id, message.id, 0)
    assert audio_path(app, message).exists(), "hidden, but not removed yet"


async def test_retention_setting_of_account_overrides_system(app: AppFixture) -> None:
    account = app.account.model_copy(update={"settings": {"message_retention_duration": 10}})
    app.account = await app.container.directory.update_account(account)
    box = await app.create_box()
    await app.create_message(box)
    await advance_days(app, 11)
    assert await app.container.messages.counts(box.id) == FolderCounts()


async def test_message_is_purged_thirty_days_after_retention(app: AppFixture) -> None:
    box = await app.create_box()
    message = await app.create_message(box)
    await advance_days(app, 94 + 29)
    assert audio_path(app, message).exists()
    await advance_days(app, 2)
    assert not audio_path(app, message).exists()
    with pytest.raises(NotFound):
        await app.container.messages.get(box.id, message.id, 0)


@pytest.mark.both_engines
async def test_removal_and_its_entry_of_the_audit_log_are_one_transaction(app: AppFixture) -> None:
    """A service that was killed between the two had removed messages without an entry."""
    box = await app.create_box()
    message = await app.create_message(box)
    await app.container.messages.soft_delete(box.id, [message.id])
    app.clock.advance(s=8 * DAY_S)
    dying = create_worker(app)

    async def die(*_: object) -> None:
        raise asyncio.CancelledError

    append, app.container.audit_store.append = app.container.audit_store.append, die  # type: ignore[method-assign,assignment]
    with contextlib.suppress(asyncio.CancelledError):
        await dying.run_once()
    app.container.audit_store.append = append  # type: ignore[method-assign]
    [entry] = await app.container.audit_store.find(AuditQuery(subject=message.id), 9)
    assert (entry.action, entry.actor.door, entry.actor.proof) == (
        "deleted",
        "service",
        RetentionRule.SOFT_DELETED.value,
    )


@pytest.mark.object_store
async def test_purged_message_leaves_the_object_store_once_that_answers(app: AppFixture, s3_server: S3Server) -> None:
    box = await app.create_box()
    purged, other = await app.create_message(box), await app.create_message(box)
    await app.container.messages.soft_delete(box.id, [purged.id])
    app.clock.advance(s=8 * DAY_S)
    s3_server.fail()
    with pytest.raises(StoreError, match="start the object store"):
        await run_retention(app)
    assert [purged.recording in key for key in sorted(s3_server.objects)].count(True) == 1
    s3_server.fault = None
    await run_retention(app)
    assert list(s3_server.objects) == [f"data/{box.account_id}/vm/{other.recording}.wav"]
    assert [tombstone["pending_unlinks"] for tombstone in await tombstones(app)] == [None]


async def test_deleted_message_is_purged_after_thirty_days_and_seven_more(app: AppFixture) -> None:
    box = await app.create_box()
    message = await app.create_message(box)
    await advance_days(app, 5)
    await app.container.messages.move_to_folder(box.id, message.id, Folder.DELETED, ChangeReason.DTMF)
    await advance_days(app, 29)
    assert await app.folder_of(message) == "deleted"
    await advance_days(app, 1)
    assert await app.messages(box) == []
    assert await app.container.messages.counts(box.id) == FolderCounts()
    assert audio_path(app, message).exists()
    await advance_days(app, 7)
    assert not audio_path(app, message).exists()


async def test_tombstone_holds_no_personal_data(app: AppFixture) -> None:
    box = await app.create_box()
    message = await app.create_message(box, caller="5550123")
    await app.container.messages.soft_delete(box.id, [message.id])
    await app.container.database.write(
        lambda c: c.execute("UPDATE messages SET transcription = 'dear Bob Qzxyvw'").rowcount
    )
    await advance_days(app, 8)
    [tombstone] = await tombstones(app)
    assert (tombstone["id"], tombstone["box_id"], tombstone["account_id"], tombstone["kind"]) == (
        message.id,
        box.id,
        app.account.id,
        "message",
    )
    assert tombstone["created_at"]
    assert tombstone["purged_at"]
    outbox_rows = await app.container.database.read(
        lambda c: c.execute("SELECT count(*) FROM outbox WHERE message_id IS NOT NULL").fetchone()[0]
    )
    assert outbox_rows == 0


@pytest.mark.sqlite_only
async def test_purged_data_is_erased_from_database_file(app: AppFixture) -> None:
    """Without secure_delete, SQLite leaves deleted content in the file until the page is reused."""
    box = await app.create_box()
    message = await app.create_message(box, caller="5550123")
    await app.container.database.write(
        lambda c: c.execute("UPDATE messages SET transcription = 'dear Bob Qzxyvw'").rowcount
    )
    file = app.settings.data.folder / "state" / "ivr.db"
    other = sqlite3.connect(file)
    other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert b"dear Bob" in file.read_bytes()
    assert b"qzxyvw" in file.read_bytes(), "the index has each word in small letters"
    await app.container.messages.soft_delete(box.id, [message.id])
    await advance_days(app, 8)
    other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    other.close()
    assert b"dear Bob" not in file.read_bytes()
    assert b"5550123" not in file.read_bytes()
    assert b"qzxyvw" not in file.read_bytes()


async def test_write_waits_for_one_batch_not_whole_retention_run(app: AppFixture) -> None:
    box = await app.create_box()
    messages = [await app.create_message(box, s=0.1) for _ in range(30)]
    await app.container.messages.soft_delete(box.id, [message.id for message in messages[1:]])
    app.clock.advance(s=8 * DAY_S)
    retention = asyncio.create_task(run_retention(app, create_worker(app, batch_size=5)))
    await app.container.messages.move_to_folder(box.id, messages[0].id, Folder.SAVED, ChangeReason.DTMF)
    assert any(audio_path(app, message).exists() for message in messages[1:]), "most batches are still to come"
    await retention


async def test_all_renditions_are_purged(app: AppFixture) -> None:
    mine, bobs = await app.create_box("1000"), await app.create_box("1001")
    [copy] = await app.container.delivery.copy(await app.create_message(mine), [bobs])
    await app.container.database.write(lambda c: c.execute("UPDATE messages SET intro_id = ?", ("a" * 32,)).rowcount)
    intro = app.container.recordings.media_path(copy.account_id, "a" * 32)
    app.container.recordings.write(wav.silence(100), intro)
    cached = audio_path(app, copy).with_suffix(".mp3")
    cached.touch()
    await app.container.messages.soft_delete(bobs.id, [copy.id])
    await advance_days(app, 8)
    assert [path for path in (audio_path(app, copy), cached, intro) if path.exists()] == []


async def test_copy_keeps_its_audio_when_the_original_is_purged(app: AppFixture) -> None:
    mine, bobs = await app.create_box("1000"), await app.create_box("1001")
    original = await app.create_message(mine)
    [copy] = await app.container.delivery.copy(original, [bobs])
    assert os.path.samefile(audio_path(app, original), audio_path(app, copy))
    await app.container.messages.soft_delete(mine.id, [original.id])
    await advance_days(app, 8)
    assert not audio_path(app, original).exists()
    assert wav.length_ms(audio_path(app, copy)) == 5000


async def test_crash_between_row_and_file_removal_is_repaired(app: AppFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    box = await app.create_box()
    message = await app.create_message(box)
    await app.container.messages.soft_delete(box.id, [message.id])

    def crash(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(app.container.recordings, "remove_all_files", crash)
    app.clock.advance(s=8 * DAY_S)
    with pytest.raises(KeyboardInterrupt):
        await run_retention(app)
    assert audio_path(app, message).exists()
    monkeypatch.undo()
    await run_retention(app)
    assert not audio_path(app, message).exists()
    assert [tombstone["pending_unlinks"] for tombstone in await tombstones(app)] == [None]


async def test_deleted_box_is_purged_with_its_messages_greetings_and_pin(app: AppFixture) -> None:
    box, other = await app.create_box("1000", owner=app.alice), await app.create_box("1001")
    message, other_message = await app.create_message(box), await app.create_message(other)
    greeting = await insert_greeting(app, box.id, MediaKind.UNAVAILABLE)
    name = await insert_greeting(app, box.id, MediaKind.NAME)
    alice = app.alice.model_copy(update={"settings": {"media": {"name": name.id}}})
    await app.container.directory.update_user(alice)
    await app.container.boxes.delete(box)
    await advance_days(app, 6)
    assert audio_path(app, message).exists()
    await advance_days(app, 2)
    media = partial(app.container.recordings.media_path, box.account_id)
    assert not audio_path(app, message).exists()
    assert not media(greeting.id).exists()
    assert media(name.id).exists(), "the name belongs to the user, not to the box"
    assert audio_path(app, other_message).exists()
    rows = await app.container.database.read(
        lambda c: [c.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("boxes", "secrets", "media")]
    )
    assert rows == [1, 2, 1], "the other box, its PIN and the check value of the pepper, and the name"


async def insert_greeting(app: AppFixture, box_id: str, kind: MediaKind, age_s: int = 0) -> StoredMedia:
    media = StoredMedia(
        id=app.container.ids.new_document_id(),
        account_id=app.account.id,
        box_id=box_id,
        kind=kind,
        length_ms=100,
        bytes=1644,
        created_at=int(app.clock.now()) - age_s,
    )
    app.container.recordings.write(wav.silence(100), app.container.recordings.media_path(app.account.id, media.id))
    await app.container.media.add(media)
    return media


async def test_replaced_greeting_is_purged_and_active_one_stays(app: AppFixture) -> None:
    box = await app.create_box()
    old, new = [await insert_greeting(app, box.id, MediaKind.UNAVAILABLE) for _ in range(2)]
    other = await app.create_box("1001", greeting_media_id=new.id)
    await app.container.boxes.patch(other, {"name": "uses the greeting of another box"})
    await advance_days(app, 29)
    assert app.container.recordings.media_path(app.account.id, old.id).exists()
    await advance_days(app, 10)
    assert not app.container.recordings.media_path(app.account.id, old.id).exists()
    assert app.container.recordings.media_path(app.account.id, new.id).exists()


async def test_greeting_without_decision_of_its_owner_is_purged_after_a_month(app: AppFixture) -> None:
    box = await app.create_box()
    takes = app.container.voicemail_services.takes
    source = TakeSource("PJSIP/alice-1", "call.1", Caller())
    waiting = await takes.begin(box.account_id, box.id, RecordingPurpose.GREETING, source)
    wav.write(Path(waiting.path), wav.silence(2000))
    await takes.mark_awaiting_owner(waiting)
    await advance_days(app, 29)
    assert [take.id for take in await takes.list_awaiting_owner(box.id)] == [waiting.id]
    await advance_days(app, 2)
    assert await takes.list_awaiting_owner(box.id) == []
    assert not Path(waiting.path).exists()


async def test_call_records_and_auth_attempts_are_removed_after_thirty_days(app: AppFixture) -> None:
    box = await app.create_box(owner=app.alice)
    await app.run_call([Press("9753#")], number="1000")
    call = CallRecord("PJSIP/x-1", "5550100", "check", "DONE", int(app.clock.now()), 0, None, None, [])
    await app.container.call_store.finish(call)
    await advance_days(app, 29)
    query = "SELECT (SELECT count(*) FROM calls), (SELECT count(*) FROM auth_attempts)"
    assert tuple(await app.container.database.read(lambda c: c.execute(query).fetchone())) == (2, 3)
    await advance_days(app, 1)
    assert tuple(await app.container.database.read(lambda c: c.execute(query).fetchone())) == (0, 0)
    assert box


async def test_large_backlog_is_purged_over_several_runs(app: AppFixture) -> None:
    worker = create_worker(app, batch_size=10)
    box = await app.create_box()
    messages = [await app.create_message(box, s=0.1) for _ in range(25)]
    await app.container.messages.soft_delete(box.id, [message.id for message in messages])
    app.clock.advance(s=8 * DAY_S)
    left = []
    while await worker.run_once():
        left.append(sum(audio_path(app, message).exists() for message in messages))
    assert left[:2] == [15, 5]
    assert not any(audio_path(app, message).exists() for message in messages)


# -- undelete --------------------------------------------------------------


@pytest.mark.parametrize("folder", ["new", "saved", "deleted"])
async def test_soft_deleted_message_is_undeleted_to_its_folder(app: AppFixture, folder: str) -> None:
    box = await app.create_box()
    message = await app.create_message(box, folder="saved")
    await app.container.messages.move_to_folder(box.id, message.id, Folder(folder), ChangeReason.DTMF)
    await app.container.messages.soft_delete(box.id, [message.id])
    await advance_days(app, 6)
    restored = await app.container.messages.undelete(box.id, message.id, ChangeReason.API_REQUEST)
    assert restored.folder == ("saved" if folder == "deleted" else folder)
    assert await app.container.messages.used_bytes(box.id) == message.bytes
    assert [m.id for m in await app.messages(box)] == [message.id]
    await advance_days(app, 20)
    assert audio_path(app, message).exists(), "the undeleted message is not purged"


async def test_undelete_after_deadline_raises(app: AppFixture) -> None:
    box = await app.create_box()
    message = await app.create_message(box)
    await app.container.messages.soft_delete(box.id, [message.id])
    await advance_days(app, 8)
    with pytest.raises(NotFound, match=r"too late: .* was removed for good on 2016-05-18"):
        await app.container.messages.undelete(box.id, message.id, ChangeReason.API_REQUEST)
    with pytest.raises(NotFound, match="nor was there"):
        await app.container.messages.undelete(box.id, "201605-" + "0" * 32, ChangeReason.API_REQUEST)


async def test_expired_message_is_not_undeleted(app: AppFixture) -> None:
    box = await app.create_box()
    message = await app.create_message(box)
    await advance_days(app, 94)
    await app.container.boxes.delete(box)
    with pytest.raises(PastRetention):
        await app.container.messages.undelete(box.id, message.id, ChangeReason.API_REQUEST)


# -- files without a row --------------------------------------------------------------


@pytest.fixture
def app_on_current_date(app: AppFixture) -> AppFixture:
    """The age of a file is its real ctime, so the clock of the app begins with the real time."""
    app.clock.advance(s=time.time() - app.clock.now())
    return app


async def test_orphan_files_are_removed_after_a_week(app_on_current_date: AppFixture) -> None:
    app, folder = app_on_current_date, app_on_current_date.settings.data.folder
    box = await app.create_box()
    message = await app.create_message(box)
    hidden = await app.create_message(box)
    await app.container.messages.soft_delete(box.id, [hidden.id])
    vm = audio_path(app, message).parent
    orphans = [
        vm / f"202601-{'1' * 32}.wav",
        vm / f".{message.id}.wav.part",
        folder / app.account.id / "media" / f"{'2' * 32}.wav",
        folder / "takes" / f"{'3' * 32}.wav",
    ]
    others = [vm / "notes-of-the-administrator.txt", folder / "takes" / "fallback-demo-1000-2001-1-1.wav"]
    (folder / app.account.id / "media").mkdir()
    for path in [*orphans, *others]:
        path.write_bytes(wav.header(0))
    app.clock.advance(s=6 * DAY_S)
    await run_retention(app)
    assert all(path.exists() for path in orphans), "not yet after six days"
    app.clock.advance(s=1 * DAY_S + INTERVAL_S)
    found = await app.container.consistency_check.orphans()
    assert sorted(found) == sorted(orphans)
    await run_retention(app)
    assert [path for path in orphans if path.exists()] == []
    assert [path for path in [*others, audio_path(app, message)] if not path.exists()] == []


async def test_restored_database_backup_does_not_delete_audio(
    app_on_current_date: AppFixture,
) -> None:
    """With many files without rows, the rows are missing: no file is removed."""
    app = app_on_current_date
    worker = create_worker(app, limits=ScanLimits(max_orphans=3))
    box = await app.create_box()
    message = await app.create_message(box)
    orphans = [audio_path(app, message).with_name(f"202601-{n:032}.wav") for n in range(4)]
    for path in orphans:
        path.write_bytes(wav.header(0))
    app.clock.advance(s=8 * DAY_S)
    structlog.reset_defaults()
    with capture_logs() as logs:
        await run_retention(app, worker)
    assert all(path.exists() for path in orphans)
    assert [entry["removed"] for entry in logs if entry["event"] == "retention.too_many_orphans"] == [0]
    orphans[0].unlink()
    app.clock.advance(s=DAY_S)
    await run_retention(app, worker)
    assert [path for path in orphans if path.exists()] == []


async def test_message_without_audio_is_logged_and_kept(app: AppFixture) -> None:
    box = await app.create_box()
    message, whole = await app.create_message(box), await app.create_message(box)
    audio_path(app, message).unlink()
    structlog.reset_defaults()
    with capture_logs() as logs:
        await run_retention(app)
    [logged] = [entry for entry in logs if entry["event"] == "retention.audio_missing"]
    assert (logged["message"], logged["file"]) == (message.id, str(audio_path(app, message)))
    assert {m.id for m in await app.messages(box)} == {message.id, whole.id}


async def test_audio_of_a_batch_of_messages_is_looked_for_at_once(app: AppFixture) -> None:
    """An object store lists for each request, and a turn of a thread for each message takes minutes for a million."""
    batches: list[int] = []

    class CountingStore:
        def __getattr__(self, name: str) -> Any:
            return getattr(app.container.recordings, name)

        def find_missing(self, paths: Sequence[Path]) -> list[Path]:
            batches.append(len(paths))
            return app.container.recordings.find_missing(paths)

    box = await app.create_box()
    for _ in range(5):
        await app.create_message(box)
    check = ConsistencyCheck(
        store=app.container.retention_store,
        directory=app.container.directory,
        recordings=cast("AudioStore", CountingStore()),
        settings=app.settings.retention,
        clock=app.clock,
        limits=ScanLimits(messages=3),
    )
    while await check.run_once(Counter()):
        pass
    assert batches == [3, 2]


# -- a clock in doubt ---------------------------------------------------------


@pytest.mark.both_engines
async def test_clock_set_forward_by_months_removes_nothing_until_it_is_trusted(app: AppFixture) -> None:
    box = await app.create_box()
    stored, deleted = await app.create_message(box), await app.create_message(box)
    await app.container.messages.soft_delete(box.id, [deleted.id])
    await run_retention(app)
    app.clock.jump(200 * DAY_S)
    structlog.reset_defaults()
    with capture_logs() as logs:
        await run_retention(app)
        await run_retention(app)
    assert [(one["days"], one["remedy"]) for one in logs if one["event"] == "retention.clock_in_doubt"] == [
        (200, "ivr purge --confirm-clock")
    ]
    cutoff = int(app.clock.now()) - 93 * DAY_S
    counts = await app.container.messages.expire_and_count(app.account.id, box.id, cutoff)
    assert counts == FolderCounts(new=1), "a sign-in hides it as retention does"
    assert [one.id for one in await app.container.messages.list_soft_deleted(box.id, 9)] == [deleted.id]

    after_start = RetentionClock(app.clock)
    assert after_start.lead_s() == 0
    after_start.review(await app.container.leases.trusted_time())
    assert after_start.lead_s() == 200 * DAY_S, "a start knows it too"
    trusted, limits = await app.container.health_store.trusted_time(), HealthLimits(earliest_time=0)
    [finding] = check_clock(HealthFacts(Path(), app.clock.now(), trusted_time=trusted, limits=limits))
    assert (finding.level, finding.command) == (Level.WARNING, "ivr purge --confirm-clock")

    app.clock.jump(-200 * DAY_S)
    await run_retention(app)
    app.clock.jump(200 * DAY_S)
    await run_retention(app)
    assert await app.container.messages.list_soft_deleted(box.id, 9), "set right and wrong again"
    await app.container.retention_worker.confirm_clock()
    await run_retention(app)
    assert not await app.container.messages.list_soft_deleted(box.id, 9)
    assert await app.container.messages.counts(box.id) == FolderCounts()
    with pytest.raises(PastRetention):
        await app.container.messages.get(box.id, stored.id, cutoff)


async def test_time_after_months_without_the_machine_is_trusted_after_a_week_of_running(app: AppFixture) -> None:
    """What becomes due meanwhile is removed on its day: retention goes on at the pace of monotonic time."""
    await run_retention(app)
    app.clock.jump(60 * DAY_S)
    clock = app.container.retention_clock
    await run_retention(app)
    app.clock.advance(s=6 * DAY_S)
    await run_retention(app)
    assert clock.now() == app.clock.now() - 60 * DAY_S
    app.clock.advance(s=2 * DAY_S)
    await run_retention(app)
    assert clock.now() == app.clock.now()


async def test_trust_of_another_process_ends_the_doubt(app: AppFixture) -> None:
    """After `ivr purge --confirm-clock`, the service removes; a wrong node takes the time of another one."""
    await run_retention(app)
    app.clock.jump(60 * DAY_S)
    clock = app.container.retention_clock
    await run_retention(app)
    assert clock.lead_s() == 60 * DAY_S
    await app.container.leases.store_trusted_time(int(app.clock.now()) - 3600)
    await run_retention(app)
    assert clock.lead_s() == 0


@pytest.mark.parametrize("jump_s", [-400 * DAY_S, 8 * DAY_S, 0])
async def test_small_jumps_and_clocks_set_back_and_right_again_are_no_doubt(app: AppFixture, jump_s: float) -> None:
    await run_retention(app)
    app.clock.jump(jump_s)
    await run_retention(app)
    assert app.container.retention_clock.now() == app.clock.now()
    app.clock.jump(-jump_s)
    await run_retention(app)
    assert app.container.retention_clock.now() == app.clock.now()


async def test_consistency_check_runs_once_a_day_whatever_the_clock_does(app: AppFixture) -> None:
    box = await app.create_box()
    audio_path(app, await app.create_message(box)).unlink()

    async def scans() -> int:
        found: Counter[str] = Counter()
        while await app.container.consistency_check.run_once(found):
            pass
        return found[MISSING_AUDIO]

    assert await scans() == 1, "after a start"
    app.clock.jump(400 * DAY_S)
    assert await scans() == 0, "no day has passed"
    app.clock.jump(-800 * DAY_S)
    app.clock.advance(s=DAY_S - 1)
    assert await scans() == 0
    app.clock.advance(s=1)
    assert await scans() == 1, "although the clock is a year behind"


# -- query plans --------------------------------------------------------------


@pytest.mark.sqlite_only
async def test_retention_queries_use_indexes(app: AppFixture) -> None:
    """Each query reads an index in its order: no table scan, no sorting."""
    seen: list[str] = []
    box = await app.create_box()
    await app.create_message(box)

    def trace(connection: sqlite3.Connection) -> None:
        connection.set_trace_callback(seen.append)

    store = SqliteRetention(app.container.database, app.clock)
    await app.container.database.write(trace)
    for _ in range(8):  # Any of the reader connections may answer.
        await app.container.database.read(trace)
        for rule in ROW_AGE_RULES:
            await store.find_due(rule, 1, 10)
        await store.messages_past_retention(app.account.id, 1, 10)
        await store.pending_unlinks(10, replaced_before=1)
        await store.stored_audio("", 10)
        for directory in MediaDirectory:
            await store.existing_ids(directory, {"x"})
        await app.container.messages.list_soft_deleted(box.id, 10)
    await app.container.boxes.delete(box)
    app.clock.advance(s=40 * DAY_S)
    await run_retention(app)
    seen += statements.MEDIA_REFERENCE_QUERIES
    found = {line for line in seen if line.split()[0] in ("SELECT", "UPDATE", "DELETE") and "FROM accounts" not in line}
    assert len(found) > 25
    for statement in found:
        plan = await app.container.database.read(partial(query_plan, statement))
        # A scan of a partial index of due rows is no table scan; the limit bounds its rows.
        assert all(step.startswith("SEARCH") or "tombstones_pending_unlink" in step for step in plan), (
            f"{plan}: {statement}"
        )


def query_plan(statement: str, connection: sqlite3.Connection) -> list[str]:
    values = {"account": "a", "media": "m"} if ":media" in statement else {}
    return [row["detail"] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", values)]
