"""The settings menu: its options, its keys, and how it ends."""

from __future__ import annotations

import pytest

from ivr.errors import StoreBusy
from ivr.mailbox.mailbox import Mailbox
from tests.support.app_fixture import AppFixture
from tests.support.scripted_call import Meanwhile, Press, ScriptedCall, ScriptStep, Silence, Speak

MENU = "To record your greeting"
MAIN = "You have no messages."
REVIEW = "To use this recording"
ACCEPT_RECORDING = Press("1", during=REVIEW)


def press_in_main_menu(keys: str = "5") -> Press:
    return Press(keys, during=MAIN)


def press_in_settings_menu(keys: str) -> Press:
    """Press `keys` during the first prompt of the menu."""
    return Press(keys, during=MENU)


async def open_settings(app: AppFixture, *script: ScriptStep) -> ScriptedCall:
    """Alice opens the settings of mailbox 1000."""
    return await app.run_call([press_in_main_menu(), *script], endpoint="alice", number="1000")


async def current_settings(app: AppFixture, box: Mailbox) -> Mailbox:
    return await app.container.boxes.get(box.id)


@pytest.fixture
async def box(app: AppFixture) -> Mailbox:
    return await app.create_box("1000", owner=app.alice)


async def box_with_temporary_greeting(app: AppFixture, box: Mailbox) -> None:
    await open_settings(
        app, press_in_settings_menu("4"), Speak(3000), ACCEPT_RECORDING, Press("#", during="how many days")
    )
    assert (await current_settings(app, box)).settings.media.temporary_unavailable


async def test_key_5_opens_settings_and_0_returns(app: AppFixture, box: Mailbox) -> None:
    phone = await open_settings(app, press_in_settings_menu("0"), press_in_main_menu("#"))
    assert phone.texts[1:] == [
        "To record your greeting, press one. To record your name, press two. To change your pin, press three."
        " For more settings, press nine. For the main menu, press zero.",
        MAIN, "Goodbye.",
    ]  # fmt: skip


async def test_key_9_plays_second_page(app: AppFixture, box: Mailbox) -> None:
    phone = await open_settings(
        app, press_in_settings_menu("9"), Press("9", during="To record a temporary"), Press("9", during="the language")
    )
    assert phone.texts[2] == (
        "To record a temporary greeting, press four. To stop taking messages, press six."
        " To hear times in the 24-hour clock, press seven. For more settings, press nine."
        " For the main menu, press zero."
    )
    assert phone.texts[3].startswith("To change the language, press eight. For more settings, press nine.")
    assert phone.texts[4].startswith(MENU)


async def test_timeout_plays_second_page(app: AppFixture, box: Mailbox) -> None:
    phone = await open_settings(app, Silence(), Press("0", during="temporary greeting, press four"))
    assert phone.texts[2].startswith("To record a temporary greeting, press four.")


async def test_active_temporary_greeting_is_removable_from_first_page(app: AppFixture, box: Mailbox) -> None:
    await box_with_temporary_greeting(app, box)
    await app.container.boxes.patch_from_phone(box.id, {"announcement_only": True})
    phone = await app.run_call([Press("9", during=MENU)], endpoint="alice", number="1000")
    assert phone.texts[1:3] == [
        "To record your greeting, press one. To remove your temporary greeting, press five."
        " To take messages again, press six. For more settings, press nine. For the main menu, press zero.",
        "To record your name, press two. To change your pin, press three. To record a temporary greeting, press four."
        " For more settings, press nine. For the main menu, press zero.",
    ]


@pytest.mark.parametrize("temporary", [False, True])
@pytest.mark.parametrize("announcement_only", [False, True])
async def test_page_offers_at_most_five_choices_in_key_order(
    app: AppFixture, box: Mailbox, temporary: bool, announcement_only: bool
) -> None:
    if temporary:
        await box_with_temporary_greeting(app, box)
    if announcement_only:
        await open_settings(app, press_in_settings_menu("6"))
    phone = await app.run_call([press_in_main_menu(), *[Silence()] * 3], endpoint="alice", number="1000")
    numbers = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "star"]
    spoken_keys = set()
    for page in [text for text in phone.texts if "For more settings" in text]:
        keys = [numbers.index(choice.rsplit(" ", 1)[1]) for choice in page.rstrip(".").split(". ")]
        assert len(keys) <= 5
        assert [key or 11 for key in keys] == sorted(key or 11 for key in keys)
        spoken_keys |= set(keys)
    assert spoken_keys == {0, 1, 2, 3, 4, 6, 7, 8, 9, 10, *([5] if temporary else [])}


async def test_key_7_changes_clock_of_envelopes_and_menu(app: AppFixture, box: Mailbox) -> None:
    await app.create_message(box, s=2, folder="saved", age_s=2 * 3600)
    hear_envelope = [Press("2", during="You have"), Press("#", during="Message one")]

    async def heard_time() -> str:
        texts = (await app.run_call(hear_envelope, endpoint="alice", number="1000")).texts
        return next(text for text in texts if text.startswith("Received"))

    assert (await heard_time()).startswith("Received today at ten a.m.")
    phone = await app.run_call(
        [Press("5", during="You have"), press_in_settings_menu("7"), press_in_settings_menu("9")],
        endpoint="alice", number="1000",
    )  # fmt: skip
    assert "Times are now said in the 24-hour clock." in phone.texts
    assert any("To hear times with a.m. and p.m., press seven." in text for text in phone.texts)
    assert (await heard_time()).startswith("Received today at ten hundred hours")
    assert (await current_settings(app, box)).settings.clock == "24h"
    phone = await app.run_call(
        [Press("5", during="You have"), press_in_settings_menu("7")], endpoint="alice", number="1000"
    )
    assert "Times are now said with a.m. and p.m." in phone.texts
    assert (await heard_time()).startswith("Received today at ten a.m.")


async def test_clock_of_account_holds_for_mailboxes_without_their_own(app: AppFixture, box: Mailbox) -> None:
    changed = app.account.model_copy(update={"settings": {"clock": "24h"}})
    await app.container.directory.update_account(changed)
    phone = await open_settings(app, press_in_settings_menu("7"))
    assert "Times are now said with a.m. and p.m." in phone.texts


async def test_unspoken_keys_work(app: AppFixture, box: Mailbox) -> None:
    phone = await open_settings(app, press_in_settings_menu("6"))
    assert "Your mailbox now plays its greeting and takes no messages." in phone.texts


async def test_settings_keys_are_configurable(app: AppFixture) -> None:
    await app.create_box("1000", owner=app.alice, keys={"rec_name": "8", "language": "", "more": ""})
    phone = await open_settings(app, press_in_settings_menu("8"))
    assert "To record your name, press eight." in phone.texts[1]
    assert "For more settings" not in phone.texts[1]
    assert phone.texts[2].startswith("After the tone, please say your name.")


@pytest.mark.parametrize("keys", ["###", "  ", "# #"])
async def test_three_invalid_keys_end_call(app: AppFixture, box: Mailbox, keys: str) -> None:
    script: list[ScriptStep] = [Silence() if key == " " else Press(key, during="For the main menu") for key in keys]
    phone = await open_settings(app, *script, *[Silence()] * (3 - len(keys)))
    assert len([text for text in phone.texts if "For the main menu" in text]) == 3
    assert phone.texts[-1] == "Goodbye."
    assert phone.status == "DONE"


async def test_valid_choice_resets_invalid_key_count(app: AppFixture, box: Mailbox) -> None:
    phone = await open_settings(
        app,
        press_in_settings_menu("#"),
        press_in_settings_menu("#"),
        press_in_settings_menu("5"),
        press_in_settings_menu("#"),
        press_in_settings_menu("#"),
        press_in_settings_menu("0"),
        press_in_main_menu("#"),
    )
    assert phone.texts[-2:] == [MAIN, "Goodbye."]


async def test_announcement_only_on_and_off(app: AppFixture, box: Mailbox) -> None:
    phone = await open_settings(app, press_in_settings_menu("6"), press_in_settings_menu("6"))
    assert phone.texts[2] == "Your mailbox now plays its greeting and takes no messages."
    assert phone.texts[4] == "Your mailbox takes messages again."
    assert not (await current_settings(app, box)).settings.announcement_only
    await open_settings(app, press_in_settings_menu("6"))
    assert (await current_settings(app, box)).settings.announcement_only


async def test_temporary_greeting_can_be_removed(app: AppFixture, box: Mailbox) -> None:
    await box_with_temporary_greeting(app, box)
    remove = Press("5", during="For the main menu", after_ms=400)
    phone = await app.run_call([press_in_main_menu(), remove], endpoint="alice", number="1000")
    assert phone.texts[:1] == ["Your temporary greeting is in use."]
    assert phone.texts[3] == "Your temporary greeting has been removed."
    assert "To remove your temporary greeting" in phone.texts[2]
    assert "To remove your temporary greeting" not in phone.texts[4]
    assert (await current_settings(app, box)).settings.media.temporary_unavailable is None


async def test_missing_temporary_greeting_is_announced(app: AppFixture, box: Mailbox) -> None:
    remove = Press("5", during="For the main menu", after_ms=400)
    assert (await open_settings(app, remove)).texts[2] == "There is no temporary greeting."


async def test_concurrent_settings_change_is_not_lost(app: AppFixture, box: Mailbox) -> None:
    async def change_by_rest() -> None:
        await app.container.boxes.patch_from_phone(box.id, {"timezone": "Europe/Berlin"})

    await open_settings(app, Meanwhile(MENU, change_by_rest), press_in_settings_menu("6"))
    changed = (await current_settings(app, box)).settings
    assert (changed.timezone, changed.announcement_only) == ("Europe/Berlin", True)


async def test_failed_change_is_announced_and_menu_continues(
    app: AppFixture, box: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def busy(*_: object) -> None:
        raise StoreBusy("the database is locked")

    monkeypatch.setattr(app.container.voicemail_services.boxes, "patch_from_phone", busy)
    phone = await open_settings(app, press_in_settings_menu("6"), press_in_settings_menu("0"), press_in_main_menu("#"))
    assert phone.texts[2:4] == ["I am sorry, that could not be done. Nothing was lost.", phone.texts[1]]
    assert phone.status == "DONE"


async def test_unconfigurable_box_has_no_settings_menu(app: AppFixture) -> None:
    await app.create_box("1000", owner=app.alice, not_configurable=True, announcement_only=True)
    phone = await open_settings(app, press_in_main_menu("#"))
    assert phone.texts == [MAIN, "That entry is not valid.", MAIN, "Goodbye."]


async def test_announcement_only_box_opens_settings_menu(app: AppFixture) -> None:
    await app.create_box("1000", owner=app.alice, announcement_only=True)
    phone = await app.run_call([press_in_settings_menu("0"), press_in_main_menu("#")], endpoint="alice", number="1000")
    assert "To take messages again, press six." in phone.texts[0]
    assert phone.texts[1:] == [MAIN, "Goodbye."]
