"""Which recording greets a caller."""

from __future__ import annotations

from ivr.audio import wav
from ivr.audio.sound import Sound
from ivr.mailbox.sqlite.media import SqliteMedia
from ivr.mailbox.store import Media, MediaKind
from tests.support.house import House


def seconds(sound: Sound | None) -> int | None:
    return sound.length_ms // 1000 if sound else None


async def recorded(house: House, box_id: str, kind: MediaKind, n: int) -> str:
    """A recording of `n` seconds; its id."""
    media_id = f"{n:032x}"
    path = house.app.recordings.media(house.account.id, media_id)
    size = house.app.recordings.write(wav.silence(n * 1000), path)
    media = Media(media_id, house.account.id, box_id, kind, n * 1000, size, int(house.clock.now()))
    await SqliteMedia(house.app.database).add(media)
    return media_id


async def test_temporary_then_own_then_none(house: House) -> None:
    greetings = house.app.mailroom.greetings
    box = await house.box("1000")
    assert await greetings.greeting(box) is None
    own = await recorded(house, box.id, MediaKind.UNAVAILABLE, 2)
    box = await house.app.boxes.patch(box, {"media": {"unavailable": own}})
    assert seconds(await greetings.greeting(box)) == 2
    temporary = await recorded(house, box.id, MediaKind.TEMPORARY, 3)
    until = int(house.clock.now()) + 3600
    box = await house.app.boxes.patch(box, {"media": {"temporary_unavailable": temporary, "temporary_until": until}})
    assert seconds(await greetings.greeting(box)) == 3
    house.clock.advance(s=3600)
    assert seconds(await greetings.greeting(box)) == 2, "a temporary greeting ends by itself"


async def test_sip_io_calls_the_greeting_by_another_name(house: House) -> None:
    box = await house.box("1000")
    own = await recorded(house, box.id, MediaKind.UNAVAILABLE, 2)
    box = await house.app.boxes.patch(box, {"greeting_media_id": own})
    assert seconds(await house.app.mailroom.greetings.greeting(box)) == 2


async def test_a_greeting_whose_file_is_gone_is_none(house: House) -> None:
    box = await house.box("1000")
    own = await recorded(house, box.id, MediaKind.UNAVAILABLE, 2)
    box = await house.app.boxes.patch(box, {"media": {"unavailable": own}})
    house.app.recordings.media(house.account.id, own).unlink()
    assert await house.app.mailroom.greetings.greeting(box) is None


async def test_a_recording_of_another_account_greets_nobody(house: House) -> None:
    box = await house.box("1000")
    own = await recorded(house, box.id, MediaKind.UNAVAILABLE, 2)
    other = await house.app.directory.create_account(
        house.account.model_copy(update={"id": "", "name": "other", "realm": None})
    )
    foreign = await house.app.boxes.create(other, {"name": "x", "mailbox": "1000", "media": {"unavailable": own}})
    assert await house.app.mailroom.greetings.greeting(foreign) is None


async def test_the_name_is_kept_with_the_user_else_with_the_box(house: House) -> None:
    greetings = house.app.mailroom.greetings
    box = await house.box("1000", owner=house.alice)
    assert await greetings.name(box) is None
    of_box = await recorded(house, box.id, MediaKind.NAME, 1)
    box = await house.app.boxes.patch(box, {"media": {"name": of_box}})
    assert seconds(await greetings.name(box)) == 1
    of_user = await recorded(house, box.id, MediaKind.NAME, 2)
    changed = house.alice.model_copy(update={"settings": {"media": {"name": of_user}}})
    await house.app.directory.update_user(changed)
    assert seconds(await greetings.name(await house.app.boxes.get(box.id))) == 2
