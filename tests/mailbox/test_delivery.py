"""Delivery of takes: audio first, then the row; no file is left behind."""

from __future__ import annotations

import stat
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from ivr.audio import wav
from ivr.errors import DiskFull, InvalidAudio, NotFound, StoreError
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.takes import Takes, TakeSource
from ivr.recovery.fallback_recordings import FallbackRecordingImporter
from ivr.recovery.recording_recovery import RecordingRecovery, TakeRecovery
from ivr.storage import audio_folder
from ivr.storage.process_locks import ProcessLocks
from ivr.storage.records import Caller, Folder, FolderCounts, RecordingPurpose, Take
from ivr.storage.sqlite.takes import SqliteTakes
from tests.support.app_fixture import AppFixture
from tests.support.speech import speech_pcm

SPEECH = speech_pcm(1000)


async def create_take(
    app: AppFixture,
    box: Mailbox,
    *,
    ms: int = 2000,
    purpose: RecordingPurpose = RecordingPurpose.MESSAGE,
    **payload: str,
) -> Take:
    """A take as Asterisk leaves it when it dies: samples, and a header with length 0."""
    source = TakeSource("PJSIP/x-1", "call.1", Caller("2001", "Joe Caller"))
    take = await app.container.voicemail_services.takes.begin(box.account_id, box.id, purpose, source, payload)
    if ms:
        Path(take.path).write_bytes(wav.header(0) + speech_pcm(ms))
    return take


async def run_recovery(app: AppFixture, after_s: float = 5, ended_channels: bool | None = None) -> None:
    """Run the recovery of a restarted service twice, `after_s` seconds apart."""
    container = app.container
    no_locks = ProcessLocks(app.settings.data.folder / "no-locks")  # The process that began the takes is dead.
    store, node = SqliteTakes(container.database), app.settings.node_name
    takes = Takes(store, container.recordings, app.clock, container.ids, no_locks, node)
    fallback_importer = FallbackRecordingImporter(
        container.boxes, container.delivery, container.recordings, app.clock, container.retention_clock
    )

    async def is_gone(channel: str) -> bool | None:
        return ended_channels

    recovery = RecordingRecovery(
        takes=takes,
        take_recovery=TakeRecovery(takes, container.boxes, container.delivery, container.messages),
        fallback_importer=fallback_importer,
        clock=app.clock,
        is_channel_gone=is_gone,
    )
    await recovery.run_once()
    app.clock.advance(s=after_s)
    await recovery.run_once()


async def test_take_becomes_message_with_repaired_header(app: AppFixture) -> None:
    box = await app.create_box()
    message = await app.container.delivery.deliver(await create_take(app, box), box)
    path = app.container.recordings.message_path(box.account_id, message.id)
    assert path == app.settings.data.folder / box.account_id / "vm" / f"{message.id}.wav"
    assert path.read_bytes()[:44] == wav.header(32_000)
    assert message.length_ms == 2000


async def test_recordings_are_not_world_readable(app: AppFixture) -> None:
    box = await app.create_box()
    message = await app.container.delivery.deliver(await create_take(app, box), box)
    path = app.container.recordings.message_path(box.account_id, message.id)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o2750
    assert stat.S_IMODE(app.container.recordings.takes_folder.stat().st_mode) == 0o2770


async def test_take_is_delivered_once(app: AppFixture) -> None:
    box = await app.create_box()
    take = await create_take(app, box)
    await app.container.delivery.deliver(take, box)
    Path(take.path).write_bytes(wav.header(0) + SPEECH)
    with pytest.raises(NotFound):
        await app.container.delivery.deliver(take, box)
    assert len(await app.messages(box)) == 1


async def test_take_is_recovered_after_crash(app: AppFixture) -> None:
    box = await app.create_box()
    await create_take(app, box)
    await run_recovery(app)
    [message] = await app.messages(box)
    assert (message.length_ms, message.caller.number, message.call_id) == (2000, "2001", "call.1")
    await run_recovery(app)
    assert len(await app.messages(box)) == 1
    assert list(app.container.recordings.takes_folder.iterdir()) == []


async def test_crash_between_rename_and_insert_yields_one_message(app: AppFixture) -> None:
    box = await app.create_box()
    take = await create_take(app, box)
    target = app.container.recordings.message_path(box.account_id, str((take.payload or {})["message_id"]))
    app.container.recordings.copy_and_repair(Path(take.path), target)
    await run_recovery(app)
    assert [m.id for m in await app.messages(box)] == [target.stem]


async def test_growing_take_is_not_recovered(app: AppFixture) -> None:
    box = await app.create_box()
    take = await create_take(app, box)
    recovery = app.container.recording_recovery
    app.container.voicemail_services.takes.release(take.channel, take.call_id)
    for _ in range(10):
        await recovery.run_once()
        Path(take.path).write_bytes(Path(take.path).read_bytes() + SPEECH)
        app.clock.advance(s=4.9)
    assert await app.messages(box) == []
    await recovery.run_once()
    app.clock.advance(s=4.9)
    await recovery.run_once()
    assert await app.messages(box) == []
    app.clock.advance(s=0.2)
    await recovery.run_once()
    [message] = await app.messages(box)
    assert message.length_ms == 12_000


async def test_take_of_live_call_is_not_recovered(app: AppFixture) -> None:
    """While the caller reviews a take, its file does not grow, and it is not recovered."""
    box = await app.create_box()
    take = await create_take(app, box)
    for _ in range(5):
        await app.container.recording_recovery.run_once()
        app.clock.advance(s=60)
    assert await app.messages(box) == []
    app.container.voicemail_services.takes.release(take.channel, take.call_id)
    await app.container.recording_recovery.run_once()
    app.clock.advance(s=5)
    await app.container.recording_recovery.run_once()
    assert len(await app.messages(box)) == 1


async def test_live_channel_prevents_recovery_of_quiet_file(app: AppFixture) -> None:
    box = await app.create_box()
    await create_take(app, box)
    await run_recovery(app, after_s=3600, ended_channels=False)
    assert await app.messages(box) == [], "the caller is on hold"
    await run_recovery(app, after_s=0, ended_channels=True)
    assert len(await app.messages(box)) == 1


async def test_replaced_take_is_never_recovered(app: AppFixture) -> None:
    box = await app.create_box()
    first = await create_take(app, box)
    await app.container.voicemail_services.takes.discard(first)
    await create_take(app, box, ms=3000)
    await run_recovery(app)
    assert [m.length_ms for m in await app.messages(box)] == [3000]


async def test_recovered_greeting_awaits_owner_decision(app: AppFixture) -> None:
    box = await app.create_box()
    take = await create_take(app, box, purpose=RecordingPurpose.GREETING)
    await run_recovery(app)
    assert await app.messages(box) == []
    assert [waiting.id for waiting in await app.container.voicemail_services.takes.list_awaiting_owner(box.id)] == [
        take.id
    ]
    assert Path(take.path).exists()


CRASHES = ["copy_and_repair", "add", "delete_file"]


@pytest.mark.parametrize("intro", [False, True], ids=["message", "intro"])
@pytest.mark.parametrize("at", CRASHES)
@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
async def test_crash_at_any_step_of_recovery_yields_one_message(
    app: AppFixture, monkeypatch: pytest.MonkeyPatch, at: str, before: bool, intro: bool
) -> None:
    box, bobs = await app.create_box("1000"), await app.create_box("1001")
    if intro:
        original = await app.create_message(box)
        await create_take(app, box, purpose=RecordingPurpose.INTRO, original=original.id, destination=bobs.id)
    else:
        await create_take(app, bobs)
    where, name = {
        "copy_and_repair": (app.container.recordings, "copy_and_repair"), "add": (app.container.messages, "add"),
        "delete_file": (Takes, "delete_file"),
    }[at]  # fmt: skip
    real = getattr(where, name)

    def crash(*args: object, **more: object) -> object:
        if before:
            raise PowerCut
        result = real(*args, **more)
        if isinstance(result, Coroutine):
            return _crash_after(result)
        raise PowerCut

    monkeypatch.setattr(where, name, crash)
    with pytest.raises(PowerCut):
        await run_recovery(app)
    monkeypatch.undo()
    for _ in range(2):
        await run_recovery(app)
    [message] = await app.messages(bobs)
    assert message.length_ms == (7000 if intro else 2000)
    assert [path for path in app.container.delivery.audio_paths(message) if not path.exists()] == []
    assert await app.container.voicemail_services.takes.list_unfinished() == []
    assert list(app.settings.data.folder.rglob("*.part")) == []


class PowerCut(BaseException):
    """Not an `Exception`: no handler catches it."""


async def _crash_after(call: Coroutine[Any, Any, Any]) -> None:
    await call
    raise PowerCut


@pytest.mark.parametrize("ms", [0, 300])
async def test_take_shorter_than_minimum_is_discarded(app: AppFixture, ms: int) -> None:
    box = await app.create_box()
    await create_take(app, box, ms=ms)
    await run_recovery(app)
    assert await app.messages(box) == []
    assert await app.container.voicemail_services.takes.list_unfinished() == []


@pytest.mark.parametrize(("second_ms", "kept_ms"), [(0, 2000), (300, 2000), (3000, 3000)])
async def test_crash_while_recording_again_keeps_one_take(app: AppFixture, second_ms: int, kept_ms: int) -> None:
    box = await app.create_box()
    first, second = await create_take(app, box), await create_take(app, box, ms=second_ms)
    await app.container.voicemail_services.takes.mark_replacing(second, first)
    await run_recovery(app)
    await run_recovery(app)
    assert [message.length_ms for message in await app.messages(box)] == [kept_ms]
    assert await app.container.voicemail_services.takes.list_unfinished() == []
    assert list(app.container.recordings.takes_folder.iterdir()) == []


async def test_short_intro_interrupted_by_crash_is_not_forwarded(app: AppFixture) -> None:
    mine, bobs = await app.create_box("1000", owner=app.alice), await app.create_box("1001", owner=app.bob)
    original = await app.create_message(mine, s=5)
    await create_take(app, mine, ms=200, purpose=RecordingPurpose.INTRO, original=original.id, destination=bobs.id)
    await run_recovery(app)
    assert await app.messages(bobs) == []


async def test_invalid_take_is_discarded_and_does_not_block_others(app: AppFixture) -> None:
    box = await app.create_box()
    broken, good = await create_take(app, box), await create_take(app, box)
    Path(broken.path).write_bytes(b"not a recording at all" * 9999)
    await run_recovery(app)
    assert len(await app.messages(box)) == 1
    assert good.id


async def test_intro_interrupted_by_crash_is_forwarded(app: AppFixture) -> None:
    mine, bobs = await app.create_box("1000", owner=app.alice), await app.create_box("1001", owner=app.bob)
    original = await app.create_message(mine, s=5)
    await create_take(app, mine, purpose=RecordingPurpose.INTRO, original=original.id, destination=bobs.id)
    await run_recovery(app)
    [copy] = await app.messages(bobs)
    assert (copy.intro_ms, copy.length_ms) == (2000, 7000)


@pytest.mark.parametrize("folder", ["new", "saved", "deleted"])
async def test_transfer_keeps_id_folder_time_and_urgency(app: AppFixture, folder: str) -> None:
    mine, bobs = await app.create_box("1000"), await app.create_box("1001")
    original = await app.create_message(mine, folder=folder, age_s=3600, urgent=True)
    moved = await app.container.delivery.transfer(original, bobs)
    assert (moved.id, moved.folder, moved.time, moved.urgent) == (original.id, folder, original.time, True)
    assert (moved.caller, moved.history) == (original.caller, (mine.id,))
    assert moved.to_uri.startswith("1001@")
    assert await app.messages(mine) == []
    assert await app.messages(bobs) == [moved]
    assert wav.length_ms(app.container.delivery.audio_paths(moved)[0]) == original.length_ms
    counts = await app.container.messages.counts(bobs.id)
    assert (counts.new, counts.saved, counts.deleted) == tuple(int(folder == name) for name in Folder)
    assert await app.container.messages.counts(mine.id) == FolderCounts()


async def test_transfer_to_its_own_box_changes_nothing(app: AppFixture) -> None:
    mine = await app.create_box("1000")
    original = await app.create_message(mine, folder="saved")
    assert await app.container.delivery.transfer(original, mine) == original
    assert await app.messages(mine) == [original]


async def test_copy_keeps_time_urgency_and_caller(app: AppFixture) -> None:
    mine, bobs = await app.create_box("1000"), await app.create_box("1001")
    original = await app.create_message(mine, folder="saved", age_s=86_400, urgent=True, caller="2001")
    [copy] = await app.container.delivery.copy(original, [bobs])
    assert (copy.time, copy.urgent, copy.caller, copy.folder) == (original.time, True, original.caller, "saved")
    assert (await app.container.messages.counts(bobs.id)).urgent_saved == 1


async def test_copy_keeps_original(app: AppFixture) -> None:
    mine, bobs = await app.create_box("1000"), await app.create_box("1001")
    original = await app.create_message(mine, folder="saved")
    [copy] = await app.container.delivery.copy(original, [bobs])
    assert await app.folder_of(original) == "saved"
    assert wav.read_samples(app.container.delivery.audio_paths(copy)[0]) == wav.read_samples(
        app.container.delivery.audio_paths(original)[0]
    )


async def test_copy_is_playable_after_original_is_removed(app: AppFixture) -> None:
    mine, bobs = await app.create_box("1000"), await app.create_box("1001")
    original = await app.create_message(mine)
    [copy] = await app.container.delivery.copy(original, [bobs])
    app.container.recordings.remove(app.container.delivery.audio_paths(original)[0])
    assert wav.length_ms(app.container.delivery.audio_paths(copy)[0]) == 5000


async def test_failed_delivery_leaves_nothing_half_done(app: AppFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    box = await app.create_box()
    take = await create_take(app, box)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(audio_folder, "fsync", full)
    with pytest.raises(DiskFull):
        await app.container.delivery.deliver(take, box)
    monkeypatch.undo()
    assert await app.messages(box) == []
    assert Path(take.path).exists(), "the recording is not lost"
    await run_recovery(app)
    assert len(await app.messages(box)) == 1


async def test_message_whose_audio_is_lost_cannot_be_copied(app: AppFixture) -> None:
    mine, bobs = await app.create_box("1000"), await app.create_box("1001")
    original = await app.create_message(mine)
    app.container.delivery.audio_paths(original)[0].unlink()
    with pytest.raises(NotFound) as error:
        await app.container.delivery.copy(original, [bobs])
    assert str(app.container.settings.data.folder) not in str(error.value), "no path of this machine is told"
    assert await app.messages(bobs) == []


def test_unwritable_data_folder_raises(tmp_path: Path) -> None:
    file = tmp_path / "a-file"
    file.touch()
    with pytest.raises(StoreError, match="cannot be read or written"):
        audio_folder.Recordings(file).prepare()


def test_unfinished_wav_header_is_repaired(tmp_path: Path) -> None:
    take, target = tmp_path / "take.wav", tmp_path / "new" / "message.wav"
    target.parent.mkdir()
    take.write_bytes(wav.header(0) + SPEECH + b"\x01")
    audio_folder.Recordings(tmp_path).copy_and_repair(take, target)
    assert target.read_bytes() == wav.header(len(SPEECH)) + SPEECH


def test_foreign_file_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "take.wav"
    path.write_bytes(b"x" * 100)
    with pytest.raises(InvalidAudio):
        audio_folder.Recordings(tmp_path).copy_and_repair(path, tmp_path / "message.wav")
    assert path.read_bytes() == b"x" * 100
    assert list(tmp_path.iterdir()) == [path]
