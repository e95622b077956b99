"""The quota of a mailbox for every kind of delivery: what is purged, what is rejected, what stays."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ivr.audio import wav
from ivr.errors import BoxFull
from ivr.mailbox.greetings import Greetings
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.takes import TakeSource
from ivr.storage.records import MEGABYTE, Caller, ChangeReason, Folder, Message, RecordingPurpose, Take
from tests.support.app_fixture import NOON, AppFixture
from tests.support.speech import speech_pcm

DELIVERY_PATHS = ["copied", "transferred", "forwarded", "imported", "undeleted"]


def audio_files(app: AppFixture) -> set[str]:
    folder = app.settings.data.folder
    return {str(path.relative_to(folder)) for path in folder.rglob("*.wav")}


class QuotaScenario:
    """A message of 20 s in 1000; 1001 has a quota of 1 MB, a minute and two seconds."""

    def __init__(self, app: AppFixture) -> None:
        self.app = app
        self.source_box: Mailbox
        self.target_box: Mailbox
        self.message: Message

    async def set_up(self) -> QuotaScenario:
        self.source_box, self.target_box = (
            await self.app.create_box("1000"),
            await self.app.create_box("1001", quota_mb=1),
        )
        self.message = await self.app.create_message(self.source_box, s=20, folder="saved")
        return self

    async def deliver(self, path: str) -> Message:
        """Deliver a message of 20 s to 1001."""
        delivery, messages = self.app.container.delivery, self.app.container.messages
        match path:
            case "copied":
                [copy] = await delivery.copy(self.message, [self.target_box])
                return copy
            case "transferred":
                return await delivery.transfer(self.message, self.target_box)
            case "forwarded":
                return await delivery.forward(self.message, self.target_box, sender=self.source_box)
            case "imported":
                return await delivery.import_recording(
                    self.target_box, b"\0\0" * 160_000, Caller("2001"), NOON, Folder.NEW
                )
            case _:
                [gone] = await messages.list_soft_deleted(self.target_box.id, 10)
                return await messages.undelete(self.target_box.id, gone.id, ChangeReason.API_REQUEST)


async def create_scenario(app: AppFixture, path: str) -> QuotaScenario:
    s = await QuotaScenario(app).set_up()
    if path == "undeleted":
        gone = await app.create_message(s.target_box, s=20)
        await app.container.messages.soft_delete(s.target_box.id, [gone.id])
    return s


async def message_ids(app: AppFixture, box: Mailbox) -> set[str]:
    return {message.id for message in await app.messages(box)}


@pytest.mark.parametrize("path", DELIVERY_PATHS)
async def test_incoming_message_purges_oldest_deleted(app: AppFixture, path: str) -> None:
    s = await create_scenario(app, path)
    ages = (300, 200, 100)
    oldest, older, newer = [await app.create_message(s.target_box, s=20, folder="deleted", age_s=age) for age in ages]
    delivered = await s.deliver(path)
    assert await message_ids(app, s.target_box) == {delivered.id, older.id, newer.id}
    assert await app.container.messages.used_bytes(s.target_box.id) <= MEGABYTE
    await app.container.retention_worker.run_once()
    assert not app.container.delivery.audio_paths(oldest)[0].exists()
    assert wav.length_ms(app.container.delivery.audio_paths(delivered)[0]) == 20_000


@pytest.mark.parametrize("path", DELIVERY_PATHS)
async def test_message_over_quota_is_rejected_without_loss(app: AppFixture, path: str) -> None:
    s = await create_scenario(app, path)
    messages = [
        await app.create_message(s.target_box, s=45),
        await app.create_message(s.target_box, s=2, folder="deleted"),
    ]
    counts, before = await app.container.messages.counts(s.target_box.id), audio_files(app)
    with pytest.raises(BoxFull, match="is used up"):
        await s.deliver(path)
    assert await message_ids(app, s.target_box) == {message.id for message in messages}
    assert await app.container.messages.counts(s.target_box.id) == counts
    assert audio_files(app) == before, "no audio is removed, and none is left over"
    assert await app.folder_of(s.message) == "saved"


@pytest.mark.parametrize("path", ["copied", "transferred", "forwarded"])
async def test_message_count_limit_applies_only_to_callers(app: AppFixture, path: str) -> None:
    """As in Kazoo."""
    await app.container.directory.update_account(app.account.model_copy(update={"settings": {"max_message_count": 1}}))
    s = await create_scenario(app, path)
    await app.create_message(s.target_box, s=1)
    assert await app.container.voicemail_services.capacity.is_full(await app.container.boxes.get(s.target_box.id))
    await s.deliver(path)
    assert len(await app.messages(s.target_box)) == 2


async def test_copy_that_exceeds_one_quota_is_added_to_no_box(app: AppFixture) -> None:
    s = await create_scenario(app, "copied")
    third = await app.create_box("1002")
    await app.create_message(s.target_box, s=60)
    before = audio_files(app)
    with pytest.raises(BoxFull):
        await app.container.delivery.copy(s.message, [third, s.target_box])
    assert await app.messages(third) == []
    assert audio_files(app) == before


async def test_full_box_allows_moves_within_box(app: AppFixture) -> None:
    """A message transferred within a box uses no more space than before."""
    box = await app.create_box(quota_mb=1)
    message = await app.create_message(box, s=40, folder="deleted")
    other = await app.create_message(box, s=15, folder="deleted", age_s=9000)
    moved = await app.container.delivery.transfer(message, box)
    assert await message_ids(app, box) == {moved.id, other.id}


async def test_copy_into_same_box_does_not_purge_its_source(app: AppFixture) -> None:
    box = await app.create_box(quota_mb=1)
    message = await app.create_message(box, s=40, folder="deleted", age_s=9000)
    with pytest.raises(BoxFull):
        await app.container.delivery.copy(message, [box])
    assert await message_ids(app, box) == {message.id}, "neither the source nor the copy was purged"


async def test_change_not_increasing_usage_is_never_rejected(app: AppFixture) -> None:
    """A box over its quota, for example after the quota was lowered, accepts changes that do not use more space."""
    box, other = await app.create_box("1000"), await app.create_box("1001")
    first, second, third = [await app.create_message(box, s=60, age_s=age) for age in (3, 2, 1)]
    deleted = await app.create_message(box, s=5, folder="deleted")
    await app.container.boxes.patch(box, {"quota_mb": 1})
    await app.container.messages.move_to_folder(box.id, first.id, Folder.DELETED, ChangeReason.DTMF)
    await app.container.messages.restore_from_deleted(box.id, first.id, ChangeReason.DTMF)
    await app.container.delivery.transfer(second, other)
    moved = await app.container.delivery.transfer(third, box)
    assert await message_ids(app, box) == {first.id, moved.id, deleted.id}


# -- recordings by phone ---------------------------------------------------------------------------------------------


async def create_take(app: AppFixture, box: Mailbox, purpose: RecordingPurpose, ms: int, **payload: str) -> Take:
    source = TakeSource("PJSIP/x-1", "call.1", Caller("2001", "Joe Caller"))
    take = await app.container.voicemail_services.takes.begin(box.account_id, box.id, purpose, source, payload)
    wav.write(Path(take.path), speech_pcm(ms))
    return take


@pytest.mark.parametrize("what", ["message", "intro", "another box's copy"])
async def test_recording_started_within_quota_is_kept(app: AppFixture, what: str) -> None:
    """Deleted messages are purged for it nevertheless."""
    s = await create_scenario(app, "copied")
    full = await app.create_message(s.target_box, s=55)
    deleted = await app.create_message(s.target_box, s=5, folder="deleted")
    delivery = app.container.delivery
    match what:
        case "message":
            await delivery.deliver(await create_take(app, s.target_box, RecordingPurpose.MESSAGE, 20_000), s.target_box)
        case "another box's copy":
            take = await create_take(app, s.source_box, RecordingPurpose.MESSAGE, 20_000)
            await delivery.deliver(take, s.source_box, [s.target_box])
        case _:
            take = await create_take(app, s.source_box, RecordingPurpose.INTRO, 3000)
            await delivery.forward(s.message, s.target_box, take, sender=s.source_box)
    ids = await message_ids(app, s.target_box)
    assert len(ids) == 2
    assert full.id in ids
    assert deleted.id not in ids


async def test_new_intro_replaces_old_intro_and_its_usage(app: AppFixture) -> None:
    mine, theirs, third = [await app.create_box(number) for number in ("1000", "1001", "1002")]
    message = await app.create_message(mine, s=5)
    first = await app.container.delivery.forward(
        message, theirs, await create_take(app, mine, RecordingPurpose.INTRO, 3000), sender=mine
    )
    second = await app.container.delivery.forward(
        first, third, await create_take(app, theirs, RecordingPurpose.INTRO, 2000), sender=theirs
    )
    assert (second.length_ms, second.intro_ms) == (7000, 2000)
    paths = app.container.delivery.audio_paths(second)
    assert await app.container.messages.used_bytes(third.id) == sum(path.stat().st_size for path in paths)
    assert len([name for name in audio_files(app) if "/media/" in name]) == 2, "no unused intro is left over"


# -- greetings ---------------------------------------------------------------------------------------------------------


async def record_greeting(app: AppFixture, box: Mailbox, ms: int) -> None:
    greetings: Greetings = app.container.voicemail_services.greetings
    await greetings.activate(
        await create_take(app, box, RecordingPurpose.GREETING, ms), await app.container.boxes.get(box.id)
    )


async def test_greeting_counts_against_quota(app: AppFixture) -> None:
    box = await app.create_box(quota_mb=1)
    deleted = await app.create_message(box, s=30, folder="deleted")
    await record_greeting(app, box, 40_000)
    assert await app.messages(box) == []
    await app.container.retention_worker.run_once()
    assert not app.container.delivery.audio_paths(deleted)[0].exists()


async def test_greeting_over_quota_keeps_previous_greeting(app: AppFixture) -> None:
    box = await app.create_box(quota_mb=1)
    await record_greeting(app, box, 10_000)
    await app.create_message(box, s=45)
    before = (await app.container.boxes.get(box.id)).settings.media.unavailable
    with pytest.raises(BoxFull):
        await record_greeting(app, box, 20_000)
    assert (await app.container.boxes.get(box.id)).settings.media.unavailable == before
    await record_greeting(app, box, 15_000)
    assert (await app.container.boxes.get(box.id)).settings.media.unavailable != before, (
        "the space of the previous greeting counts as free"
    )


# -- properties ----------------------------------------------------------------------------------------------------

OPERATIONS = ["copied", "transferred", "forwarded", "imported", "deleted", "greeting recorded"]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(operations=st.lists(st.tuples(st.sampled_from(OPERATIONS), st.integers(0, 9)), max_size=12))
def test_quota_holds_after_any_operations(tmp_path_factory: Any, operations: list[tuple[str, int]]) -> None:
    asyncio.run(_check_quota_invariants(tmp_path_factory.mktemp("app") / "data", operations))


async def _check_quota_invariants(folder: Path, operations: list[tuple[str, int]]) -> None:
    app = await AppFixture(folder).open()
    try:
        boxes = [await app.create_box(number, quota_mb=1) for number in ("1000", "1001")]
        for what, n in operations:
            here, there = boxes[n % 2], boxes[(n + 1) % 2]
            found = await app.messages(here)
            before = [await message_ids(app, box) for box in boxes]
            undeleted = {m.id for box in boxes for m in await app.messages(box) if m.folder is not Folder.DELETED}
            message = found[n % len(found)] if found else None
            try:
                await _run_operation(app, what, n, here, there, message)
            except BoxFull:
                assert [await message_ids(app, box) for box in boxes] == before
            left = [message for box in boxes for message in await app.messages(box)]
            moved = {message.id} if message and what == "transferred" else set()
            assert undeleted - moved <= {message.id for message in left}, "only deleted messages may be purged"
            for message in left:
                assert wav.length_ms(app.container.delivery.audio_paths(message)[0]) == message.length_ms
            for box in boxes:
                assert await app.container.messages.used_bytes(box.id) <= MEGABYTE
    finally:
        app.close()


async def _run_operation(
    app: AppFixture, operation: str, n: int, source: Mailbox, target: Mailbox, message: Message | None
) -> None:
    delivery = app.container.delivery
    if operation == "imported":
        await delivery.import_recording(target, b"\0\0" * 48_000 * (n + 1), Caller("2001"), NOON + n, Folder.NEW)
    elif operation == "greeting recorded":
        await record_greeting(app, source, 4000 * (n + 1))
    elif message and operation == "copied":
        await delivery.copy(message, [target])
    elif message and operation == "transferred":
        await delivery.transfer(message, target)
    elif message and operation == "forwarded":
        await delivery.forward(message, target, sender=source)
    elif message:
        await app.container.messages.move_to_folder(source.id, message.id, Folder.DELETED, ChangeReason.DTMF)
