"""Two who write at once: with `If-Match`, whoever rests on what somebody else has changed meanwhile changes nothing.

The other one writes between the moment at which a request has read what it is about and the one at which it writes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from ivr.audio import wav
from ivr.call.scripted import Press
from ivr.errors import StoreFull
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.message import Folder, Message
from ivr.mailbox.store import Because, MediaKind
from tests.api.conftest import Rest, encoded, files
from tests.support.house import House

MP3 = {"Content-Type": "audio/mpeg"}
Deed = Callable[[], Awaitable[object]]


class Between:
    """Something that is done just before the next write of anybody's."""

    def __init__(self, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
        self._deed: Deed | None = None
        self._write = house.app.database.write
        monkeypatch.setattr(house.app.database, "write", self._after_the_deed)

    def comes(self, deed: Deed) -> None:
        self._deed = deed

    async def _after_the_deed(self, verb: Any) -> Any:
        deed, self._deed = self._deed, None
        if deed:
            await deed()
        return await self._write(verb)


@pytest.fixture
def between(house: House, monkeypatch: pytest.MonkeyPatch) -> Between:
    return Between(house, monkeypatch)


@pytest.fixture
async def box(house: House) -> Mailbox:
    return await house.box("1000", house.alice)


@pytest.fixture
async def others(house: House) -> list[Mailbox]:
    return [await house.box("1001"), await house.box("1002")]


async def tag_of(rest: Rest, path: str) -> dict[str, str]:
    """What to send so that only what is there now is changed."""
    return {"If-Match": (await rest.ask("GET", path)).headers["etag"]}


def saved_by_phone(house: House) -> Deed:
    return lambda: house.call([Press("1", during="(message")], endpoint="alice", number="1000")


def renamed(house: House, box: Mailbox) -> Deed:
    return lambda: house.app.boxes.amend(box.id, {"name": "Theirs"})


# -- a message -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["folder", "move", "copy", "delete", "audio"])
async def test_a_message_that_the_phone_saves_meanwhile_stays_as_the_phone_left_it(
    rest: Rest, house: House, box: Mailbox, others: list[Mailbox], between: Between, tmp_path: Path, verb: str
) -> None:
    message = await house.message(box, s=2)
    path = f"/{box.id}/messages/{message.id}"
    headers, before = await tag_of(rest, path), files(house)
    between.comes(saved_by_phone(house))
    match verb:
        case "audio":
            content = encoded(tmp_path, ".mp3", 1000)
            said = await rest.refused(412, "PUT", f"{path}/raw", content=content, headers={**headers, **MP3})
        case "delete":
            said = await rest.refused(412, "DELETE", path, headers=headers)
        case _:
            wanted = {"folder": "deleted"}, {"source_id": others[0].id}, {"source_id": [other.id for other in others]}
            data = wanted[["folder", "move", "copy"].index(verb)]
            said = await rest.refused(412, "POST", path, data, headers=headers)
    assert said["message"] == "precondition_failed"
    [left] = await house.messages(box)
    assert (left.id, left.folder, left.length_ms, left.upload_type) == (message.id, "saved", 2000, None)
    assert wav.length_ms(house.app.delivery.audio(left)[0]) == 2000
    assert [await house.messages(other) for other in others] == [[], []]
    assert files(house) == before


@pytest.mark.parametrize("headers", [{}, {"If-Match": "*"}], ids=["without", "any"])
async def test_who_does_not_ask_for_a_revision_changes_what_is_there(
    rest: Rest, house: House, box: Mailbox, between: Between, headers: dict[str, str]
) -> None:
    message = await house.message(box)
    between.comes(saved_by_phone(house))
    await rest.ok("DELETE", f"/{box.id}/messages/{message.id}", headers=headers)
    assert await house.messages(box) == []


async def test_an_if_match_that_names_nothing_is_no_leave_to_change_anything(
    rest: Rest, house: House, box: Mailbox
) -> None:
    message = await house.message(box)
    for nothing in ("", '""', ","):
        await rest.refused(412, "DELETE", f"/{box.id}/messages/{message.id}", headers={"If-Match": nothing})


async def test_of_twenty_who_saw_the_same_message_one_changes_it(rest: Rest, house: House, box: Mailbox) -> None:
    message = await house.message(box)
    path = f"/{box.id}/messages/{message.id}"
    headers, folders = await tag_of(rest, path), ["saved", "deleted"] * 10
    answers = await asyncio.gather(*(rest.ask("POST", path, {"folder": one}, headers=headers) for one in folders))
    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 19
    [done] = [answer.json()["data"]["folder"] for answer in answers if answer.status_code == 200]
    assert await house.folder_of(message) == done


# -- many messages ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["folder", "move", "copy", "delete"])
async def test_of_many_messages_those_that_changed_meanwhile_are_left_alone(
    rest: Rest, house: House, box: Mailbox, others: list[Mailbox], between: Between, verb: str
) -> None:
    changed, same, unnamed = [await house.message(box, age_s=age) for age in (1, 2, 3)]
    named = [(await tag_of(rest, f"/{box.id}/messages/{one.id}"))["If-Match"] for one in (changed, same)]
    between.comes(lambda: house.app.messages.move_to(box.id, changed.id, Folder.SAVED, Because.KEY))
    data: dict[str, Any] = {"messages": [changed.id, same.id, unnamed.id]}
    extra: dict[str, dict[str, Any]] = {
        "folder": {"folder": "deleted"}, "move": {"source_id": others[0].id},
        "copy": {"source_id": [other.id for other in others]},
    }  # fmt: skip
    method = "DELETE" if verb == "delete" else "POST"
    said = await rest.ok(
        method, f"/{box.id}/messages", {**data, **extra.get(verb, {})}, headers={"If-Match": ", ".join(named)}
    )
    assert said["data"]["failed"] == [{changed.id: "conflict"}, {unnamed.id: "conflict"}]
    assert len(said["data"]["succeeded"]) == (2 if verb == "copy" else 1)
    left = {one.id: str(one.folder) for one in await house.messages(box)}
    expected = {changed.id: "saved", same.id: "new", unnamed.id: "new"}
    if verb in ("move", "delete"):
        del expected[same.id]
    elif verb == "folder":
        expected[same.id] = "deleted"
    assert left == expected


async def test_a_copy_for_several_boxes_is_in_all_of_them_or_in_none(
    rest: Rest, house: House, box: Mailbox, others: list[Mailbox], between: Between
) -> None:
    message = await house.message(box)
    before = files(house)
    between.comes(lambda: house.app.boxes.delete(others[1]))
    path = f"/{box.id}/messages/{message.id}"
    said = await rest.ok("POST", path, {"source_id": [other.id for other in others]})
    assert said["data"] == {"succeeded": [], "failed": [{message.id: "not_found"}]}
    assert await house.messages(others[0]) == []
    assert files(house) == before


# -- a box -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["PATCH", "POST", "DELETE"])
async def test_a_box_that_somebody_changes_meanwhile_stays_as_they_left_it(
    rest: Rest, house: House, box: Mailbox, between: Between, method: str
) -> None:
    headers = await tag_of(rest, f"/{box.id}")
    between.comes(renamed(house, box))
    await rest.refused(412, method, f"/{box.id}", {"name": "Mine", "mailbox": "1000"}, headers=headers)
    assert (await rest.ok("GET", f"/{box.id}"))["data"]["name"] == "Theirs"


# -- greetings -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", list(MediaKind))
@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_a_greeting_that_is_recorded_anew_meanwhile_is_what_callers_hear(
    rest: Rest, house: House, box: Mailbox, between: Between, tmp_path: Path, kind: MediaKind, method: str
) -> None:
    path, content = f"/{box.id}/greetings/{kind}", encoded(tmp_path, ".mp3", 1000)
    made = await rest.ok("PUT", f"{path}/raw", content=content, headers=MP3)
    headers = {"If-Match": f'"{made["revision"]}"'}
    theirs = encoded(tmp_path, ".mp3", 3000)
    between.comes(lambda: rest.ok("PUT", f"{path}/raw", content=theirs, headers=MP3))
    if method == "PUT":
        await rest.refused(412, "PUT", f"{path}/raw", content=content, headers={**headers, **MP3})
    else:
        await rest.refused(412, "DELETE", path, headers=headers)
    assert (await rest.ask("GET", f"{path}/raw")).content == theirs


async def test_a_greeting_is_replaced_by_who_has_heard_it(rest: Rest, box: Mailbox, tmp_path: Path) -> None:
    """The ETag of its audio is as good as the revision that the answer to PUT said, in whatever form it was given."""
    path, content = f"/{box.id}/greetings/unavailable", encoded(tmp_path, ".mp3", 1000)
    await rest.ok("PUT", f"{path}/raw", content=content, headers=MP3)
    as_wav = await rest.ask("GET", f"{path}/raw", headers={"Accept": "audio/wav"})
    await rest.ok("PUT", f"{path}/raw", content=content, headers={"If-Match": as_wav.headers["etag"], **MP3})
    await rest.refused(412, "DELETE", path, headers={"If-Match": as_wav.headers["etag"]})
    await rest.ok("DELETE", path, headers=await tag_of(rest, f"{path}/raw"))
    await rest.refused(412, "PUT", f"{path}/raw", content=content, headers={"If-Match": "gone", **MP3})


async def test_a_greeting_by_its_other_name_goes_too(
    rest: Rest, house: House, box: Mailbox, tmp_path: Path
) -> None:  # fmt: skip
    path = f"/{box.id}/greetings/unavailable"
    made = await rest.ok("PUT", f"{path}/raw", content=encoded(tmp_path, ".mp3"), headers=MP3)
    other_name = {"greeting_media_id": made["data"]["media_id"], "media": {"unavailable": None}}
    await rest.ok("PATCH", f"/{box.id}", other_name)
    await rest.ok("DELETE", path, headers={"If-Match": f'"{made["revision"]}"'})
    assert await house.app.mailroom.greetings.greeting(await house.app.boxes.get(box.id)) is None


@pytest.mark.parametrize("accept", ["audio/mpeg", "audio/mp4", "audio/wav"])
async def test_audio_is_replaced_by_who_has_heard_it(
    rest: Rest, house: House, box: Mailbox, tmp_path: Path, accept: str
) -> None:
    """The ETag of its audio is as good as the revision, in whatever form it was given, and made anew it is the same."""
    path, content = f"/{box.id}/messages", encoded(tmp_path, ".mp3", 1000)
    made = await rest.ok("PUT", path, content=content, headers=MP3)
    path = f"{path}/{made['data']['media_id']}/raw"
    tag = (await rest.ask("GET", path, headers={"Accept": accept})).headers["etag"]
    house.app.rest.forms.clear()
    assert (await rest.ask("GET", path, headers={"Accept": accept})).headers["etag"] == tag
    await rest.ok("PUT", path, content=encoded(tmp_path, ".mp3", 2000), headers={"If-Match": tag, **MP3})
    await rest.refused(412, "PUT", path, content=content, headers={"If-Match": tag, **MP3})
    waiting = (await rest.message(box.id))["media_id"]
    await rest.refused(412, "PUT", f"/{box.id}/messages/{waiting}/raw", content=content,
                       headers={"If-Match": tag, **MP3})  # fmt: skip


# -- audio, when the store cannot do it ------------------------------------------------------------------------------


async def test_audio_whose_row_could_not_be_written_gives_back_what_was_there(
    rest: Rest, house: House, box: Mailbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full when the transaction is to be committed: the files have their places by then."""
    first, content = encoded(tmp_path, ".mp3", 1000), encoded(tmp_path, ".mp3", 3000)
    message = (await rest.ok("PUT", f"/{box.id}/messages", content=first, headers=MP3))["data"]
    waiting = await rest.message(box.id)
    before, write = files(house), house.app.database.write

    async def full(verb: Any) -> Any:
        def fails(connection: Any) -> None:
            verb(connection)
            raise StoreFull("the disk is full")

        return await write(fails)

    with monkeypatch.context() as patched:
        patched.setattr(house.app.database, "write", full)
        for one in (message, waiting):
            path = f"/{box.id}/messages/{one['media_id']}/raw"
            await rest.refused(503, "PUT", path, content=content, headers=MP3)
    assert files(house) == before
    assert (await rest.ask("GET", f"/{box.id}/messages/{message['media_id']}/raw")).content == first
    await rest.refused(404, "GET", f"/{box.id}/messages/{waiting['media_id']}/raw")
    kept: Message = await house.app.messages.get(box.id, message["media_id"], 0)
    assert kept.length_ms == message["length"]
