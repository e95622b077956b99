"""The settings menu: what it offers, what its keys do, and how it ends."""

from __future__ import annotations

import pytest

from ivr.call.scripted import Meanwhile, Press, ScriptedCall, Silence, Speak, Step
from ivr.errors import StoreBusy
from ivr.mailbox.mailbox import Mailbox
from tests.support.house import House

MENU = "To record your greeting"
MAIN = "You have no messages."
REVIEW = "To use this recording"
USE = Press("1", during=REVIEW)


def main(keys: str = "5") -> Press:
    return Press(keys, during=MAIN)


def menu(keys: str) -> Press:
    """Typed while the first thing of the menu is said."""
    return Press(keys, during=MENU)


async def settings(house: House, *script: Step) -> ScriptedCall:
    """Alice goes to the settings of box 1000."""
    return await house.call([main(), *script], endpoint="alice", number="1000")


async def now(house: House, box: Mailbox) -> Mailbox:
    return await house.app.boxes.get(box.id)


@pytest.fixture
async def box(house: House) -> Mailbox:
    return await house.box("1000", owner=house.alice)


async def with_temporary(house: House, box: Mailbox) -> None:
    await settings(house, menu("4"), Speak(3000), USE, Press("#", during="how many days"))
    assert (await now(house, box)).settings.media.temporary_unavailable


async def test_five_leads_here_and_zero_back(house: House, box: Mailbox) -> None:
    phone = await settings(house, menu("0"), main("#"))
    assert phone.texts[1:] == [
        "To record your greeting, press one. To record your name, press two. To change your pin, press three."
        " For more settings, press nine. For the main menu, press zero.",
        MAIN, "Goodbye.",
    ]  # fmt: skip


async def test_nine_says_the_rest(house: House, box: Mailbox) -> None:
    phone = await settings(house, menu("9"), Press("9", during="To record a temporary"))
    assert phone.texts[2] == (
        "To record a temporary greeting, press four. To stop taking messages, press six. For more settings, press nine."
        " For the main menu, press zero."
    )
    assert phone.texts[3].startswith(MENU)


async def test_who_waits_hears_the_rest_too(house: House, box: Mailbox) -> None:
    phone = await settings(house, Silence(), Press("0", during="temporary greeting, press four"))
    assert phone.texts[2].startswith("To record a temporary greeting, press four.")


async def test_what_is_in_use_now_can_be_ended_from_the_first_page(house: House, box: Mailbox) -> None:
    await with_temporary(house, box)
    await house.app.boxes.amend(box.id, {"announcement_only": True})
    phone = await house.call([Press("9", during=MENU)], endpoint="alice", number="1000")
    assert phone.texts[1:3] == [
        "To record your greeting, press one. To remove your temporary greeting, press five."
        " To take messages again, press six. For more settings, press nine. For the main menu, press zero.",
        "To record your name, press two. To change your pin, press three. To record a temporary greeting, press four."
        " For more settings, press nine. For the main menu, press zero.",
    ]


@pytest.mark.parametrize("temporary", [False, True])
@pytest.mark.parametrize("announcement_only", [False, True])
async def test_at_most_five_choices_are_said_in_the_order_of_their_keys(
    house: House, box: Mailbox, temporary: bool, announcement_only: bool
) -> None:
    if temporary:
        await with_temporary(house, box)
    if announcement_only:
        await settings(house, menu("6"))
    phone = await house.call([main(), *[Silence()] * 3], endpoint="alice", number="1000")
    numbers = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    said = set()
    for page in [text for text in phone.texts if "For more settings" in text]:
        keys = [numbers.index(choice.rsplit(" ", 1)[1]) for choice in page.rstrip(".").split(". ")]
        assert len(keys) <= 5
        assert [key or 10 for key in keys] == sorted(key or 10 for key in keys)
        said |= set(keys)
    assert said == {0, 1, 2, 3, 4, 6, 9, *([5] if temporary else [])}


async def test_every_key_works_unspoken(house: House, box: Mailbox) -> None:
    phone = await settings(house, menu("6"))
    assert "Your mailbox now plays its greeting and takes no messages." in phone.texts


async def test_the_keys_can_be_moved(house: House) -> None:
    await house.box("1000", owner=house.alice, keys={"rec_name": "8", "more": ""})
    phone = await settings(house, menu("8"))
    assert "To record your name, press eight." in phone.texts[1]
    assert "For more settings" not in phone.texts[1]
    assert phone.texts[2].startswith("After the tone, please say your name.")


@pytest.mark.parametrize("keys", ["888", "  ", "8 8"])
async def test_three_tries_end_the_call(house: House, box: Mailbox, keys: str) -> None:
    script: list[Step] = [Silence() if key == " " else Press(key, during="For the main menu") for key in keys]
    phone = await settings(house, *script, *[Silence()] * (3 - len(keys)))
    assert len([text for text in phone.texts if "For the main menu" in text]) == 3
    assert phone.texts[-1] == "Goodbye."
    assert phone.status == "DONE"


async def test_a_choice_begins_the_tries_anew(house: House, box: Mailbox) -> None:
    phone = await settings(house, menu("8"), menu("8"), menu("5"), menu("8"), menu("8"), menu("0"), main("#"))
    assert phone.texts[-2:] == [MAIN, "Goodbye."]


async def test_announcement_only_on_and_off(house: House, box: Mailbox) -> None:
    phone = await settings(house, menu("6"), menu("6"))
    assert phone.texts[2] == "Your mailbox now plays its greeting and takes no messages."
    assert phone.texts[4] == "Your mailbox takes messages again."
    assert not (await now(house, box)).settings.announcement_only
    await settings(house, menu("6"))
    assert (await now(house, box)).settings.announcement_only


async def test_the_temporary_greeting_can_be_removed(house: House, box: Mailbox) -> None:
    await with_temporary(house, box)
    phone = await house.call([main(), menu("5")], endpoint="alice", number="1000")
    assert phone.texts[:1] == ["Your temporary greeting is in use."]
    assert phone.texts[3] == "Your temporary greeting has been removed."
    assert "To remove your temporary greeting" in phone.texts[2]
    assert "To remove your temporary greeting" not in phone.texts[4]
    assert (await now(house, box)).settings.media.temporary_unavailable is None


async def test_where_there_is_none_that_is_said(house: House, box: Mailbox) -> None:
    assert (await settings(house, menu("5"))).texts[2] == "There is no temporary greeting."


async def test_what_another_changes_meanwhile_is_not_lost(house: House, box: Mailbox) -> None:
    async def somebody_else() -> None:
        await house.app.boxes.amend(box.id, {"timezone": "Europe/Berlin"})

    await settings(house, Meanwhile(MENU, somebody_else), menu("6"))
    changed = (await now(house, box)).settings
    assert (changed.timezone, changed.announcement_only) == ("Europe/Berlin", True)


async def test_what_cannot_be_done_is_said_and_the_menu_goes_on(
    house: House, box: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def busy(*_: object) -> None:
        raise StoreBusy("somebody else writes")

    monkeypatch.setattr(house.app.mailroom.boxes, "amend", busy)
    phone = await settings(house, menu("6"), menu("0"), main("#"))
    assert phone.texts[2:4] == ["I am sorry, that could not be done. Nothing was lost.", phone.texts[1]]
    assert phone.status == "DONE"


async def test_a_box_that_is_not_configurable_has_no_settings(house: House) -> None:
    await house.box("1000", owner=house.alice, not_configurable=True, announcement_only=True)
    phone = await settings(house, main("#"))
    assert phone.texts == [MAIN, "That entry is not valid.", MAIN, "Goodbye."]


async def test_a_box_that_only_plays_its_greeting_opens_here(house: House) -> None:
    await house.box("1000", owner=house.alice, announcement_only=True)
    phone = await house.call([menu("0"), main("#")], endpoint="alice", number="1000")
    assert "To take messages again, press six." in phone.texts[0]
    assert phone.texts[1:] == [MAIN, "Goodbye."]
