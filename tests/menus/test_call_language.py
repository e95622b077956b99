"""The language of a call: which one is spoken to whom, and how an owner changes it by phone."""

from __future__ import annotations

import pytest

from ivr.prompts.languages import choose_language
from tests.support.app_fixture import AppFixture
from tests.support.scripted_call import HangUp, Press, ScriptedCall

LEAVE = {"en": "Your call could not be answered.", "es": "No se pudo contestar su llamada."}
NO_MESSAGES = {"en": "You have no messages.", "es": "Usted no tiene mensajes."}


def first_text(phone: ScriptedCall) -> str:
    return str(phone.texts[0])


@pytest.mark.parametrize(
    ("account", "owner", "box", "channel", "argument", "spoken"),
    [
        ("es", None, None, "en", {}, "es"),
        ("en", "es", None, "en", {}, "es"),
        ("es", "es", "en", "en", {}, "en"),
        ("en", "en", "es-MX", "en", {}, "es"),
        ("en", "en", None, "es_MX", {}, "es"),
        ("es", None, "en", "es", {}, "en"),
        ("es", "es", "es", "es", {"language": "en"}, "en"),
        ("ja", "es", None, "sv", {"language": "xx"}, "es"),
        ("ja", None, None, "en", {}, "en"),
    ],
)  # fmt: skip
async def test_caller_hears_argument_then_box_channel_owner_account(
    app: AppFixture, account: str, owner: str | None, box: str | None, channel: str, argument: dict[str, str],
    spoken: str,
) -> None:  # fmt: skip
    directory = app.container.directory
    await directory.update_account(app.account.model_copy(update={"language": account}))
    alice = await directory.update_user(app.alice.model_copy(update={"language": owner}))
    await app.create_box("1000", owner=alice, language=box, play_greeting_intro=True)
    phone = await app.run_call(
        [HangUp(during="")], path="leave", number="1000", channel_language=channel, **argument
    )  # fmt: skip
    assert first_text(phone).startswith(LEAVE[spoken])


async def test_owner_hears_their_own_language_and_callers_that_of_the_box(app: AppFixture) -> None:
    alice = await app.container.directory.update_user(app.alice.model_copy(update={"language": "es"}))
    await app.create_box("1000", owner=alice, language="en", play_greeting_intro=True)
    owner = await app.run_call([HangUp(during="")], endpoint="alice", number="1000")
    assert first_text(owner).startswith(NO_MESSAGES["es"])
    caller = await app.run_call([HangUp(during="")], path="leave", endpoint="bob", number="1000")
    assert first_text(caller).startswith(LEAVE["en"])


async def test_caller_who_signs_in_goes_on_in_the_language_of_the_owner(app: AppFixture) -> None:
    alice = await app.container.directory.update_user(app.alice.model_copy(update={"language": "es"}))
    await app.create_box("1000", owner=alice, language="en", play_greeting_intro=True)
    phone = await app.run_call(
        [Press("*", during=LEAVE["en"]), Press("1379#", during="Please enter your pin"), HangUp(during="Usted")],
        path="leave", number="1000",
    )  # fmt: skip
    assert phone.texts[-1].startswith(NO_MESSAGES["es"])


async def test_box_number_does_not_tell_by_its_language_whether_it_exists(app: AppFixture) -> None:
    alice = await app.container.directory.update_user(app.alice.model_copy(update={"language": "es"}))
    await app.create_box("1000", owner=alice)
    for number in ("1000#", "4711#"):
        phone = await app.run_call([Press(number, during="mailbox number"), HangUp(during="pin")])
        assert phone.texts[1].startswith("Please enter your pin")


async def choose_spanish(app: AppFixture) -> ScriptedCall:
    return await app.run_call(
        [
            Press("5", during="You have"), Press("8", during="To record your greeting"),
            Press("2", during="Para español"), HangUp(during="Para grabar su saludo"),
        ],
        endpoint="alice", number="1000",
    )  # fmt: skip


async def test_owner_changes_language_by_phone_in_mid_call_and_for_later(app: AppFixture) -> None:
    await app.create_box("1000", owner=app.alice)
    phone = await choose_spanish(app)
    assert phone.texts[2:4] == ["For English, press one.", "Para español, marque dos."]
    assert phone.texts[4] == "A partir de ahora oirá el español."
    assert (await app.container.directory.user(app.alice.id)).language == "es"
    again = await app.run_call([HangUp(during="")], endpoint="alice", number="1000")
    assert first_text(again).startswith(NO_MESSAGES["es"])


async def test_language_of_a_box_without_owner_is_stored_in_the_box(app: AppFixture) -> None:
    box = await app.create_box("1000")
    phone = await app.run_call(
        [
            Press("1379#", during="pin"), Press("5", during="You have"), Press("8", during="To record your greeting"),
            Press("2", during="Para español"), HangUp(during="Para grabar su saludo"),
        ],
        number="1000",
    )  # fmt: skip
    assert "A partir de ahora oirá el español." in phone.texts
    assert (await app.container.boxes.get(box.id)).settings.language == "es"


@pytest.mark.parametrize(("key", "heard"), [("*", "To record your greeting"), ("9", "That entry is not valid.")])
async def test_language_stays_when_the_choice_is_cancelled_or_invalid(app: AppFixture, key: str, heard: str) -> None:
    await app.create_box("1000", owner=app.alice)
    phone = await app.run_call(
        [
            Press("5", during="You have"), Press("8", during="To record your greeting"),
            Press(key, during="To cancel"), HangUp(during="To record your greeting"),
        ],
        endpoint="alice", number="1000",
    )  # fmt: skip
    after_cancel = phone.texts[phone.texts.index("To cancel, press star.") + 1]
    assert after_cancel.startswith(heard)
    assert (await app.container.directory.user(app.alice.id)).language is None


@pytest.mark.parametrize(
    ("preferred", "chosen"),
    [
        (["es"], "es"), (["ES"], "es"), (["es_ES"], "es"), (["es-419", "en"], "es"), ([None, "", "es"], "es"),
        (["ja", "es"], "es"), (["ja"], "en"), ([], "en"), (["../en", "e", "esp"], "en"), (["pt_BR"], "pt-BR"),
        (["pt"], "pt-BR"), (["pt-PT"], "pt-BR"),
    ],
)  # fmt: skip
def test_first_language_that_has_prompts_is_chosen(preferred: list[str | None], chosen: str) -> None:
    assert choose_language(preferred, ["en", "es", "pt-BR"]) == chosen
