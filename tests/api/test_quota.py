"""Uploads, moves and copies that exceed the quota of a box are rejected and change nothing."""

from __future__ import annotations

import pytest

from ivr.mailbox.mailbox import Mailbox
from ivr.storage.records import MEGABYTE, FolderCounts
from tests.api.conftest import RestClient, data_files, tone
from tests.support.app_fixture import AppFixture

WAV = {"Content-Type": "audio/x-wav"}


@pytest.fixture
async def box(app: AppFixture) -> Mailbox:
    return await app.create_box("1000", app.alice)


@pytest.fixture
async def full_box(app: AppFixture) -> Mailbox:
    """A box for 60 s of audio with 40 s in `new` and 5 s in `deleted`."""
    small = await app.create_box("1001", app.bob, quota_mb=1)
    await app.create_message(small, s=40)
    await app.create_message(small, s=5, folder="deleted")
    return small


async def assert_unchanged(app: AppFixture, small: Mailbox) -> bool:
    return await app.container.messages.counts(small.id) == FolderCounts(new=1, deleted=1)


async def test_message_exceeding_quota_is_not_moved(
    rest: RestClient, app: AppFixture, box: Mailbox, full_box: Mailbox
) -> None:
    message = await app.create_message(box, s=30, folder="saved")
    before, path = data_files(app), f"/{box.id}/messages/{message.id}"
    revision = (await rest.request_ok("GET", path))["revision"]
    envelope = await rest.request_error(409, "POST", path, {"source_id": full_box.id})
    assert envelope["message"] == "mailbox_full"
    assert "quota" in envelope["data"]["message"]
    assert (await rest.request_ok("GET", path))["revision"] == revision
    assert data_files(app) == before
    assert await assert_unchanged(app, full_box)


async def test_message_exceeding_quota_is_copied_to_none_of_named_boxes(
    rest: RestClient, app: AppFixture, box: Mailbox, full_box: Mailbox
) -> None:
    message, third = await app.create_message(box, s=30), await app.create_box("1002")
    before = data_files(app)
    envelope = await rest.request_ok("POST", f"/{box.id}/messages/{message.id}", {"source_id": [third.id, full_box.id]})
    assert envelope["data"] == {"succeeded": [], "failed": [{message.id: "mailbox_full"}]}
    assert await app.messages(third) == []
    assert data_files(app) == before
    assert await assert_unchanged(app, full_box)


@pytest.mark.parametrize("verb", ["move", "copy"])
async def test_bulk_move_transfers_messages_that_fit(
    rest: RestClient, app: AppFixture, box: Mailbox, full_box: Mailbox, verb: str
) -> None:
    """Deleted messages of the target are purged for space; messages that do not fit are reported and stay."""
    sent = [(await app.create_message(box, s=10, age_s=age)).id for age in range(4)]
    source_id = full_box.id if verb == "move" else [full_box.id]
    envelope = await rest.request_ok("POST", f"/{box.id}/messages", {"messages": sent, "source_id": source_id})
    assert len(envelope["data"]["succeeded"]) == 2
    rejected = [message_id for one in envelope["data"]["failed"] for message_id in one]
    assert envelope["data"]["failed"] == [{message_id: "mailbox_full"} for message_id in rejected]
    assert len(rejected) == 2
    assert {one.id for one in await app.messages(box)} == set(rejected if verb == "move" else sent)
    assert await app.container.messages.counts(full_box.id) == FolderCounts(new=3)
    assert await app.container.messages.used_bytes(full_box.id) <= MEGABYTE


async def test_upload_exceeding_quota_leaves_nothing(rest: RestClient, app: AppFixture, full_box: Mailbox) -> None:
    before = data_files(app)
    envelope = await rest.request_error(409, "PUT", f"/{full_box.id}/messages", content=tone(15_000), headers=WAV)
    assert envelope["message"] == "mailbox_full"
    assert data_files(app) == before
    assert await assert_unchanged(app, full_box)
    # The original is stored beside the recording, so 11 s use as many bytes as 22 s.
    await rest.request_ok("PUT", f"/{full_box.id}/messages", content=tone(11_000), headers=WAV)
    assert await app.container.messages.counts(full_box.id) == FolderCounts(new=2)


async def test_message_awaiting_audio_keeps_waiting_when_audio_exceeds_quota(
    rest: RestClient, app: AppFixture, full_box: Mailbox
) -> None:
    waiting = (await rest.upload_message(full_box.id))["media_id"]
    path, before = f"/{full_box.id}/messages/{waiting}/raw", data_files(app)
    await rest.request_error(409, "PUT", path, content=tone(15_000), headers=WAV)
    assert data_files(app) == before
    assert await assert_unchanged(app, full_box)
    await rest.request_ok("PUT", path, content=tone(1000), headers=WAV)


async def test_replacement_audio_exceeding_quota_keeps_old_audio(
    rest: RestClient, app: AppFixture, full_box: Mailbox
) -> None:
    message = await rest.upload_message(full_box.id, tone(2000))
    path, before = f"/{full_box.id}/messages/{message['media_id']}/raw", data_files(app)
    envelope = await rest.request_error(409, "PUT", path, content=tone(20_000), headers=WAV)
    assert envelope["message"] == "mailbox_full"
    assert (await rest.request("GET", path)).content == tone(2000)
    assert (await rest.request_ok("GET", path.removesuffix("/raw")))["data"] == message
    assert data_files(app) == before
    await app.container.boxes.patch(full_box, {"quota_mb": None})
    await app.create_message(full_box, s=60)
    await app.container.boxes.patch(await app.container.boxes.get(full_box.id), {"quota_mb": 1})
    # Shorter audio always fits, even in a box over its quota.
    await rest.request_ok("PUT", path, content=tone(1000), headers=WAV)


@pytest.mark.parametrize("kind", ["unavailable", "temporary_unavailable", "name"])
async def test_greeting_exceeding_quota_is_not_activated(
    rest: RestClient, app: AppFixture, full_box: Mailbox, kind: str
) -> None:
    path = f"/{full_box.id}/greetings/{kind}/raw"
    await rest.request_ok("PUT", path, content=tone(2000), headers=WAV)
    before = data_files(app)
    envelope = await rest.request_error(409, "PUT", path, content=tone(20_000), headers=WAV)
    assert envelope["message"] == "mailbox_full"
    assert (await rest.request("GET", path)).content == tone(2000)
    assert data_files(app) == before
    assert await assert_unchanged(app, full_box)


async def test_greeting_upload_purges_deleted_messages_for_space(
    rest: RestClient, app: AppFixture, full_box: Mailbox
) -> None:
    await rest.request_ok("PUT", f"/{full_box.id}/greetings/unavailable/raw", content=tone(10_000), headers=WAV)
    assert await app.container.messages.counts(full_box.id) == FolderCounts(new=1)
    assert await app.container.messages.used_bytes(full_box.id) <= MEGABYTE
