"""`press_key_to_record`: a caller presses a key before the beep, and a program that calls does not."""

from __future__ import annotations

import pytest

from tests.menus.test_leave_message import BEEP, GREETING, leave_message
from tests.support.app_fixture import AppFixture
from tests.support.scripted_call import Press, Silence, Speak

PROMPT = "To leave a message, press one."


async def test_program_that_presses_no_key_leaves_no_message(app: AppFixture) -> None:
    box = await app.create_box("1000", press_key_to_record=True)
    phone = await leave_message(app, Silence(), Silence(), Silence(), Speak(3000))
    assert phone.texts == [GREETING, PROMPT, PROMPT, PROMPT, "Goodbye."]
    assert (phone.status, await app.messages(box)) == ("NOMESSAGE", [])


@pytest.mark.parametrize("key", ["1", "#", "5"])
@pytest.mark.parametrize("during", [GREETING, PROMPT, None])
async def test_person_presses_key_and_leaves_message(app: AppFixture, key: str, during: str | None) -> None:
    box = await app.create_box("1000", press_key_to_record=True)
    wait = [Silence()] if during is None else []
    phone = await leave_message(app, *wait, Press(key, during=during), Speak(3000, then="hang-up"))
    assert phone.texts[-1] == BEEP
    assert len(await app.messages(box)) == 1


async def test_extension_may_be_dialled_and_1_leads_to_beep(app: AppFixture) -> None:
    changed = app.account.model_copy(update={"settings": {"hunt_context": "extensions", "press_key_to_record": True}})
    await app.container.directory.update_account(changed)
    box = await app.create_box("1000", hunt=True)
    phone = await leave_message(app, Press("1", during=PROMPT), Speak(3000, then="hang-up"))
    assert phone.texts[-3:] == ["If you know the extension you want, dial it now.", PROMPT, BEEP]
    assert len(await app.messages(box)) == 1
    phone = await leave_message(app, Press("77", during=PROMPT), Silence(), Silence(), Silence())
    assert "I am sorry, there is no such extension." in phone.texts
    assert (phone.status, len(await app.messages(box))) == ("NOMESSAGE", 1)


async def test_key_that_has_another_meaning_is_not_the_one_to_press(app: AppFixture) -> None:
    box = await app.create_box("1000", press_key_to_record=True, keys={"continue": "1"})
    phone = await leave_message(app, Press("1", during="press two"))
    assert (phone.status, await app.messages(box)) == ("EXIT", [])


async def test_mailbox_may_differ_from_its_account(app: AppFixture) -> None:
    changed = app.account.model_copy(update={"settings": {"press_key_to_record": True}})
    await app.container.directory.update_account(changed)
    box = await app.create_box("1000", press_key_to_record=False)
    await leave_message(app, Speak(3000, then="hang-up"))
    assert len(await app.messages(box)) == 1
