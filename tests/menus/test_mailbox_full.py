"""A full mailbox: by number of messages and by quota."""

from __future__ import annotations

from typing import Any

import pytest

from ivr.directory.models import Account
from ivr.mailbox.mailbox import Mailbox
from ivr.storage.records import MediaKind
from tests.support.app_fixture import AppFixture
from tests.support.scripted_call import HangUp, Meanwhile, Press, ScriptedCall, ScriptStep, Silence, Speak

NUMBER = "The person at extension one zero zero zero is not available."
FULL = "I am sorry, this mailbox is full. Please try again later."
BEEP = "(beep)"
MS_PER_MEGABYTE = 62_500


async def call_box(app: AppFixture, *script: ScriptStep, **options: Any) -> ScriptedCall:
    return await app.run_call(script, path="leave", **{"number": "1000", **options})


async def box_with_limit(app: AppFixture, max_messages: int) -> Mailbox:
    await app.container.directory.update_account(
        app.account.model_copy(update={"settings": {"max_message_count": max_messages}})
    )
    return await app.create_box()


async def outbox_kinds(app: AppFixture) -> list[tuple[str, str]]:
    rows = await app.container.database.read(lambda c: c.execute("SELECT kind, box_id FROM outbox").fetchall())
    return [(row["kind"], row["box_id"]) for row in rows]


async def test_new_and_saved_messages_fill_box(app: AppFixture) -> None:
    box = await box_with_limit(app, 2)
    await app.create_message(box)
    assert BEEP in (await call_box(app, HangUp(during=BEEP))).texts
    await app.create_message(box, folder="saved")
    phone = await call_box(app)
    assert phone.texts == [NUMBER, FULL]
    assert phone.status == "FULL"


async def test_deleted_messages_do_not_fill_box(app: AppFixture) -> None:
    box = await box_with_limit(app, 1)
    await app.create_message(box, folder="deleted")
    assert BEEP in (await call_box(app, HangUp(during=BEEP))).texts


async def test_messages_past_retention_do_not_fill_box(app: AppFixture) -> None:
    box = await box_with_limit(app, 1)
    await app.create_message(box, age_s=94 * 86_400)
    assert BEEP in (await call_box(app, HangUp(during=BEEP))).texts


async def test_message_limit_0_is_unlimited(app: AppFixture) -> None:
    box = await box_with_limit(app, 0)
    for _ in range(3):
        await app.create_message(box, s=1)
    assert BEEP in (await call_box(app, HangUp(during=BEEP))).texts


async def test_full_box_plays_greeting_before_full_announcement(app: AppFixture) -> None:
    box = await box_with_limit(app, 1)
    await app.create_message(box)
    await app.activate_recordings(
        await app.container.boxes.patch(box, {"play_greeting_intro": True}), MediaKind.UNAVAILABLE
    )
    assert (await call_box(app)).texts == ["Your call could not be answered.", "(greeting of 1000)", FULL]


@pytest.mark.parametrize("during", ["The person", "I am sorry"])
async def test_star_at_full_box_starts_login(app: AppFixture, during: str) -> None:
    await app.create_message(await box_with_limit(app, 1))
    phone = await call_box(app, Press("*", during=during), Press("1379#", during="pin"), *[Silence()] * 9)
    assert "You have one new message." in " ".join(phone.texts) or "one new message" in " ".join(phone.texts)


async def test_full_box_ignores_other_keys(app: AppFixture) -> None:
    await app.create_message(await box_with_limit(app, 1))
    phone = await call_box(app, *[Press(key, after_ms=200) for key in "0123456789#"])
    assert phone.status == "FULL"
    assert phone.texts == [NUMBER, FULL]


async def test_owner_logs_in_to_full_box(app: AppFixture) -> None:
    await app.create_message(await box_with_limit(app, 1))
    box = await app.container.boxes.find_by_number(app.account.id, "1000")
    assert box
    await app.container.boxes.patch(box, {"owner_id": app.alice.id})
    phone = await call_box(app, endpoint="alice")
    assert FULL not in phone.texts


async def test_full_box_enqueues_owner_notification_each_time(app: AppFixture) -> None:
    box = await box_with_limit(app, 1)
    await app.create_message(box)
    await call_box(app)
    await call_box(app)
    assert [row for row in await outbox_kinds(app) if row[0] == "box_full"] == [("box_full", box.id)] * 2


async def test_exhausted_quota_fills_box(app: AppFixture) -> None:
    box = await app.create_box(quota_mb=1)
    await app.create_message(box, s=50)
    assert BEEP in (await call_box(app, HangUp(during=BEEP))).texts
    await app.create_message(box, s=8, folder="saved")
    assert (await call_box(app)).texts == [NUMBER, FULL]


async def test_greetings_count_against_quota(app: AppFixture) -> None:
    box = await app.create_box(quota_mb=1)
    await app.create_recording(box, MediaKind.UNAVAILABLE, s=58)
    assert FULL in (await call_box(app)).texts


async def test_recording_length_is_limited_by_capacity(app: AppFixture) -> None:
    box = await app.create_box(quota_mb=1)
    await app.create_message(box, s=50)
    await call_box(app, Speak(60_000, then="silence"), Press("1"))
    newest, *_ = await app.messages(box)
    assert newest.length_ms == pytest.approx(MS_PER_MEGABYTE - 50_000, abs=20)
    assert await app.container.messages.used_bytes(box.id) <= 1_000_000


async def test_deleted_messages_are_purged_for_new_message(app: AppFixture) -> None:
    """The oldest are purged first, and no more than needed."""
    box = await app.create_box(quota_mb=1)
    oldest, older, newer = [await app.create_message(box, s=15, folder="deleted", age_s=age) for age in (300, 200, 100)]
    files = {message.id: app.container.delivery.audio_paths(message)[0] for message in (oldest, older, newer)}
    await call_box(app, Speak(30_000), Press("1"))
    left = {message.id for message in await app.messages(box)}
    assert oldest.id not in left
    assert {older.id, newer.id} <= left
    assert [files[message.id].exists() for message in (oldest, older, newer)] == [False, True, True]
    counts = await app.container.messages.counts(box.id)
    assert (counts.new, counts.deleted) == (1, 2)
    assert await app.container.messages.used_bytes(box.id) <= 1_000_000


async def test_new_and_saved_messages_are_never_purged_for_space(app: AppFixture) -> None:
    box = await app.create_box(quota_mb=1)
    remaining = [await app.create_message(box, s=20), await app.create_message(box, s=20, folder="saved")]
    gone = await app.create_message(box, s=20, folder="deleted")
    await call_box(app, Speak(22_000), Press("1"))
    left = {message.id for message in await app.messages(box)}
    assert {message.id for message in remaining} <= left
    assert gone.id not in left
    assert len(left) == 3


async def test_purged_message_keeps_audio_shared_with_forwarded_message(app: AppFixture) -> None:
    box, other = await app.create_box(quota_mb=1), await app.create_box("1001")
    gone = await app.create_message(box, s=50, folder="deleted")
    [copy] = await app.container.delivery.copy(gone, [other])
    await call_box(app, Speak(30_000), Press("1"))
    assert not app.container.delivery.audio_paths(gone)[0].exists()
    assert app.container.delivery.audio_paths(copy)[0].exists()


async def test_concurrent_recordings_are_both_kept_over_quota(app: AppFixture) -> None:
    """A completed recording is never lost to a quota."""
    box = await app.create_box(quota_mb=1)

    async def another() -> None:
        await call_box(app, Speak(50_000, then="hang-up"))

    await call_box(app, Meanwhile(BEEP, another), Speak(50_000, then="hang-up"))
    assert len(await app.messages(box)) == 2


SECOND_NUMBER = "The person at extension one zero zero one is not available."


@pytest.mark.parametrize(
    ("first", "number", "greeting"),
    [
        ("full", "1000&1001&1002", NUMBER),
        ("out of space", "1000&1001&1002", NUMBER),
        ("full with copy_to", "1000", NUMBER),
        ("full twice", "1000&1000@demo&1001&1002", NUMBER),
        ("disabled", "1000&1001&1002", SECOND_NUMBER),
        ("missing", "1999&1001&1002", SECOND_NUMBER),
        ("of another account", "1999&1001@sales&1002", SECOND_NUMBER),
    ],
)
async def test_message_for_several_mailboxes_reaches_all_but_the_first(
    app: AppFixture, first: str, number: str, greeting: str
) -> None:
    """A mailbox that cannot take a message keeps it from no other one, and its owner hears that it is full."""
    unlike: dict[str, dict[str, Any]] = {
        "out of space": {"quota_mb": 1},
        "disabled": {"enabled": False},
        "full with copy_to": {"max_message_count": 1, "copy_to": ["1001", "1002"]},
    }
    box = await app.create_box(**unlike.get(first, {"max_message_count": 1}))
    await app.create_message(box, s=60 if first == "out of space" else 1)
    demo = app.account
    if first == "of another account":
        app.account = await app.container.directory.create_account(Account(name="sales", realm="sales.example"))
    others = [await app.create_box("1001")]
    app.account = demo
    others.append(await app.create_box("1002"))
    phone = await app.run_call([Speak(3000)], path="leave", number=number)
    assert phone.texts[0] == greeting
    assert phone.status == "DONE"
    assert [len(await app.messages(mailbox)) for mailbox in (box, *others)] == [1, 1, 1]
    notified = [box_id for kind, box_id in await outbox_kinds(app) if kind == "box_full"]
    assert notified == ([box.id] if "full" in first or "space" in first else [])


async def test_caller_of_several_mailboxes_hears_full_if_all_are(app: AppFixture) -> None:
    full = [await app.create_box(number, max_message_count=1) for number in ("1000", "1001")]
    for box in full:
        await app.create_message(box)
    phone = await call_box(app, number="1000&1001&1999")
    assert phone.texts == [NUMBER, FULL]
    assert phone.status == "FULL"
    notified = {box_id for kind, box_id in await outbox_kinds(app) if kind == "box_full"}
    assert notified == {box.id for box in full}
