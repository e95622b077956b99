"""Key 0, the operator: from the greeting, and from the review, where the message is saved first."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from ivr.errors import InvalidFields
from tests.support.app_fixture import AppFixture
from tests.support.scripted_call import HangUp, Press, ScriptedCall, ScriptStep, Speak

CONTEXT = "ivr-operator"
TRANSFERRING = "Transferring your call."
BEEP = "(beep)"
REVIEW = "To keep this recording"
OFFER = "To reach the operator, press zero."


@pytest.fixture
async def operator_app(tmp_path: Path) -> AsyncIterator[AppFixture]:
    """An installation with an operator context."""
    app = await AppFixture(tmp_path / "site", voicemail={"operator_context": CONTEXT}).open()
    yield app
    app.close()


async def call_box(app: AppFixture, *script: ScriptStep, there: tuple[str, ...] = ("0",), **box: Any) -> ScriptedCall:
    await app.create_box(**box)
    return await app.run_call(script, path="leave", number="1000", extensions=[(CONTEXT, name) for name in there])


@pytest.mark.parametrize("during", ["The person", "Please leave"])
async def test_key_0_during_greeting_reaches_operator(operator_app: AppFixture, during: str) -> None:
    phone = await call_box(operator_app, Press("0", during=during))
    assert phone.texts[-1] == TRANSFERRING
    assert phone.continue_target == (CONTEXT, "0")
    assert phone.status == "BRANCH"


@pytest.mark.parametrize("number", ["200", 200])
async def test_box_operator_precedes_system_operator(operator_app: AppFixture, number: object) -> None:
    phone = await call_box(operator_app, Press("0"), there=("0", "200"), operator_number=number)
    assert phone.continue_target == (CONTEXT, "200")


async def test_operator_number_0_is_extension_0(operator_app: AppFixture) -> None:
    await operator_app.container.directory.update_account(
        operator_app.account.model_copy(update={"settings": {"operator_key": "300"}})
    )
    assert (await call_box(operator_app, Press("0"), there=("0", "300"), operator_number=0)).continue_target == (
        CONTEXT,
        "0",
    )


async def test_account_operator_precedes_system_operator(operator_app: AppFixture) -> None:
    await operator_app.container.directory.update_account(
        operator_app.account.model_copy(update={"settings": {"operator_key": "300"}})
    )
    assert (await call_box(operator_app, Press("0"), there=("0", "300"))).continue_target == (CONTEXT, "300")


async def test_key_0_without_operator_skips_to_beep(operator_app: AppFixture) -> None:
    phone = await call_box(operator_app, Press("0"), Speak(3000, then="hang-up"), there=())
    assert BEEP in phone.texts
    assert TRANSFERRING not in phone.texts
    assert phone.continue_target is None


async def test_operator_is_disabled_without_context(app: AppFixture) -> None:
    phone = await call_box(app, Press("0"), Speak(3000, then="hang-up"))
    assert BEEP in phone.texts
    assert phone.continue_target is None


@pytest.mark.parametrize("number", ["0,1)}${SHELL(x", "sip:a@b", "1" * 37, "_X."])
async def test_invalid_operator_extension_is_ignored(operator_app: AppFixture, number: str) -> None:
    with pytest.raises(InvalidFields):
        await operator_app.create_box(operator_number=number)
    await operator_app.store_unchecked(await operator_app.create_box(), operator_number=number)
    script: list[ScriptStep] = [Press("0"), Speak(900, then="hang-up")]
    phone = await operator_app.run_call(script, path="leave", number="1000", extensions=[(CONTEXT, number)])
    assert phone.continue_target is None


async def test_review_offers_operator_where_one_exists(operator_app: AppFixture) -> None:
    phone = await call_box(operator_app, Speak(3000), HangUp(during=REVIEW))
    assert phone.texts[-1].endswith(OFFER)
    assert phone.texts[-1].count("press") == 5


async def test_key_0_in_review_saves_message_then_reaches_operator(operator_app: AppFixture) -> None:
    phone = await call_box(operator_app, Speak(3000), Press("0", during=REVIEW))
    assert phone.texts[-2:] == ["Saved.", TRANSFERRING]
    assert phone.continue_target == (CONTEXT, "0")
    assert phone.status == "BRANCH"
    box = await operator_app.container.boxes.find_by_number(operator_app.account.id, "1000")
    assert box
    assert [message.length_ms for message in await operator_app.messages(box)] == [3000]


async def test_key_0_in_review_without_operator_is_invalid(operator_app: AppFixture) -> None:
    phone = await call_box(operator_app, Speak(3000), *[Press("0", during=REVIEW)] * 4, there=())
    assert OFFER not in " ".join(phone.texts)
    assert phone.texts.count("That entry is not valid.") == 4
    assert phone.texts[-1] == "Your message has been saved. Thank you. Goodbye."
    assert phone.status == "DONE"
