"""Call-back from a message, restricted to prevent toll fraud."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.app_fixture import AppFixture
from tests.support.scripted_call import Press, ScriptedCall

CONTEXT = "ivr-callback"


@pytest.fixture
async def call_back_app(tmp_path: Path) -> AsyncIterator[AppFixture]:
    """An installation with a call-back context."""
    app = await AppFixture(tmp_path / "calling", voicemail={"callback_context": CONTEXT}).open()
    yield app
    app.close()


async def press_call_back_key(
    app: AppFixture, caller: str, *, endpoint: str | None = "alice", exists: bool = False
) -> ScriptedCall:
    """`exists`: the call-back context has that number too."""
    box = await app.container.boxes.find_by_number(app.account.id, "1000") or await app.create_box(
        owner=app.alice, new_messages_at_once=False
    )
    await app.create_message(box, caller=caller)
    login = [] if endpoint else [Press("1379#")]
    phone = app.new_call([*login, Press("1"), Press("9", during="(message")], endpoint=endpoint, number="1000")
    phone.extensions = {(CONTEXT, "2001"), *([(CONTEXT, caller)] if exists else [])}
    await app.handle_call(phone)
    return phone


async def test_call_back_continues_in_site_context(call_back_app: AppFixture) -> None:
    phone = await press_call_back_key(call_back_app, "2001")
    assert phone.continue_target == (CONTEXT, "2001")
    assert phone.status == "BRANCH"


async def test_call_back_is_offered_when_number_is_callable(call_back_app: AppFixture) -> None:
    box = await call_back_app.create_box(owner=call_back_app.alice, new_messages_at_once=False)
    await call_back_app.create_message(box, caller="2001")
    phone = await call_back_app.run_call([Press("1")], endpoint="alice", number="1000")
    assert any("To call back, press nine." in text for text in phone.texts)


async def test_call_back_is_not_offered_without_site_context(app: AppFixture) -> None:
    phone = await press_call_back_key(app, "2001")
    assert not any("call back, press" in text for text in phone.texts)
    assert "I am sorry, calls to this number are not allowed from here." in phone.texts
    assert phone.continue_target is None


@pytest.mark.parametrize(
    ("caller", "expected_text"),
    [
        ("", "I am sorry, this caller cannot be called back."),
        ("9001900190", "I am sorry, this call cannot be completed as dialed."),
        ("2001&SIP/x", "I am sorry, this caller cannot be called back."),
        ("+4930123", "I am sorry, this call cannot be completed as dialed."),
        ("1" * 16, "I am sorry, this call cannot be completed as dialed."),
    ],
)
async def test_forged_caller_number_is_not_called_back(
    call_back_app: AppFixture, caller: str, expected_text: str
) -> None:
    phone = await press_call_back_key(call_back_app, caller)
    assert expected_text in phone.texts
    assert phone.continue_target is None


@pytest.mark.parametrize("caller", ["2001&SIP/x", "+49(A)30", "1" * 16, "${EXTEN}", "*72"])
async def test_call_back_passes_only_digits_to_context(call_back_app: AppFixture, caller: str) -> None:
    phone = await press_call_back_key(call_back_app, caller, exists=True)
    assert phone.continue_target is None


async def test_message_continues_after_rejected_call_back(call_back_app: AppFixture) -> None:
    phone = await press_call_back_key(call_back_app, "")
    assert phone.texts.count("Message one") == 2


async def test_call_back_from_external_phone_is_rejected(call_back_app: AppFixture) -> None:
    phone = await press_call_back_key(call_back_app, "2001", endpoint=None)
    assert "I am sorry, calls to this number are not allowed from here." in phone.texts
    assert phone.continue_target is None


async def test_call_back_from_external_phone_is_allowed_when_configured(tmp_path: Path) -> None:
    settings = {"callback_context": CONTEXT, "should_disable_offnet_callback": False}
    app = await AppFixture(tmp_path / "open", voicemail=settings).open()
    assert (await press_call_back_key(app, "2001", endpoint=None)).continue_target == (CONTEXT, "2001")
    app.close()


async def test_call_back_can_be_disabled(tmp_path: Path) -> None:
    app = await AppFixture(
        tmp_path / "off", voicemail={"callback_context": CONTEXT, "should_disable_callback": True}
    ).open()
    phone = await press_call_back_key(app, "2001")
    assert "I am sorry, this caller cannot be called back." in phone.texts
    assert phone.continue_target is None
    app.close()


@pytest.mark.parametrize("existing", ["+4930123456", "004930123456", "030123456"])
@pytest.mark.parametrize("caller", ["+4930123456", "sip:+4930123456@trunk.example", "004930123456", "030123456"])
async def test_number_is_called_back_in_the_form_that_the_context_has(
    tmp_path: Path, existing: str, caller: str
) -> None:
    app = await AppFixture(tmp_path / "calling", voicemail={"callback_context": CONTEXT, "country_code": "49"}).open()
    box = await app.create_box(owner=app.alice, new_messages_at_once=False)
    await app.create_message(box, caller=caller)
    phone = await app.run_call(
        [Press("1"), Press("9", during="(message")], endpoint="alice", number="1000", extensions=[(CONTEXT, existing)]
    )
    assert phone.continue_target == (CONTEXT, existing)
    app.close()


@pytest.mark.parametrize("caller", ["anonymous", "Restricted", "sip:anonymous@anonymous.invalid", "bob"])
async def test_caller_without_number_cannot_be_called_back(call_back_app: AppFixture, caller: str) -> None:
    phone = await press_call_back_key(call_back_app, caller)
    assert "I am sorry, this caller cannot be called back." in phone.texts
    assert not any("call back, press" in text for text in phone.texts)
