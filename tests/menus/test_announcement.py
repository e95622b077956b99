"""A mailbox that only plays its greeting."""

from __future__ import annotations

from typing import Any

import pytest

from ivr.storage.records import MediaKind
from tests.support.app_fixture import AppFixture
from tests.support.scripted_call import HangUp, Press, ScriptedCall, ScriptStep, Silence

GREETING = "(greeting of 1000)"
PIN = "Please enter your pin, then press pound."


async def call_box(app: AppFixture, *script: ScriptStep, **options: Any) -> ScriptedCall:
    settings = options.pop("box", {})
    box = await app.create_box(owner=app.alice, announcement_only=True, play_greeting_intro=True, **settings)
    await app.activate_recordings(box, MediaKind.UNAVAILABLE)
    return await app.run_call(script, path="leave", number="1000", **options)


async def test_announcement_plays_greeting_only(app: AppFixture) -> None:
    phone = await call_box(app)
    assert phone.texts == [GREETING]
    assert phone.status == "DONE"


async def test_announcement_ignores_keys(app: AppFixture) -> None:
    phone = await call_box(app, *[Press(key, after_ms=100) for key in "0123456789#"])
    assert phone.texts == [GREETING]
    assert phone.heard_sounds[0].to_ms == 2000
    assert phone.status == "DONE"


async def test_star_during_announcement_starts_login(app: AppFixture) -> None:
    phone = await call_box(app, Press("*", after_ms=100), HangUp(during="pin"))
    assert phone.texts == [GREETING, PIN]


async def test_announcement_skip_key_leaves_box(app: AppFixture) -> None:
    assert (await call_box(app, Press("5"), box={"keys": {"continue": "5"}})).status == "EXIT"


@pytest.mark.parametrize("check_if_owner", [True, False])
async def test_owner_calling_announcement_box_is_logged_in(app: AppFixture, check_if_owner: bool) -> None:
    phone = await call_box(app, *[Silence()] * 5, endpoint="alice", box={"check_if_owner": check_if_owner})
    assert GREETING not in phone.texts
    assert PIN not in phone.texts
    assert "To record your greeting, press one." in phone.texts[0], "the settings"


async def test_full_announcement_box_still_plays(app: AppFixture) -> None:
    """It takes no messages, so it cannot be full for callers."""
    await app.container.directory.update_account(app.account.model_copy(update={"settings": {"max_message_count": 1}}))
    await call_box(app)
    box = await app.container.boxes.find_by_number(app.account.id, "1000")
    assert box
    await app.create_message(box)
    assert (await app.run_call((), path="leave", number="1000")).texts == [GREETING]
