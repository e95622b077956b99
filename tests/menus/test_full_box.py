"""A box that takes no more: by count, by quota, and what it says."""

from __future__ import annotations

from typing import Any

import pytest

from ivr.call.scripted import HangUp, Meanwhile, Press, ScriptedCall, Silence, Speak, Step
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.store import MediaKind
from tests.support.house import House

NUMBER = "The person at extension one zero zero zero is not available."
FULL = "I am sorry, this mailbox is full. Please try again later."
BEEP = "(beep)"
MS_A_MEGABYTE = 62_500


async def reach(house: House, *script: Step, **how: Any) -> ScriptedCall:
    return await house.call(script, path="leave", number="1000", **how)


async def limited(house: House, most: int) -> Mailbox:
    await house.app.directory.update_account(house.account.model_copy(update={"settings": {"max_message_count": most}}))
    return await house.box()


async def outbox(house: House) -> list[tuple[str, str]]:
    rows = await house.app.database.read(lambda c: c.execute("SELECT kind, box_id FROM outbox").fetchall())
    return [(row["kind"], row["box_id"]) for row in rows]


async def test_new_and_saved_messages_fill_it(house: House) -> None:
    box = await limited(house, 2)
    await house.message(box)
    assert BEEP in (await reach(house, HangUp(during=BEEP))).texts
    await house.message(box, folder="saved")
    phone = await reach(house)
    assert phone.texts == [NUMBER, FULL]
    assert phone.status == "FULL"


async def test_deleted_messages_do_not(house: House) -> None:
    box = await limited(house, 1)
    await house.message(box, folder="deleted")
    assert BEEP in (await reach(house, HangUp(during=BEEP))).texts


async def test_nor_do_those_past_retention(house: House) -> None:
    box = await limited(house, 1)
    await house.message(box, age_s=94 * 86_400)
    assert BEEP in (await reach(house, HangUp(during=BEEP))).texts


async def test_zero_is_any_number(house: House) -> None:
    box = await limited(house, 0)
    for _ in range(3):
        await house.message(box, s=1)
    assert BEEP in (await reach(house, HangUp(during=BEEP))).texts


async def test_its_own_greeting_and_intro_are_heard_first(house: House) -> None:
    box = await limited(house, 1)
    await house.message(box)
    await house.uses(await house.app.boxes.patch(box, {"play_greeting_intro": True}), MediaKind.UNAVAILABLE)
    assert (await reach(house)).texts == ["Your call could not be answered.", "(greeting of 1000)", FULL]


@pytest.mark.parametrize("during", ["The person", "I am sorry"])
async def test_star_signs_in(house: House, during: str) -> None:
    await house.message(await limited(house, 1))
    phone = await reach(house, Press("*", during=during), Press("1379#", during="pin"), *[Silence()] * 9)
    assert "You have one new message." in " ".join(phone.texts) or "one new message" in " ".join(phone.texts)


async def test_every_other_key_is_ignored(house: House) -> None:
    await house.message(await limited(house, 1))
    phone = await reach(house, *[Press(key, after_ms=200) for key in "0123456789#"])
    assert phone.status == "FULL"
    assert phone.texts == [NUMBER, FULL]


async def test_the_owner_still_gets_in(house: House) -> None:
    await house.message(await limited(house, 1))
    box = await house.app.boxes.by_number(house.account.id, "1000")
    assert box
    await house.app.boxes.patch(box, {"owner_id": house.alice.id})
    phone = await reach(house, endpoint="alice")
    assert FULL not in phone.texts


async def test_each_time_the_owner_is_to_be_told(house: House) -> None:
    box = await limited(house, 1)
    await house.message(box)
    await reach(house)
    await reach(house)
    assert [row for row in await outbox(house) if row[0] == "full"] == [("full", box.id)] * 2


async def test_a_quota_that_is_used_up_fills_it(house: House) -> None:
    box = await house.box(quota_mb=1)
    await house.message(box, s=50)
    assert BEEP in (await reach(house, HangUp(during=BEEP))).texts
    await house.message(box, s=8, folder="saved")
    assert (await reach(house)).texts == [NUMBER, FULL]


async def test_greetings_count_too(house: House) -> None:
    box = await house.box(quota_mb=1)
    await house.recording(box, MediaKind.UNAVAILABLE, s=58)
    assert FULL in (await reach(house)).texts


async def test_nobody_talks_longer_than_there_is_room(house: House) -> None:
    box = await house.box(quota_mb=1)
    await house.message(box, s=50)
    await reach(house, Speak(60_000, then="silence"), Press("1"))
    newest, *_ = await house.messages(box)
    assert newest.length_ms == pytest.approx(MS_A_MEGABYTE - 50_000, abs=20)
    assert await house.app.messages.bytes(box.id) <= 1_000_000


async def test_what_is_deleted_goes_when_a_message_needs_the_room(house: House) -> None:
    """The oldest first, and no more than must."""
    box = await house.box(quota_mb=1)
    oldest, older, newer = [await house.message(box, s=15, folder="deleted", age_s=age) for age in (300, 200, 100)]
    files = {message.id: house.app.delivery.audio(message)[0] for message in (oldest, older, newer)}
    await reach(house, Speak(30_000), Press("1"))
    left = {message.id for message in await house.messages(box)}
    assert oldest.id not in left
    assert {older.id, newer.id} <= left
    assert [files[message.id].exists() for message in (oldest, older, newer)] == [False, True, True]
    counts = await house.app.messages.counts(box.id)
    assert (counts.new, counts.deleted) == (1, 2)
    assert await house.app.messages.bytes(box.id) <= 1_000_000


async def test_what_is_new_or_saved_never_goes(house: House) -> None:
    box = await house.box(quota_mb=1)
    kept = [await house.message(box, s=20), await house.message(box, s=20, folder="saved")]
    gone = await house.message(box, s=20, folder="deleted")
    await reach(house, Speak(22_000), Press("1"))
    left = {message.id for message in await house.messages(box)}
    assert {message.id for message in kept} <= left
    assert gone.id not in left
    assert len(left) == 3


async def test_a_forwarded_message_that_shares_its_audio_keeps_it(house: House) -> None:
    box, other = await house.box(quota_mb=1), await house.box("1001")
    gone = await house.message(box, s=50, folder="deleted")
    [copy] = await house.app.delivery.copy(gone, [other])
    await reach(house, Speak(30_000), Press("1"))
    assert not house.app.delivery.audio(gone)[0].exists()
    assert house.app.delivery.audio(copy)[0].exists()


async def test_two_who_talk_at_once_are_both_kept(house: House) -> None:
    """What was said is never lost to a quota."""
    box = await house.box(quota_mb=1)

    async def another() -> None:
        await reach(house, Speak(50_000, then="hang-up"))

    await reach(house, Meanwhile(BEEP, another), Speak(50_000, then="hang-up"))
    assert len(await house.messages(box)) == 2
