"""The quota of a box on every way into it: what goes for what comes, what is refused; and nothing is lost by it."""

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
from ivr.mailbox.mailbox import MEGABYTE, Mailbox
from ivr.mailbox.message import Caller, Folder, Message
from ivr.mailbox.store import Because, Purpose, Take
from ivr.mailbox.takes import Source
from tests.support.house import NOON, House

WAYS = ["copied", "moved", "forwarded", "brought", "brought back"]


def files(house: House) -> set[str]:
    folder = house.settings.data.folder
    return {str(path.relative_to(folder)) for path in folder.rglob("*.wav")}


class Scene:
    """A message of 20 s in 1000; 1001 has a quota of 1 MB, a minute and two seconds."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.mine: Mailbox
        self.theirs: Mailbox
        self.message: Message

    async def open(self) -> Scene:
        self.mine, self.theirs = await self.house.box("1000"), await self.house.box("1001", quota_mb=1)
        self.message = await self.house.message(self.mine, s=20, folder="saved")
        return self

    async def comes(self, way: str) -> Message:
        """What comes into 1001, of 20 s."""
        delivery, messages = self.house.app.delivery, self.house.app.messages
        match way:
            case "copied":
                [copy] = await delivery.copy(self.message, [self.theirs])
                return copy
            case "moved":
                return await delivery.move(self.message, self.theirs)
            case "forwarded":
                return await delivery.forward(self.message, self.theirs)
            case "brought":
                return await delivery.bring(self.theirs, b"\0\0" * 160_000, Caller("2001"), NOON, Folder.NEW)
            case _:
                [gone] = await messages.soft_deleted(self.theirs.id, 10)
                return await messages.bring_back(self.theirs.id, gone.id, Because.REQUEST)


async def scene(house: House, way: str) -> Scene:
    s = await Scene(house).open()
    if way == "brought back":
        gone = await house.message(s.theirs, s=20)
        await house.app.messages.remove(s.theirs.id, [gone.id])
    return s


async def ids_in(house: House, box: Mailbox) -> set[str]:
    return {message.id for message in await house.messages(box)}


@pytest.mark.parametrize("way", WAYS)
async def test_the_oldest_of_deleted_go_for_it(house: House, way: str) -> None:
    s = await scene(house, way)
    ages = (300, 200, 100)
    oldest, older, newer = [await house.message(s.theirs, s=20, folder="deleted", age_s=age) for age in ages]
    came = await s.comes(way)
    assert await ids_in(house, s.theirs) == {came.id, older.id, newer.id}
    assert await house.app.messages.bytes(s.theirs.id) <= MEGABYTE
    await house.app.sweeper.turn()
    assert not house.app.delivery.audio(oldest)[0].exists()
    assert wav.length_ms(house.app.delivery.audio(came)[0]) == 20_000


@pytest.mark.parametrize("way", WAYS)
async def test_what_does_not_fit_is_refused_and_nothing_is_lost(house: House, way: str) -> None:
    s = await scene(house, way)
    kept = [await house.message(s.theirs, s=45), await house.message(s.theirs, s=2, folder="deleted")]
    counts, before = await house.app.messages.counts(s.theirs.id), files(house)
    with pytest.raises(BoxFull, match="no room"):
        await s.comes(way)
    assert await ids_in(house, s.theirs) == {message.id for message in kept}
    assert await house.app.messages.counts(s.theirs.id) == counts
    assert files(house) == before, "no audio is gone, and none is left behind"
    assert await house.folder_of(s.message) == "saved"


@pytest.mark.parametrize("way", ["copied", "moved", "forwarded"])
async def test_the_number_of_messages_holds_callers_off_and_nobody_else(house: House, way: str) -> None:
    """As in Kazoo (§1.5)."""
    await house.app.directory.update_account(house.account.model_copy(update={"settings": {"max_message_count": 1}}))
    s = await scene(house, way)
    await house.message(s.theirs, s=1)
    assert await house.app.mailroom.room.is_full(await house.app.boxes.get(s.theirs.id))
    await s.comes(way)
    assert len(await house.messages(s.theirs)) == 2


async def test_a_copy_that_fits_one_box_and_not_the_other_is_in_neither(house: House) -> None:
    s = await scene(house, "copied")
    third = await house.box("1002")
    await house.message(s.theirs, s=60)
    before = files(house)
    with pytest.raises(BoxFull):
        await house.app.delivery.copy(s.message, [third, s.theirs])
    assert await house.messages(third) == []
    assert files(house) == before


async def test_a_full_box_moves_its_own_messages_as_it_likes(house: House) -> None:
    """Under a new id, in the folder of new ones: it takes no more room than it had."""
    box = await house.box(quota_mb=1)
    message = await house.message(box, s=40, folder="deleted")
    other = await house.message(box, s=15, folder="deleted", age_s=9000)
    moved = await house.app.delivery.move(message, box)
    assert await ids_in(house, box) == {moved.id, other.id}


async def test_a_copy_into_the_same_box_is_not_made_of_what_went_for_it(house: House) -> None:
    box = await house.box(quota_mb=1)
    message = await house.message(box, s=40, folder="deleted", age_s=9000)
    with pytest.raises(BoxFull):
        await house.app.delivery.copy(message, [box])
    assert await house.folder_of(message) == "deleted"


async def test_what_takes_no_more_room_than_was_taken_is_never_refused(house: House) -> None:
    """The quota of a box was lowered, or somebody was let talk: what makes it emptier is welcome all the same."""
    box, other = await house.box("1000"), await house.box("1001")
    first, second, third = [await house.message(box, s=60, age_s=age) for age in (3, 2, 1)]
    deleted = await house.message(box, s=5, folder="deleted")
    await house.app.boxes.patch(box, {"quota_mb": 1})
    await house.app.messages.move_to(box.id, first.id, Folder.DELETED, Because.KEY)
    await house.app.messages.restore(box.id, first.id, Because.KEY)
    await house.app.delivery.move(second, other)
    moved = await house.app.delivery.move(third, box)
    assert await ids_in(house, box) == {first.id, moved.id, deleted.id}


# -- what is said by phone ---------------------------------------------------------------------------------------------


async def recorded(house: House, box: Mailbox, purpose: Purpose, ms: int, **payload: str) -> Take:
    source = Source("PJSIP/x-1", "call.1", Caller("2001", "Somebody"))
    take = await house.app.mailroom.takes.begin(box.account_id, box.id, purpose, source, payload)
    wav.write(Path(take.path), b"\x10\x20" * (8 * ms))
    return take


@pytest.mark.parametrize("what", ["message", "intro", "too short an intro", "another box's copy"])
async def test_what_somebody_was_let_say_is_kept_though_it_became_too_much_meanwhile(house: House, what: str) -> None:
    """And takes away what is deleted all the same."""
    s = await scene(house, "copied")
    full = await house.message(s.theirs, s=55)
    deleted = await house.message(s.theirs, s=5, folder="deleted")
    delivery = house.app.delivery
    match what:
        case "message":
            await delivery.deliver(await recorded(house, s.theirs, Purpose.MESSAGE, 20_000), s.theirs)
        case "another box's copy":
            await delivery.carbon_copy(s.message, s.theirs)
        case _:
            take = await recorded(house, s.mine, Purpose.INTRO, 300 if "short" in what else 3000)
            await delivery.forward(s.message, s.theirs, take, intro="short" not in what)
    there = await ids_in(house, s.theirs)
    assert len(there) == 2
    assert full.id in there
    assert deleted.id not in there


async def test_an_intro_takes_the_place_of_the_one_before_and_of_its_room(house: House) -> None:
    mine, theirs, third = [await house.box(number) for number in ("1000", "1001", "1002")]
    message = await house.message(mine, s=5)
    first = await house.app.delivery.forward(message, theirs, await recorded(house, mine, Purpose.INTRO, 3000))
    second = await house.app.delivery.forward(first, third, await recorded(house, theirs, Purpose.INTRO, 2000))
    assert (second.length_ms, second.intro_ms) == (7000, 2000)
    paths = house.app.delivery.audio(second)
    assert await house.app.messages.bytes(third.id) == sum(path.stat().st_size for path in paths)
    assert len([name for name in files(house) if "/media/" in name]) == 2, "no intro lies about that nobody hears"


# -- greetings ---------------------------------------------------------------------------------------------------------


async def a_greeting(house: House, box: Mailbox, ms: int) -> None:
    greetings: Greetings = house.app.mailroom.greetings
    await greetings.use(await recorded(house, box, Purpose.GREETING, ms), await house.app.boxes.get(box.id))


async def test_a_greeting_takes_its_room_too(house: House) -> None:
    box = await house.box(quota_mb=1)
    deleted = await house.message(box, s=30, folder="deleted")
    await a_greeting(house, box, 40_000)
    assert await house.messages(box) == []
    await house.app.sweeper.turn()
    assert not house.app.delivery.audio(deleted)[0].exists()


async def test_a_greeting_that_does_not_fit_leaves_the_one_before_in_use(house: House) -> None:
    box = await house.box(quota_mb=1)
    await a_greeting(house, box, 10_000)
    await house.message(box, s=45)
    before = (await house.app.boxes.get(box.id)).settings.media.unavailable
    with pytest.raises(BoxFull):
        await a_greeting(house, box, 20_000)
    assert (await house.app.boxes.get(box.id)).settings.media.unavailable == before
    await a_greeting(house, box, 15_000)
    assert (await house.app.boxes.get(box.id)).settings.media.unavailable != before, "the one before makes room for it"


# -- whatever comes ----------------------------------------------------------------------------------------------------

DEEDS = ["copied", "moved", "forwarded", "brought", "deleted", "greeted"]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=st.lists(st.tuples(st.sampled_from(DEEDS), st.integers(0, 9)), max_size=12))
def test_whatever_comes_no_box_holds_more_than_its_quota_and_what_is_refused_is_where_it_was(
    tmp_path_factory: Any, asked: list[tuple[str, int]]
) -> None:
    asyncio.run(_whatever_comes(tmp_path_factory.mktemp("house") / "data", asked))


async def _whatever_comes(folder: Path, asked: list[tuple[str, int]]) -> None:
    house = await House(folder).open()
    try:
        boxes = [await house.box(number, quota_mb=1) for number in ("1000", "1001")]
        for what, n in asked:
            here, there = boxes[n % 2], boxes[(n + 1) % 2]
            found = await house.messages(here)
            before = [await ids_in(house, box) for box in boxes]
            kept = {m.id for box in boxes for m in await house.messages(box) if m.folder is not Folder.DELETED}
            message = found[n % len(found)] if found else None
            try:
                await _do(house, what, n, here, there, message)
            except BoxFull:
                assert [await ids_in(house, box) for box in boxes] == before
            left = [message for box in boxes for message in await house.messages(box)]
            moved = {message.id} if message and what == "moved" else set()
            assert kept - moved <= {message.id for message in left}, "only what was deleted may go"
            for one in left:
                assert wav.length_ms(house.app.delivery.audio(one)[0]) == one.length_ms
            for box in boxes:
                assert await house.app.messages.bytes(box.id) <= MEGABYTE
    finally:
        house.close()


async def _do(house: House, what: str, n: int, here: Mailbox, there: Mailbox, message: Message | None) -> None:
    delivery = house.app.delivery
    if what == "brought":
        await delivery.bring(there, b"\0\0" * 48_000 * (n + 1), Caller("2001"), NOON + n, Folder.NEW)
    elif what == "greeted":
        await a_greeting(house, here, 4000 * (n + 1))
    elif message and what == "copied":
        await delivery.copy(message, [there])
    elif message and what == "moved":
        await delivery.move(message, there)
    elif message and what == "forwarded":
        await delivery.forward(message, there)
    elif message:
        await house.app.messages.move_to(here.id, message.id, Folder.DELETED, Because.KEY)
