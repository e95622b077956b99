"""Concurrent writes: with `If-Match`, a request changes nothing that another client has changed meanwhile.

The other client writes after the request has read the document and before the request writes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from ivr.audio import wav
from ivr.errors import DiskFull
from ivr.mailbox.mailbox import Mailbox
from ivr.storage.records import ChangeReason, Folder, MediaKind, Message
from tests.api.conftest import RestClient, data_files, encode_audio
from tests.support.app_fixture import AppFixture
from tests.support.scripted_call import Press

MP3 = {"Content-Type": "audio/mpeg"}
Write = Callable[[], Awaitable[object]]


class ConcurrentWrite:
    """Runs an operation just before the next write of any client."""

    def __init__(self, app: AppFixture, monkeypatch: pytest.MonkeyPatch) -> None:
        self._pending: Write | None = None
        self._write = app.container.database.write
        monkeypatch.setattr(app.container.database, "write", self._run_before)

    def schedule(self, write: Write) -> None:
        self._pending = write

    async def _run_before(self, transaction: Any, **options: Any) -> Any:
        pending, self._pending = self._pending, None
        if pending:
            await pending()
        return await self._write(transaction, **options)


@pytest.fixture
def concurrent_write(app: AppFixture, monkeypatch: pytest.MonkeyPatch) -> ConcurrentWrite:
    return ConcurrentWrite(app, monkeypatch)


@pytest.fixture
async def box(app: AppFixture) -> Mailbox:
    return await app.create_box("1000", app.alice)


@pytest.fixture
async def other_boxes(app: AppFixture) -> list[Mailbox]:
    return [await app.create_box("1001"), await app.create_box("1002")]


async def etag_of(rest: RestClient, path: str) -> dict[str, str]:
    """Return an `If-Match` header for the current revision."""
    return {"If-Match": (await rest.request("GET", path)).headers["etag"]}


def save_by_phone(app: AppFixture) -> Write:
    return lambda: app.run_call([Press("1", during="(message")], endpoint="alice", number="1000")


def rename_box(app: AppFixture, box: Mailbox) -> Write:
    return lambda: app.container.boxes.patch_from_phone(box.id, {"name": "Theirs"})


# -- a message -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", ["folder", "move", "copy", "delete", "audio"])
async def test_if_match_keeps_message_saved_by_phone_meanwhile(
    rest: RestClient,
    app: AppFixture,
    box: Mailbox,
    other_boxes: list[Mailbox],
    concurrent_write: ConcurrentWrite,
    tmp_path: Path,
    operation: str,
) -> None:
    message = await app.create_message(box, s=2)
    path = f"/{box.id}/messages/{message.id}"
    headers, before = await etag_of(rest, path), data_files(app)
    concurrent_write.schedule(save_by_phone(app))
    match operation:
        case "audio":
            content = encode_audio(tmp_path, ".mp3", 1000)
            envelope = await rest.request_error(412, "PUT", f"{path}/raw", content=content, headers={**headers, **MP3})
        case "delete":
            envelope = await rest.request_error(412, "DELETE", path, headers=headers)
        case _:
            bodies = (
                {"folder": "deleted"},
                {"source_id": other_boxes[0].id},
                {"source_id": [other.id for other in other_boxes]},
            )
            data = bodies[["folder", "move", "copy"].index(operation)]
            envelope = await rest.request_error(412, "POST", path, data, headers=headers)
    assert envelope["message"] == "precondition_failed"
    [left] = await app.messages(box)
    assert (left.id, left.folder, left.length_ms, left.upload_type) == (message.id, "saved", 2000, None)
    assert wav.length_ms(app.container.delivery.audio_paths(left)[0]) == 2000
    assert [await app.messages(other) for other in other_boxes] == [[], []]
    assert data_files(app) == before


@pytest.mark.parametrize("headers", [{}, {"If-Match": "*"}], ids=["without", "any"])
async def test_request_without_if_match_changes_current_revision(
    rest: RestClient, app: AppFixture, box: Mailbox, concurrent_write: ConcurrentWrite, headers: dict[str, str]
) -> None:
    message = await app.create_message(box)
    concurrent_write.schedule(save_by_phone(app))
    await rest.request_ok("DELETE", f"/{box.id}/messages/{message.id}", headers=headers)
    assert await app.messages(box) == []


async def test_if_match_of_no_tag_or_a_weak_one_is_rejected(rest: RestClient, app: AppFixture, box: Mailbox) -> None:
    message = await app.create_message(box)
    tag = (await etag_of(rest, f"/{box.id}/messages/{message.id}"))["If-Match"]
    for header in ("", '""', ",", f"W/{tag}", '"*"'):
        await rest.request_error(412, "DELETE", f"/{box.id}/messages/{message.id}", headers={"If-Match": header})


async def test_one_of_twenty_concurrent_if_match_writes_succeeds(
    rest: RestClient, app: AppFixture, box: Mailbox
) -> None:
    message = await app.create_message(box)
    path = f"/{box.id}/messages/{message.id}"
    headers, folders = await etag_of(rest, path), ["saved", "deleted"] * 10
    responses = await asyncio.gather(*(rest.request("POST", path, {"folder": one}, headers=headers) for one in folders))
    assert sorted(response.status_code for response in responses) == [200] + [412] * 19
    [done] = [response.json()["data"]["folder"] for response in responses if response.status_code == 200]
    assert await app.folder_of(message) == done


# -- many messages ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", ["folder", "move", "copy", "delete"])
async def test_bulk_change_skips_messages_changed_meanwhile(
    rest: RestClient,
    app: AppFixture,
    box: Mailbox,
    other_boxes: list[Mailbox],
    concurrent_write: ConcurrentWrite,
    operation: str,
) -> None:
    changed, same, unnamed = [await app.create_message(box, age_s=age) for age in (1, 2, 3)]
    named = [(await etag_of(rest, f"/{box.id}/messages/{one.id}"))["If-Match"] for one in (changed, same)]
    concurrent_write.schedule(
        lambda: app.container.messages.move_to_folder(box.id, changed.id, Folder.SAVED, ChangeReason.DTMF)
    )
    data: dict[str, Any] = {"messages": [changed.id, same.id, unnamed.id]}
    extra: dict[str, dict[str, Any]] = {
        "folder": {"folder": "deleted"}, "move": {"source_id": other_boxes[0].id},
        "copy": {"source_id": [other.id for other in other_boxes]},
    }  # fmt: skip
    method = "DELETE" if operation == "delete" else "POST"
    envelope = await rest.request_ok(
        method, f"/{box.id}/messages", {**data, **extra.get(operation, {})}, headers={"If-Match": ", ".join(named)}
    )
    assert envelope["data"]["failed"] == [{changed.id: "conflict"}, {unnamed.id: "conflict"}]
    assert len(envelope["data"]["succeeded"]) == (2 if operation == "copy" else 1)
    left = {one.id: str(one.folder) for one in await app.messages(box)}
    expected = {changed.id: "saved", same.id: "new", unnamed.id: "new"}
    if operation in ("move", "delete"):
        del expected[same.id]
    elif operation == "folder":
        expected[same.id] = "deleted"
    assert left == expected


async def test_copy_to_several_boxes_is_atomic(
    rest: RestClient, app: AppFixture, box: Mailbox, other_boxes: list[Mailbox], concurrent_write: ConcurrentWrite
) -> None:
    message = await app.create_message(box)
    before = data_files(app)
    concurrent_write.schedule(lambda: app.container.boxes.delete(other_boxes[1]))
    path = f"/{box.id}/messages/{message.id}"
    envelope = await rest.request_ok("POST", path, {"source_id": [other.id for other in other_boxes]})
    assert envelope["data"] == {"succeeded": [], "failed": [{message.id: "not_found"}]}
    assert await app.messages(other_boxes[0]) == []
    assert data_files(app) == before


# -- a box -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["PATCH", "POST", "DELETE"])
async def test_if_match_keeps_box_changed_meanwhile(
    rest: RestClient, app: AppFixture, box: Mailbox, concurrent_write: ConcurrentWrite, method: str
) -> None:
    headers = await etag_of(rest, f"/{box.id}")
    concurrent_write.schedule(rename_box(app, box))
    await rest.request_error(412, method, f"/{box.id}", {"name": "Mine", "mailbox": "1000"}, headers=headers)
    assert (await rest.request_ok("GET", f"/{box.id}"))["data"]["name"] == "Theirs"


# -- greetings -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", list(MediaKind))
@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_if_match_keeps_greeting_recorded_meanwhile(
    rest: RestClient,
    app: AppFixture,
    box: Mailbox,
    concurrent_write: ConcurrentWrite,
    tmp_path: Path,
    kind: MediaKind,
    method: str,
) -> None:
    path, content = f"/{box.id}/greetings/{kind}", encode_audio(tmp_path, ".mp3", 1000)
    created = await rest.request_ok("PUT", f"{path}/raw", content=content, headers=MP3)
    headers = {"If-Match": f'"{created["revision"]}"'}
    theirs = encode_audio(tmp_path, ".mp3", 3000)
    concurrent_write.schedule(lambda: rest.request_ok("PUT", f"{path}/raw", content=theirs, headers=MP3))
    if method == "PUT":
        await rest.request_error(412, "PUT", f"{path}/raw", content=content, headers={**headers, **MP3})
    else:
        await rest.request_error(412, "DELETE", path, headers=headers)
    assert (await rest.request("GET", f"{path}/raw")).content == theirs


async def test_greeting_is_replaced_with_etag_of_its_audio(rest: RestClient, box: Mailbox, tmp_path: Path) -> None:
    """`If-Match` accepts the ETag of the audio in any format, as well as the revision in the response to PUT."""
    path, content = f"/{box.id}/greetings/unavailable", encode_audio(tmp_path, ".mp3", 1000)
    await rest.request_ok("PUT", f"{path}/raw", content=content, headers=MP3)
    as_wav = await rest.request("GET", f"{path}/raw", headers={"Accept": "audio/wav"})
    await rest.request_ok("PUT", f"{path}/raw", content=content, headers={"If-Match": as_wav.headers["etag"], **MP3})
    await rest.request_error(412, "DELETE", path, headers={"If-Match": as_wav.headers["etag"]})
    await rest.request_ok("DELETE", path, headers=await etag_of(rest, f"{path}/raw"))
    await rest.request_error(412, "PUT", f"{path}/raw", content=content, headers={"If-Match": "gone", **MP3})


async def test_greeting_under_alias_is_replaced_too(
    rest: RestClient, app: AppFixture, box: Mailbox, tmp_path: Path
) -> None:  # fmt: skip
    path = f"/{box.id}/greetings/unavailable"
    created = await rest.request_ok("PUT", f"{path}/raw", content=encode_audio(tmp_path, ".mp3"), headers=MP3)
    other_name = {"greeting_media_id": created["data"]["media_id"], "media": {"unavailable": None}}
    await rest.request_ok("PATCH", f"/{box.id}", other_name)
    await rest.request_ok("DELETE", path, headers={"If-Match": f'"{created["revision"]}"'})
    assert await app.container.voicemail_services.greetings.find_greeting(await app.container.boxes.get(box.id)) is None


@pytest.mark.parametrize("accept", ["audio/mpeg", "audio/mp4", "audio/wav"])
async def test_message_audio_is_replaced_with_its_etag(
    rest: RestClient, app: AppFixture, box: Mailbox, tmp_path: Path, accept: str
) -> None:
    """`If-Match` accepts the ETag of the audio in any format; it is the same after the cache was cleared."""
    path, content = f"/{box.id}/messages", encode_audio(tmp_path, ".mp3", 1000)
    created = await rest.request_ok("PUT", path, content=content, headers=MP3)
    path = f"{path}/{created['data']['media_id']}/raw"
    tag = (await rest.request("GET", path, headers={"Accept": accept})).headers["etag"]
    app.container.api_services.audio.renditions.clear()
    assert (await rest.request("GET", path, headers={"Accept": accept})).headers["etag"] == tag
    await rest.request_ok("PUT", path, content=encode_audio(tmp_path, ".mp3", 2000), headers={"If-Match": tag, **MP3})
    await rest.request_error(412, "PUT", path, content=content, headers={"If-Match": tag, **MP3})
    without_audio = (await rest.upload_message(box.id))["media_id"]
    await rest.request_error(412, "PUT", f"/{box.id}/messages/{without_audio}/raw", content=content,
                       headers={"If-Match": tag, **MP3})  # fmt: skip


# -- audio, when the store fails -------------------------------------------------------------------------------------


async def test_failed_audio_replacement_restores_old_audio(
    rest: RestClient, app: AppFixture, box: Mailbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full at the commit, when the files are in place already."""
    first, content = encode_audio(tmp_path, ".mp3", 1000), encode_audio(tmp_path, ".mp3", 3000)
    message = (await rest.request_ok("PUT", f"/{box.id}/messages", content=first, headers=MP3))["data"]
    without_audio = await rest.upload_message(box.id)
    before, write = data_files(app), app.container.database.write

    async def write_to_full_disk(transaction: Any, **options: Any) -> Any:
        def fail(connection: Any) -> None:
            transaction(connection)
            raise DiskFull("the disk is full")

        return await write(fail, **options)

    with monkeypatch.context() as patched:
        patched.setattr(app.container.database, "write", write_to_full_disk)
        for one in (message, without_audio):
            path = f"/{box.id}/messages/{one['media_id']}/raw"
            await rest.request_error(503, "PUT", path, content=content, headers=MP3)
    assert data_files(app) == before
    assert (await rest.request("GET", f"/{box.id}/messages/{message['media_id']}/raw")).content == first
    await rest.request_error(404, "GET", f"/{box.id}/messages/{without_audio['media_id']}/raw")
    stored: Message = await app.container.messages.get(box.id, message["media_id"], 0)
    assert stored.length_ms == message["length"]
