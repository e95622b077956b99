"""A box that has no room for what a program brings: it is told so, and everything is where it was."""

from __future__ import annotations

import pytest

from ivr.mailbox.mailbox import MEGABYTE, Mailbox
from ivr.mailbox.message import Counts
from tests.api.conftest import Rest, files, tone
from tests.support.house import House

WAV = {"Content-Type": "audio/x-wav"}


@pytest.fixture
async def box(house: House) -> Mailbox:
    return await house.box("1000", house.alice)


@pytest.fixture
async def small(house: House) -> Mailbox:
    """It has room for a minute, of which 45 s are used; 5 s of that are deleted."""
    small = await house.box("1001", house.bob, quota_mb=1)
    await house.message(small, s=40)
    await house.message(small, s=5, folder="deleted")
    return small


async def unchanged(house: House, small: Mailbox) -> bool:
    return await house.app.messages.counts(small.id) == Counts(new=1, deleted=1)


async def test_a_message_that_does_not_fit_is_not_moved(rest: Rest, house: House, box: Mailbox, small: Mailbox) -> None:
    message = await house.message(box, s=30, folder="saved")
    before, path = files(house), f"/{box.id}/messages/{message.id}"
    revision = (await rest.ok("GET", path))["revision"]
    said = await rest.refused(409, "POST", path, {"source_id": small.id})
    assert said["message"] == "mailbox_full"
    assert "quota" in said["data"]["message"]
    assert (await rest.ok("GET", path))["revision"] == revision
    assert files(house) == before
    assert await unchanged(house, small)


async def test_nor_is_it_copied_to_any_box_of_those_that_were_named(
    rest: Rest, house: House, box: Mailbox, small: Mailbox
) -> None:
    message, third = await house.message(box, s=30), await house.box("1002")
    before = files(house)
    said = await rest.ok("POST", f"/{box.id}/messages/{message.id}", {"source_id": [third.id, small.id]})
    assert said["data"] == {"succeeded": [], "failed": [{message.id: "mailbox_full"}]}
    assert await house.messages(third) == []
    assert files(house) == before
    assert await unchanged(house, small)


@pytest.mark.parametrize("verb", ["move", "copy"])
async def test_of_many_messages_as_many_come_as_there_is_room_for(
    rest: Rest, house: House, box: Mailbox, small: Mailbox, verb: str
) -> None:
    """What is deleted there goes for them. Each that did not come is told, and is where it was."""
    sent = [(await house.message(box, s=10, age_s=age)).id for age in range(4)]
    where = small.id if verb == "move" else [small.id]
    said = await rest.ok("POST", f"/{box.id}/messages", {"messages": sent, "source_id": where})
    assert len(said["data"]["succeeded"]) == 2
    refused = [message_id for one in said["data"]["failed"] for message_id in one]
    assert said["data"]["failed"] == [{message_id: "mailbox_full"} for message_id in refused]
    assert len(refused) == 2
    assert {one.id for one in await house.messages(box)} == set(refused if verb == "move" else sent)
    assert await house.app.messages.counts(small.id) == Counts(new=3)
    assert await house.app.messages.bytes(small.id) <= MEGABYTE


async def test_an_upload_that_does_not_fit_leaves_nothing(rest: Rest, house: House, small: Mailbox) -> None:
    before = files(house)
    said = await rest.refused(409, "PUT", f"/{small.id}/messages", content=tone(15_000), headers=WAV)
    assert said["message"] == "mailbox_full"
    assert files(house) == before
    assert await unchanged(house, small)
    # What was brought is kept beside the recording, so 11 s take as much as 22.
    await rest.ok("PUT", f"/{small.id}/messages", content=tone(11_000), headers=WAV)
    assert await house.app.messages.counts(small.id) == Counts(new=2)


async def test_a_message_that_waits_for_audio_waits_on_where_that_does_not_fit(
    rest: Rest, house: House, small: Mailbox
) -> None:
    waiting = (await rest.message(small.id))["media_id"]
    path, before = f"/{small.id}/messages/{waiting}/raw", files(house)
    await rest.refused(409, "PUT", path, content=tone(15_000), headers=WAV)
    assert files(house) == before
    assert await unchanged(house, small)
    await rest.ok("PUT", path, content=tone(1000), headers=WAV)


async def test_other_audio_that_does_not_fit_leaves_what_was_there(rest: Rest, house: House, small: Mailbox) -> None:
    message = await rest.message(small.id, tone(2000))
    path, before = f"/{small.id}/messages/{message['media_id']}/raw", files(house)
    said = await rest.refused(409, "PUT", path, content=tone(20_000), headers=WAV)
    assert said["message"] == "mailbox_full"
    assert (await rest.ask("GET", path)).content == tone(2000)
    assert (await rest.ok("GET", path.removesuffix("/raw")))["data"] == message
    assert files(house) == before
    await house.app.boxes.patch(small, {"quota_mb": None})
    await house.message(small, s=60)
    await house.app.boxes.patch(await house.app.boxes.get(small.id), {"quota_mb": 1})
    await rest.ok("PUT", path, content=tone(1000), headers=WAV)  # Shorter: it needs no room, however full the box is.


@pytest.mark.parametrize("kind", ["unavailable", "temporary_unavailable", "name"])
async def test_a_greeting_that_does_not_fit_is_not_what_callers_hear(
    rest: Rest, house: House, small: Mailbox, kind: str
) -> None:
    path = f"/{small.id}/greetings/{kind}/raw"
    await rest.ok("PUT", path, content=tone(2000), headers=WAV)
    before = files(house)
    said = await rest.refused(409, "PUT", path, content=tone(20_000), headers=WAV)
    assert said["message"] == "mailbox_full"
    assert (await rest.ask("GET", path)).content == tone(2000)
    assert files(house) == before
    assert await unchanged(house, small)


async def test_a_greeting_takes_the_room_of_what_is_deleted(rest: Rest, house: House, small: Mailbox) -> None:
    await rest.ok("PUT", f"/{small.id}/greetings/unavailable/raw", content=tone(10_000), headers=WAV)
    assert await house.app.messages.counts(small.id) == Counts(new=1)
    assert await house.app.messages.bytes(small.id) <= MEGABYTE
