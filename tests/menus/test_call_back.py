"""Calling back from a message, with the toll-fraud doors shut."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ivr.call.scripted import Press, ScriptedCall
from tests.support.house import House

CONTEXT = "ivr-callback"


@pytest.fixture
async def calling(tmp_path: Path) -> AsyncIterator[House]:
    """A house whose site has a call-back context."""
    house = await House(tmp_path / "calling", voicemail={"callback_context": CONTEXT}).open()
    yield house
    house.close()


async def press_nine(
    house: House, caller: str, *, endpoint: str | None = "alice", exists: bool = False
) -> ScriptedCall:
    """`exists`: the site's context has that number, too."""
    box = await house.app.boxes.by_number(house.account.id, "1000") or await house.box(
        owner=house.alice, new_messages_at_once=False
    )
    await house.message(box, caller=caller)
    login = [] if endpoint else [Press("1379#")]
    phone = house.phone([*login, Press("1"), Press("9", during="(message")], endpoint=endpoint, number="1000")
    phone.extensions = {(CONTEXT, "2001"), *([(CONTEXT, caller)] if exists else [])}
    await house.receive(phone)
    return phone


async def test_it_leaves_into_the_sites_context(calling: House) -> None:
    phone = await press_nine(calling, "2001")
    assert phone.branch == (CONTEXT, "2001")
    assert phone.status == "BRANCH"


async def test_it_is_offered_where_it_leads_somewhere(calling: House) -> None:
    box = await calling.box(owner=calling.alice, new_messages_at_once=False)
    await calling.message(box, caller="2001")
    phone = await calling.call([Press("1")], endpoint="alice", number="1000")
    assert any("To call back, press nine." in text for text in phone.texts)


async def test_it_is_not_offered_where_the_site_has_no_context(house: House) -> None:
    phone = await press_nine(house, "2001")
    assert not any("call back, press" in text for text in phone.texts)
    assert "I am sorry, calls to this number are not allowed from here." in phone.texts
    assert phone.branch is None


@pytest.mark.parametrize(
    ("caller", "said"),
    [
        ("", "I am sorry, this caller cannot be called back."),
        ("9001900190", "I am sorry, this call cannot be completed as dialed."),
        ("2001&SIP/x", "I am sorry, this call cannot be completed as dialed."),
        ("+4930123", "I am sorry, this call cannot be completed as dialed."),
        ("1" * 16, "I am sorry, this call cannot be completed as dialed."),
    ],
)
async def test_no_number_of_a_strangers_making_gets_out(calling: House, caller: str, said: str) -> None:
    phone = await press_nine(calling, caller)
    assert said in phone.texts
    assert phone.branch is None


@pytest.mark.parametrize("caller", ["2001&SIP/x", "+4930123", "1" * 16, "2001@out", "*72"])
async def test_a_context_that_takes_anything_is_given_digits_only(calling: House, caller: str) -> None:
    phone = await press_nine(calling, caller, exists=True)
    assert phone.branch is None


async def test_the_message_goes_on_after_a_refusal(calling: House) -> None:
    phone = await press_nine(calling, "")
    assert phone.texts.count("Message one") == 2


async def test_from_an_outside_phone_it_is_refused(calling: House) -> None:
    phone = await press_nine(calling, "2001", endpoint=None)
    assert "I am sorry, calls to this number are not allowed from here." in phone.texts
    assert phone.branch is None


async def test_unless_the_administrator_allows_it(tmp_path: Path) -> None:
    settings = {"callback_context": CONTEXT, "should_disable_offnet_callback": False}
    house = await House(tmp_path / "open", voicemail=settings).open()
    assert (await press_nine(house, "2001", endpoint=None)).branch == (CONTEXT, "2001")
    house.close()


async def test_it_can_be_switched_off_altogether(tmp_path: Path) -> None:
    house = await House(
        tmp_path / "off", voicemail={"callback_context": CONTEXT, "should_disable_callback": True}
    ).open()
    phone = await press_nine(house, "2001")
    assert "I am sorry, this caller cannot be called back." in phone.texts
    assert phone.branch is None
    house.close()
