"""The directory: a caller spells a name on the keys and chooses a person."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.mailbox.keypad_names import keypad_digits, matches, plain_letters
from ivr.storage.records import MediaKind
from tests.support.app_fixture import AppFixture
from tests.support.scripted_call import Press, ScriptedCall, ScriptStep, Silence

ENTER_NAME = "Please spell the first or last name of the person on your keypad, then press pound."
OPTIONS = "To call this person, press one. For the next name, press star."
NOT_FOUND = "I am sorry, that name was not found."


async def search(app: AppFixture, *script: ScriptStep, **arguments: Any) -> ScriptedCall:
    return await app.run_call(script, path="directory", **arguments)


def spelled(name: str) -> str:
    return " ".join(letter.upper() for letter in name if letter != " ")


async def people(app: AppFixture, *names: str) -> None:
    for number, name in enumerate(names, 1000):
        await app.create_box(str(number), name=name)


@pytest.mark.parametrize(
    ("name", "digits", "order", "found"),
    [
        ("Rosa Klein", "7672", "both", True),
        ("Rosa Klein", "55346", "both", True),
        ("Rosa Klein", "76725", "both", True),
        ("Rosa Klein", "7672", "last", False),
        ("Rosa Klein", "553", "first", False),
        ("Klein, Rosa", "553", "last", True),
        ("Klein, Rosa", "7672", "first", True),
        ("Anna van der Berg", "2374", "last", True),
        ("Anna van der Berg", "826337", "last", True),
        ("Zoë Weiß", "963", "first", True),
        ("Zoë Weiß", "93477", "last", True),
        ("Łukasz Søndergård", "585279", "first", True),
        ("O'Neill-Jones", "6634", "last", True),
        ("Support", "7877", "last", True),
        ("Rosa Klein", "", "both", False),
        ("Rosa Klein", "999", "both", False),
        ("Анна", "2", "both", False),
        ("Desk 12", "12", "both", False),
    ],
)
def test_name_is_found_by_the_keys_of_its_letters(name: str, digits: str, order: str, found: bool) -> None:
    assert matches(name, digits, by_first=order != "last", by_last=order != "first") is found


@given(st.text(max_size=30))
def test_every_text_has_plain_letters_and_keys(name: str) -> None:
    digits = keypad_digits(plain_letters(name))
    assert digits == "" or (digits.isascii() and digits.isdigit())
    assert not matches(name, f"{digits}1111111", by_first=True, by_last=True)


async def test_chosen_person_is_reported_and_nothing_is_dialled(app: AppFixture) -> None:
    await people(app, "Rosa Klein", "Karl Maier")
    phone = await search(app, Press("55#", during=ENTER_NAME), Press("1", during=OPTIONS))
    assert phone.texts == [ENTER_NAME, spelled("rosaklein"), OPTIONS]
    assert phone.variables_set == {"DIRECTORY_EXTEN": "1000", "DIRECTORY_RESULT": "SELECTED"}
    assert (phone.status, phone.continue_target) == ("DONE", None)


async def test_recorded_name_is_played_and_number_said_if_the_dialplan_wants_it(app: AppFixture) -> None:
    box = await app.create_box(name="Rosa Klein")
    await app.activate_recordings(box, MediaKind.NAME)
    phone = await search(app, Press("767#", during=ENTER_NAME), Press("1", during=OPTIONS), say_extension="true")
    assert phone.texts == [ENTER_NAME, "(name of 1000)", "extension one zero zero zero", OPTIONS]


async def test_names_come_in_their_order_and_star_goes_to_the_next(app: AppFixture) -> None:
    await people(app, "Rosa Klein", "Anna Klein", "Zoë Klein")
    script = [Press("553#", during=ENTER_NAME), Press("*", during=OPTIONS), Press("1", during=OPTIONS)]
    phone = await search(app, *script)
    assert phone.texts[1::2] == [spelled("annaklein"), spelled("rosaklein")]
    assert phone.variables_set["DIRECTORY_EXTEN"] == "1000"


async def test_hidden_and_disabled_mailboxes_are_not_found(app: AppFixture) -> None:
    await app.create_box("1000", name="Rosa Klein", in_directory=False)
    await app.create_box("1001", name="Rosa Klein", enabled=False)
    phone = await search(app, *[Press("767#", during=ENTER_NAME)] * 3)
    assert phone.texts == [ENTER_NAME, NOT_FOUND] * 3
    assert phone.variables_set == {"DIRECTORY_EXTEN": "", "DIRECTORY_RESULT": "FAILED"}
    assert phone.status == "EXIT"


async def test_owner_is_found_by_their_own_names_too(app: AppFixture) -> None:
    owner = await app.create_user("carol", settings={"first_name": "Carol", "last_name": "Smith"})
    await app.create_box("1000", name="Sales", owner=owner)
    phone = await search(app, Press("76484#", during=ENTER_NAME), Press("1", during=OPTIONS))
    assert phone.texts[1] == spelled("carolsmith")


@pytest.mark.parametrize(
    ("order", "prompt"),
    [
        ("first", "Please spell the first name of the person on your keypad, then press pound."),
        ("last", "Please spell the last name of the person on your keypad, then press pound."),
    ],
)
async def test_order_of_names_chooses_prompt_and_search(app: AppFixture, order: str, prompt: str) -> None:
    await people(app, "Rosa Klein", "Klein Rosa")
    script = [Press("767#", during=prompt), Press("1", during=OPTIONS)]
    phone = await search(app, *script, name_order=order)
    assert phone.variables_set["DIRECTORY_EXTEN"] == {"first": "1000", "last": "1001"}[order]


@pytest.mark.parametrize(
    ("script", "result"),
    [
        ([Press("0#", during=ENTER_NAME)], "OPERATOR"),
        ([Press("*", during=ENTER_NAME)], "ASSISTANT"),
        ([Silence()] * 3, "TIMEOUT"),
        ([Press("767#", during=ENTER_NAME), Press("0", during=OPTIONS)], "OPERATOR"),
        ([Press("767#", during=ENTER_NAME), *[Silence()] * 3], "TIMEOUT"),
    ],
)
async def test_ways_out_of_the_directory(app: AppFixture, script: list[ScriptStep], result: str) -> None:
    await people(app, "Rosa Klein")
    phone = await search(app, *script)
    assert phone.variables_set == {"DIRECTORY_EXTEN": "", "DIRECTORY_RESULT": result}
    assert phone.status == "EXIT"


async def test_after_the_last_name_another_one_can_be_spelled(app: AppFixture) -> None:
    await people(app, "Rosa Klein", "Karl Maier")
    script = [Press("767#", during=ENTER_NAME), Press("*", during=OPTIONS)]
    script += [Press("527#", during=ENTER_NAME), Press("1", during=OPTIONS)]
    phone = await search(app, *script)
    assert "There are no more names." in phone.texts
    assert phone.variables_set["DIRECTORY_EXTEN"] == "1001"


async def test_invalid_key_repeats_the_name(app: AppFixture) -> None:
    await people(app, "Rosa Klein")
    script = [Press("767#", during=ENTER_NAME), Press("7", during=OPTIONS), Press("1", during=OPTIONS)]
    phone = await search(app, *script)
    assert phone.texts[3:5] == ["That entry is not valid.", spelled("rosaklein")]
    assert phone.variables_set["DIRECTORY_RESULT"] == "SELECTED"
