"""Settings that a mailbox brings along from other systems: greetings, review, contexts, copies, labels."""

from __future__ import annotations

from typing import Any

import pytest

from ivr.storage.records import Folder, MediaKind
from tests.support.app_fixture import AppFixture
from tests.support.scripted_call import HangUp, Press, ScriptedCall, ScriptStep, Speak

INSTRUCTIONS = "Please leave"


async def leave(app: AppFixture, *script: ScriptStep, **options: Any) -> ScriptedCall:
    return await app.run_call(script or (Speak(3000), Press("1", during="To keep")), path="leave", **options)


async def configure_account(app: AppFixture, **settings: Any) -> None:
    account = await app.container.directory.account(app.account.id)
    await app.container.directory.update_account(account.model_copy(update={"settings": settings}))


@pytest.mark.parametrize(
    ("kinds", "heard"),
    [
        ([MediaKind.UNAVAILABLE, MediaKind.BUSY], "(busy greeting of 1000)"),
        ([MediaKind.UNAVAILABLE], "(greeting of 1000)"),
        ([MediaKind.BUSY, MediaKind.TEMPORARY], "(temporary greeting of 1000)"),
    ],
)
async def test_busy_greeting_plays_where_the_dialplan_says_busy(
    app: AppFixture, kinds: list[MediaKind], heard: str
) -> None:
    await app.activate_recordings(await app.create_box(), *kinds)
    phone = await leave(app, HangUp(during=INSTRUCTIONS), number="1000", greeting="busy")
    assert phone.texts[0] == heard
    phone = await leave(app, HangUp(during=INSTRUCTIONS), number="1000")
    assert phone.texts[0] != "(busy greeting of 1000)"


async def test_owner_records_busy_greeting_by_phone(app: AppFixture) -> None:
    box = await app.create_box(owner=app.alice)
    await app.run_call(
        (
            Press("5", during="To change"),
            Press("*", during="To record"),
            Speak(3000, then="key"),
            Press("1", during="To use"),
        ),
        endpoint="alice",
        number="1000",
    )
    media = (await app.container.boxes.get(box.id)).settings.media
    assert media.busy
    assert not media.unavailable


async def test_greeting_is_no_longer_than_the_limit(app: AppFixture) -> None:
    box = await app.create_box(owner=app.alice, max_greeting_length=10)
    await app.run_call(
        (Press("51", during="To change"), Speak(60_000, then="key"), Press("1", during="To use")),
        endpoint="alice",
        number="1000",
    )
    media_id = (await app.container.boxes.get(box.id)).settings.media.unavailable
    media = await app.container.media.get(box.account_id, media_id or "")
    assert media
    assert media.length_ms == 10_000


@pytest.mark.parametrize("review", [True, False])
async def test_review_is_offered_unless_the_box_has_none(app: AppFixture, review: bool) -> None:
    box = await app.create_box(review=review)
    phone = await leave(app, Speak(3000, then="key"), number="1000")
    assert any("To listen" in text for text in phone.texts) is review
    assert len(await app.messages(box)) == 1
    if not review:
        assert phone.texts[-1] == "Your message has been saved. Thank you. Goodbye."


async def test_disabled_box_takes_no_calls_and_keeps_its_messages(app: AppFixture) -> None:
    box = await app.create_box(owner=app.alice, enabled=False)
    message = await app.create_message(box)
    phone = await leave(app, number="1000")
    assert phone.status == "NOBOX"
    assert (await app.run_call(endpoint="alice", single_mailbox_login="true")).status == "NOACCESS"
    phone = await app.run_call([Press("1000#1379#"), HangUp(during="That is not correct")])
    assert "That is not correct." in phone.texts
    assert await app.folder_of(message) == "new"


async def test_message_is_copied_to_other_boxes_once(app: AppFixture) -> None:
    await app.create_box("1000", copy_to=["1001", "1002", "1000", "9999", "1004"])
    first, disabled = await app.create_box("1001", copy_to=["1003"]), await app.create_box("1002", enabled=False)
    further, only_copied = await app.create_box("1003"), await app.create_box("1004")
    await leave(app, Speak(3000, then="hang-up"), number="1000&1001")
    assert [len(await app.messages(box)) for box in (first, disabled, further, only_copied)] == [1, 0, 0, 1]


@pytest.mark.parametrize(
    ("key", "setting", "extension"),
    [
        ("0", "operator_context", "0"),
        ("0", "exit_context", "o"),
        ("*", "exit_context", "a"),
        ("2", "hunt_context", "2"),
    ],
)
async def test_box_has_contexts_of_its_own(app: AppFixture, key: str, setting: str, extension: str) -> None:
    await configure_account(app, **{setting: "of-account"})
    for number, own in (("1000", {setting: "of-box"}), ("1001", {}), ("1002", {setting: ""})):
        settings: dict[str, Any] = own
        await app.create_box(number, **settings)
    extensions = [("of-account", extension), ("of-box", extension)]
    for number, context in (("1000", "of-box"), ("1001", "of-account")):
        script = (Press(f"{key}#" if setting == "hunt_context" else key, during="The person"),)
        phone = await leave(app, *script, number=number, extensions=extensions)
        assert phone.continue_target == (context, extension)
    phone = await leave(app, Press(key, during="The person"), HangUp(), number="1002", extensions=extensions)
    assert phone.continue_target is None


@pytest.mark.parametrize(("after_heard", "folder"), [("save", "saved"), ("keep", "new")])
async def test_heard_message_stays_new_where_the_box_says_so(app: AppFixture, after_heard: str, folder: str) -> None:
    box = await app.create_box(owner=app.alice, after_heard=after_heard, new_messages_at_once=False)
    message = await app.create_message(box, s=2)
    await app.run_call([Press("1", during="To hear"), HangUp(during="To save")], endpoint="alice", number="1000")
    assert await app.folder_of(message) == folder


@pytest.mark.parametrize(
    ("labels", "key", "option"),
    [
        (["Work", "Customers"], "1", "For the folder work, press one."),
        (["Work", "Customers"], "2", "For folder two press two."),
    ],
)
async def test_key_puts_message_into_a_labelled_folder(
    app: AppFixture, labels: list[str], key: str, option: str
) -> None:
    await configure_account(app, folder_labels=labels)
    box = await app.create_box(owner=app.alice, keys={"file_message": "9", "callback": ""}, new_messages_at_once=False)
    message = await app.create_message(box, s=2)
    phone = await app.run_call(
        [Press("1", during="To hear"), Press("9", during="To save"), Press(key, during=option), HangUp()],
        endpoint="alice",
        number="1000",
    )
    (filed,) = await app.messages(box)
    assert (filed.id, filed.folder, filed.labels) == (message.id, Folder.SAVED, (labels[int(key) - 1],))
    assert any("To put it in a folder, press nine." in text for text in phone.texts)


async def test_leaving_the_choice_of_a_folder_changes_nothing(app: AppFixture) -> None:
    await configure_account(app, folder_labels=["Work"])
    box = await app.create_box(owner=app.alice, keys={"file_message": "9", "callback": ""}, new_messages_at_once=False)
    await app.create_message(box, s=2)
    phone = await app.run_call(
        [Press("1", during="To hear"), Press("9", during="To save"), Press("0", during="For the folder"), HangUp()],
        endpoint="alice",
        number="1000",
    )
    assert [(message.folder, message.labels) for message in await app.messages(box)] == [(Folder.SAVED, ())]
    assert "Saved." not in phone.texts


@pytest.mark.parametrize(
    ("own", "account", "status"), [(1, 5, "FULL"), (5, 1, "DONE"), (0, 1, "DONE"), (None, 1, "FULL")]
)
async def test_box_has_its_own_number_of_messages(app: AppFixture, own: int | None, account: int, status: str) -> None:
    await configure_account(app, max_message_count=account)
    box = await app.create_box(max_message_count=own)
    await app.create_message(box)
    assert (await leave(app, number="1000")).status == status


@pytest.mark.parametrize("changeable", [True, False])
async def test_pin_is_changed_by_its_owner_where_the_box_allows_it(app: AppFixture, changeable: bool) -> None:
    box = await app.create_box(owner=app.alice, pin_changeable=changeable, pin_must_change=not changeable)
    phone = await app.run_call(
        [
            Press("53", during="To change your settings"),
            Press("839105#", during="new pin"),
            Press("839105#", during="again"),
        ],
        endpoint="alice",
        number="1000",
    )
    assert await app.container.pins.is_set_to(box, "839105") is changeable
    assert ("Your pin was not changed." in phone.texts) is not changeable
    assert any("To change your pin" in text for text in phone.texts) is changeable


@pytest.mark.parametrize(
    ("own", "target"), [("of-box", ("of-box", "2001")), ("", None), (None, ("of-account", "2001"))]
)
async def test_call_back_goes_to_the_context_of_the_box(
    app: AppFixture, own: str | None, target: tuple[str, str] | None
) -> None:
    await configure_account(app, callback_context="of-account")
    box = await app.create_box(owner=app.alice, callback_context=own)
    await app.create_message(box, caller="2001")
    extensions = [("of-box", "2001"), ("of-account", "2001")]
    phone = await app.run_call(
        [Press("9", during="(message"), HangUp(during="To save")],
        endpoint="alice",
        number="1000",
        extensions=extensions,
    )
    assert phone.continue_target == target
