"""Which recording greets a caller, and how one comes to do so."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.audio import wav
from ivr.audio.sound import Sound
from ivr.errors import NotFound, StoreFull
from ivr.mailbox import recordings
from ivr.mailbox.greetings import end_of_day
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.message import Caller
from ivr.mailbox.sqlite.media import SqliteMedia
from ivr.mailbox.store import Media, MediaKind, Purpose, Take
from ivr.mailbox.takes import Source
from tests.mailbox.test_delivery import adopt
from tests.support.house import House

ZONES = ["UTC", "Europe/Berlin", "America/Los_Angeles", "Asia/Shanghai", "America/Santiago", "Australia/Lord_Howe"]


def seconds(sound: Sound | None) -> int | None:
    return sound.length_ms // 1000 if sound else None


async def recorded(house: House, box_id: str, kind: MediaKind, n: int, source: str = "recording") -> str:
    """A recording of `n` seconds; its id."""
    media_id = f"{n:032x}"
    path = house.app.recordings.media(house.account.id, media_id)
    size = house.app.recordings.write(wav.silence(n * 1000), path)
    media = Media(media_id, house.account.id, box_id, kind, n * 1000, size, int(house.clock.now()), source)
    await SqliteMedia(house.app.database, house.clock).add(media)
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


# -- what its owner changes --------------------------------------------------------------------------------------------


async def a_take(house: House, box: Mailbox, purpose: Purpose, s: int = 2) -> Take:
    """A take as Asterisk leaves it when it dies: samples, and a header that says 0."""
    source = Source("PJSIP/alice-1", "call.1", Caller("1000"))
    take = await house.app.mailroom.takes.begin(box.account_id, box.id, purpose, source)
    Path(take.path).write_bytes(wav.header(0) + b"\x10\x20" * (8000 * s))
    return take


async def uses(house: House, box: Mailbox, purpose: Purpose, s: int = 2, days: int | None = None) -> Mailbox:
    """The box, after a take of `s` seconds has become what it says."""
    await house.app.mailroom.greetings.use(await a_take(house, box, purpose, s), box, days=days)
    return await house.app.boxes.get(box.id)


async def is_there(house: House, media_id: str | None) -> bool:
    assert media_id
    return await SqliteMedia(house.app.database, house.clock).get(house.account.id, media_id) is not None


async def test_a_take_becomes_the_greeting_and_is_over(house: House) -> None:
    box = await house.box("1000")
    changed = await uses(house, box, Purpose.GREETING)
    own = changed.settings.media.unavailable
    path = house.app.recordings.media(box.account_id, str(own))
    assert path == house.settings.data.folder / box.account_id / "media" / f"{own}.wav"
    assert path.read_bytes()[:44] == wav.header(32_000)
    assert seconds(await house.app.mailroom.greetings.greeting(changed)) == 2
    assert changed.revision == box.revision + 1
    assert await house.app.mailroom.takes.left_behind() == []
    assert list(house.app.recordings.takes.iterdir()) == []


async def test_a_take_becomes_a_greeting_once(house: House) -> None:
    box = await house.box("1000")
    take = await a_take(house, box, Purpose.GREETING)
    await house.app.mailroom.takes.drop(take)
    Path(take.path).write_bytes(wav.header(0) + b"\x10\x20" * 8000)
    with pytest.raises(NotFound):
        await house.app.mailroom.greetings.use(take, box)
    assert (await house.app.boxes.get(box.id)).settings.media.unavailable is None


async def test_a_new_greeting_takes_the_recording_before_it_away(house: House) -> None:
    box = await uses(house, await house.box("1000"), Purpose.GREETING, 2)
    first = box.settings.media.unavailable
    box = await uses(house, box, Purpose.GREETING, 3)
    assert not await is_there(house, first)
    assert seconds(await house.app.mailroom.greetings.greeting(box)) == 3


async def test_a_greeting_that_was_uploaded_stays(house: House) -> None:
    box = await house.box("1000")
    uploaded = await recorded(house, box.id, MediaKind.UNAVAILABLE, 4, source="upload")
    box = await house.app.boxes.patch(box, {"media": {"unavailable": uploaded}})
    box = await uses(house, box, Purpose.GREETING)
    assert box.settings.media.unavailable != uploaded
    assert await is_there(house, uploaded)
    assert seconds(await house.app.mailroom.greetings.greeting(box)) == 2


async def test_another_boxs_greeting_stays(house: House) -> None:
    first = await uses(house, await house.box("1000"), Purpose.GREETING)
    second = await house.box("1001", media={"unavailable": first.settings.media.unavailable})
    await uses(house, second, Purpose.GREETING)
    assert await is_there(house, first.settings.media.unavailable)


async def test_a_temporary_greeting_lasts_to_the_end_of_its_last_day_where_its_owner_lives(house: House) -> None:
    """Noon in London is 8 in the evening in Shanghai: two days are today and tomorrow, there."""
    box = await uses(house, await house.box("1000"), Purpose.GREETING, 2)
    box = await house.app.boxes.patch(box, {"timezone": "Asia/Shanghai"})
    box = await uses(house, box, Purpose.TEMPORARY, 3, days=2)
    greetings = house.app.mailroom.greetings
    house.clock.advance(s=4 * 3600 + 86_400 - 1)
    assert seconds(await greetings.greeting(box)) == 3
    house.clock.advance(s=1)
    assert seconds(await greetings.greeting(box)) == 2
    assert await greetings.temporary(box) is None


@given(st.integers(1, 365), st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1)), st.sampled_from(ZONES))
def test_any_number_of_days_ends_with_a_day(n: int, at: datetime, zone: str) -> None:
    now = at.replace(tzinfo=ZoneInfo(zone))
    ends = end_of_day(n, now)
    assert datetime.fromtimestamp(ends - 1, now.tzinfo).date() == now.date() + timedelta(days=n - 1)
    assert datetime.fromtimestamp(ends + 3600, now.tzinfo).date() == now.date() + timedelta(days=n)


async def test_one_without_an_end_lasts(house: House) -> None:
    box = await uses(house, await house.box("1000"), Purpose.TEMPORARY, 3, days=1)
    box = await uses(house, box, Purpose.TEMPORARY, 4)
    house.clock.advance(s=400 * 86_400)
    assert seconds(await house.app.mailroom.greetings.greeting(box)) == 4


async def test_removing_the_temporary_greeting_leaves_the_own_one(house: House) -> None:
    box = await uses(house, await house.box("1000"), Purpose.GREETING, 2)
    box = await uses(house, box, Purpose.TEMPORARY, 3, days=5)
    assert await house.app.mailroom.greetings.remove_temporary(box)
    changed = await house.app.boxes.get(box.id)
    assert seconds(await house.app.mailroom.greetings.greeting(changed)) == 2
    assert changed.settings.media.temporary_until is None
    assert not await is_there(house, box.settings.media.temporary_unavailable)
    assert not await house.app.mailroom.greetings.remove_temporary(changed)


async def test_an_administrator_can_take_it_away_too(house: House) -> None:
    box = await uses(house, await house.box("1000"), Purpose.TEMPORARY, 3, days=5)
    box = await house.app.boxes.patch(box, {"media": {"temporary_unavailable": None}})
    assert await house.app.mailroom.greetings.greeting(box) is None


async def test_the_name_is_written_to_the_owner_else_to_the_box(house: House) -> None:
    mine = await uses(house, await house.box("1000", owner=house.alice), Purpose.NAME, 1)
    assert mine.settings.media.name is None
    assert mine.owner
    kept = mine.owner.settings["media"]["name"]
    assert await is_there(house, kept)
    nobodys = await uses(house, await house.box("1001"), Purpose.NAME, 1)
    assert await is_there(house, nobodys.settings.media.name)
    other = await uses(house, await house.box("1002", owner=house.alice), Purpose.NAME, 2)
    assert not await is_there(house, kept), "one owner has one name"
    assert seconds(await house.app.mailroom.greetings.name(await house.app.boxes.get(mine.id))) == 2
    assert other.owner


async def test_what_nobody_knows_of_a_box_is_kept(house: House) -> None:
    box = await house.box("1000", made_by="us", media={"busy": "x"})
    box = await uses(house, box, Purpose.GREETING)
    assert box.settings.model_extra == {"made_by": "us"}
    assert box.settings.media.model_extra == {"busy": "x"}


# -- what was recorded when the call ended -----------------------------------------------------------------------------


async def test_a_take_put_aside_can_be_played_and_is_offered(house: House) -> None:
    box = await house.box("1000")
    take = await a_take(house, box, Purpose.GREETING)
    takes = house.app.mailroom.takes
    await takes.put_aside(take)
    assert Path(take.path).read_bytes()[:44] == wav.header(32_000)
    assert [found.id for found in await takes.aside(box.id)] == [take.id]
    assert await takes.left_behind() == [], "there is nothing to adopt"


async def test_only_the_newest_of_a_purpose_stays(house: House) -> None:
    box, other = await house.box("1000"), await house.box("1001")
    takes = house.app.mailroom.takes
    made = [(box, Purpose.GREETING), (box, Purpose.NAME), (other, Purpose.GREETING), (box, Purpose.GREETING)]
    ids = []
    for whose, purpose in made:
        house.clock.advance(s=1)
        ids.append(take := await a_take(house, whose, purpose))
        await takes.put_aside(take)
    assert [found.id for found in await takes.aside(box.id)] == [ids[1].id, ids[3].id]
    assert [found.id for found in await takes.aside(other.id)] == [ids[2].id]
    assert len(list(house.app.recordings.takes.iterdir())) == 3


async def test_after_a_crash_a_greeting_is_put_aside_and_not_used(house: House) -> None:
    box = await house.box("1000")
    take = await a_take(house, box, Purpose.TEMPORARY)
    for _ in range(2):
        await adopt(house)
    assert [found.id for found in await house.app.mailroom.takes.aside(box.id)] == [take.id]
    assert Path(take.path).read_bytes()[:44] == wav.header(32_000)
    assert (await house.app.boxes.get(box.id)).settings.media.temporary_unavailable is None


async def test_what_was_put_aside_goes_with_its_box(house: House) -> None:
    box = await house.box("1000")
    await house.app.mailroom.takes.put_aside(await a_take(house, box, Purpose.GREETING))
    await house.app.boxes.delete(box)
    await adopt(house)
    assert await house.app.mailroom.takes.aside(box.id) == []
    assert list(house.app.recordings.takes.iterdir()) == []


async def test_after_a_crash_what_is_no_greeting_is_dropped(house: House) -> None:
    box = await house.box("1000")
    takes = house.app.mailroom.takes
    short, empty = [await a_take(house, box, Purpose.GREETING, s=0) for _ in range(2)]
    Path(empty.path).unlink()
    await adopt(house)
    assert await takes.aside(box.id) == []
    assert await takes.left_behind() == []
    assert not Path(short.path).exists()


async def test_a_full_disk_puts_it_aside_all_the_same(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    box = await house.box("1000")
    take = await a_take(house, box, Purpose.GREETING)
    monkeypatch.setattr(recordings, "_sync", full)
    with pytest.raises(StoreFull):
        await house.app.mailroom.greetings.use(take, box)
    assert (await house.app.boxes.get(box.id)).settings.media.unavailable is None
    await house.app.mailroom.takes.put_aside(take)
    assert [found.id for found in await house.app.mailroom.takes.aside(box.id)] == [take.id]
    assert Path(take.path).exists()
