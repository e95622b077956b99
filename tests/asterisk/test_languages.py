"""Calls in another language than English, on a real Asterisk and recognised by the phone."""

from __future__ import annotations

import asyncio

import pytest

from ivr.prompts.languages import LANGUAGES
from tests.asterisk.conftest import AdminClient, PhoneUser, RecognisedCall, claim_device
from tests.lab.lab import RIVALS, LabInfo
from tests.lab.sip_phone import Vocabulary
from tests.support.app_fixture import SOUNDS


async def test_spanish_session_goes_on_in_english_and_callers_still_hear_spanish(
    admin: AdminClient, lab: LabInfo, vocabulary: Vocabulary
) -> None:
    spanish = Vocabulary.from_folder(SOUNDS / "es", rivals_folder=RIVALS)
    keys = dict(zip(LANGUAGES, "123456789", strict=False))
    alice, bob = (PhoneUser(admin, lab, claim_device(lab), spanish) for _ in range(2))
    async with alice.phone, bob.phone:
        await alice.phone.register()
        await bob.phone.register()
        alice.create_user_and_box(language="es")
        bob.create_user_and_box()
        message = alice.create_message(s=2)
        call = await alice.dial("*97")
        await call.expect("count/you-have", "un/1", "count/new-message", message, "envelope/received", "to/keep")
        await call.press("7")
        await call.expect("done/deleted", "count/no-messages")
        await call.press("5")
        await call.expect("to/record-unavailable", "press/1")
        await call.press("8")
        await call.expect("to/this-language", f"press/{keys['es']}")
        await call.press(keys["en"])
        english = RecognisedCall(call.call, vocabulary)
        await english.press("0")
        await english.expect("count/no-messages", "to/hear-deleted", "press/3")
        await english.hang_up()

        call = await bob.dial(alice.number)
        digits = [f"number/{digit}" for digit in alice.number]
        await call.expect(
            "greeting/person-at", *digits, "greeting/is-not-available", "greeting/leave-a-message", within_s=20
        )
        await call.expect("tone/beep", within_s=20)
        await call.hang_up()


@pytest.mark.parametrize("code", [code for code in LANGUAGES if code not in ("en", "es")])
async def test_owner_and_caller_hear_their_language(code: str, admin: AdminClient, lab: LabInfo) -> None:
    language, vocabulary = LANGUAGES[code], Vocabulary.from_folder(SOUNDS / code, rivals_folder=RIVALS)
    alice, bob = (PhoneUser(admin, lab, claim_device(lab), vocabulary) for _ in range(2))

    async def listen() -> None:
        call = await alice.dial("*97")
        await call.expect(*language.message_counts(1, 0), message, "envelope/received", "to/keep")
        await call.press("7")
        await call.expect("done/deleted", "count/no-messages")
        await call.hang_up()

    async def reach() -> None:
        call = await bob.dial(alice.number)
        await call.expect("greeting/person-at", *language.spell(alice.number), "greeting/is-not-available")
        await call.hang_up()

    async with alice.phone, bob.phone:
        await alice.phone.register()
        await bob.phone.register()
        alice.create_user_and_box(language=code)
        bob.create_user_and_box()
        message = alice.create_message(s=2)
        async with asyncio.TaskGroup() as calls:
            calls.create_task(listen())
            calls.create_task(reach())
