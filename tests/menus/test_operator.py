"""Key 0: from the greeting, and from the review, where what was said is kept first."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from ivr.call.scripted import HangUp, Press, ScriptedCall, Speak, Step
from tests.support.house import House

CONTEXT = "ivr-operator"
TRANSFERRING = "Transferring your call."
BEEP = "(beep)"
REVIEW = "To keep this recording"
OFFER = "To reach the operator, press zero."


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[House]:
    """A house whose dialplan has an operator context."""
    house = await House(tmp_path / "site", voicemail={"operator_context": CONTEXT}).open()
    yield house
    house.close()


async def reach(house: House, *script: Step, there: tuple[str, ...] = ("0",), **box: Any) -> ScriptedCall:
    await house.box(**box)
    return await house.call(script, path="leave", number="1000", extensions=[(CONTEXT, name) for name in there])


@pytest.mark.parametrize("during", ["The person", "Please leave"])
async def test_zero_in_the_greeting_reaches_the_operator(site: House, during: str) -> None:
    phone = await reach(site, Press("0", during=during))
    assert phone.texts[-1] == TRANSFERRING
    assert phone.branch == (CONTEXT, "0")
    assert phone.status == "BRANCH"


@pytest.mark.parametrize("number", ["200", 200])
async def test_a_box_may_have_an_operator_of_its_own(site: House, number: object) -> None:
    phone = await reach(site, Press("0"), there=("0", "200"), operator_number=number)
    assert phone.branch == (CONTEXT, "200")


async def test_operator_zero_as_a_number_is_the_operator_zero(site: House) -> None:
    await site.app.directory.update_account(site.account.model_copy(update={"settings": {"operator_key": "300"}}))
    assert (await reach(site, Press("0"), there=("0", "300"), operator_number=0)).branch == (CONTEXT, "0")


async def test_the_account_may_have_another_operator(site: House) -> None:
    await site.app.directory.update_account(site.account.model_copy(update={"settings": {"operator_key": "300"}}))
    assert (await reach(site, Press("0"), there=("0", "300"))).branch == (CONTEXT, "300")


async def test_without_an_operator_zero_goes_to_the_beep(site: House) -> None:
    phone = await reach(site, Press("0"), Speak(3000, then="hang-up"), there=())
    assert BEEP in phone.texts
    assert TRANSFERRING not in phone.texts
    assert phone.branch is None


async def test_without_a_context_there_is_no_operator(house: House) -> None:
    phone = await reach(house, Press("0"), Speak(3000, then="hang-up"))
    assert BEEP in phone.texts
    assert phone.branch is None


@pytest.mark.parametrize("number", ["0,1)}${SHELL(x", "sip:a@b", "1" * 37, "_X."])
async def test_what_is_no_extension_is_no_operator(site: House, number: str) -> None:
    phone = await reach(site, Press("0"), Speak(900, then="hang-up"), there=(number,), operator_number=number)
    assert phone.branch is None


async def test_the_review_offers_the_operator_where_there_is_one(site: House) -> None:
    phone = await reach(site, Speak(3000), HangUp(during=REVIEW))
    assert phone.texts[-1].endswith(OFFER)
    assert phone.texts[-1].count("press") == 5


async def test_the_operator_from_the_review_keeps_what_was_said_first(site: House) -> None:
    phone = await reach(site, Speak(3000), Press("0", during=REVIEW))
    assert phone.texts[-2:] == ["Saved.", TRANSFERRING]
    assert phone.branch == (CONTEXT, "0")
    assert phone.status == "BRANCH"
    box = await site.app.boxes.by_number(site.account.id, "1000")
    assert box
    assert [message.length_ms for message in await site.messages(box)] == [3000]


async def test_without_an_operator_zero_in_the_review_is_a_failed_try(site: House) -> None:
    phone = await reach(site, Speak(3000), *[Press("0", during=REVIEW)] * 4, there=())
    assert OFFER not in " ".join(phone.texts)
    assert phone.texts.count("That entry is not valid.") == 4
    assert phone.texts[-1] == "Your message has been saved. Thank you. Goodbye."
    assert phone.status == "DONE"
