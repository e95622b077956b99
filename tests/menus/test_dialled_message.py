"""The reference of a message behind `*97`: that message first, by the same rules for the PIN as without it."""

from __future__ import annotations

import pytest

from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.message_reference import message_reference
from ivr.storage.records import Folder, Message
from tests.menus.test_message_menu import audio_text
from tests.menus.test_sign_in import ENTER_PIN, WRONG
from tests.support.app_fixture import AppFixture
from tests.support.scripted_call import HangUp, Press, ScriptedCall, ScriptStep

GONE = "This message is no longer here."
DAY_S = 86_400


@pytest.fixture
async def box(app: AppFixture) -> Mailbox:
    return await app.create_box(owner=app.alice)


async def dial(app: AppFixture, reference: str, *script: ScriptStep, endpoint: str = "alice") -> ScriptedCall:
    return await app.run_call(script, endpoint=endpoint, number="1000", message=reference)


@pytest.mark.parametrize("folder", list(Folder))
async def test_owner_hears_dialled_message_then_others_of_its_folder(
    app: AppFixture, box: Mailbox, folder: Folder
) -> None:
    first, second, third = [await app.create_message(box, folder=folder, age_s=age_s) for age_s in (60, 120, 180)]
    await app.create_message(box, folder=next(other for other in Folder if other is not folder))
    keys = [Press("6", during=prompt) for prompt in ("To save", "Save", "Save")]
    phone = await dial(app, message_reference(second.id), *keys)
    assert phone.texts[:2] == ["Message one", audio_text(second)]
    heard = [text for text in phone.texts if text.startswith("(message")]
    assert heard[:3] == [audio_text(message) for message in (second, first, third)]
    assert len({*heard}) == 3


async def test_next_after_the_only_message_says_that_there_are_no_more(app: AppFixture, box: Mailbox) -> None:
    message = await app.create_message(box)
    phone = await dial(app, message_reference(message.id), Press("6", during="To save"), HangUp(during="Save"))
    assert "There are no more messages." in phone.texts


async def test_dialled_message_heard_to_its_end_is_saved_and_key_deletes_it(app: AppFixture, box: Mailbox) -> None:
    heard, deleted = await app.create_message(box), await app.create_message(box)
    await dial(app, message_reference(heard.id), HangUp(during="To save"))
    await dial(app, message_reference(deleted.id), Press("7"))
    assert [await app.folder_of(message) for message in (heard, deleted)] == ["saved", "deleted"]


async def test_phone_of_another_is_asked_for_the_pin_first(app: AppFixture, box: Mailbox) -> None:
    message = await app.create_message(box)
    refused = await dial(app, message_reference(message.id), Press("0000#"), Press("0000#"), endpoint="bob")
    assert refused.texts[:2] == [ENTER_PIN, WRONG]
    assert audio_text(message) not in refused.texts
    opened = await dial(app, message_reference(message.id), Press("1379#"), endpoint="bob")
    assert opened.texts[:3] == [ENTER_PIN, "Message one", audio_text(message)]


async def test_reference_of_another_mailbox_opens_nothing(app: AppFixture, box: Mailbox) -> None:
    """The owner of 1000 names a message of 1001: the PIN was not asked for, so the message is not there."""
    other = await app.create_box("1001", owner=app.bob)
    message = await app.create_message(other)
    phone = await dial(app, message_reference(message.id))
    assert phone.texts[0] == GONE
    assert audio_text(message) not in phone.texts


async def _remove(app: AppFixture, box: Mailbox, message: Message) -> str:
    await app.container.messages.soft_delete(box.id, [message.id])
    return message_reference(message.id)


async def _grow_old(app: AppFixture, box: Mailbox, message: Message) -> str:
    app.clock.advance(s=400 * DAY_S)
    return message_reference(message.id)


async def _mistype(app: AppFixture, box: Mailbox, message: Message) -> str:
    return message_reference(message.id)[:-1]


@pytest.mark.parametrize("lose", [_remove, _grow_old, _mistype])
async def test_message_that_is_gone_leads_to_the_main_menu(app: AppFixture, box: Mailbox, lose: object) -> None:
    message = await app.create_message(box)
    assert callable(lose)
    phone = await dial(app, await lose(app, box, message))
    assert phone.texts[0] == GONE
    assert phone.texts[1].startswith("You have")


async def test_new_pin_is_chosen_before_the_message_is_heard(app: AppFixture) -> None:
    box = await app.create_box(owner=app.alice, pin_must_change=True)
    message = await app.create_message(box)
    phone = await dial(app, message_reference(message.id), HangUp(during="Please enter your new"))
    assert audio_text(message) not in phone.texts
    phone = await dial(app, message_reference(message.id), Press("9517#"), Press("9517#"))
    assert audio_text(message) in phone.texts
