"""Who left a message, as its owner hears it: a recorded name only of a user whose phone the caller provably used."""

from __future__ import annotations

import pytest

from ivr.storage.records import MediaKind
from tests.support.app_fixture import AppFixture
from tests.support.scripted_call import HangUp, Press, ScriptedCall, Speak


async def hear_envelope(app: AppFixture) -> ScriptedCall:
    return await app.run_call(
        [Press("1"), Press("#", during="(message"), HangUp(during="To save")], endpoint="alice", number="1000"
    )


async def leave_message(app: AppFixture, endpoint: str | None) -> None:
    await app.run_call([Speak(3000, "hang-up")], path="leave", number="1000", endpoint=endpoint, caller="1001")


@pytest.mark.parametrize("envelope_type", ["default", "caller_and_time"])
async def test_user_is_announced_by_recorded_name(app: AppFixture, envelope_type: str) -> None:
    await app.create_box(owner=app.alice, new_messages_at_once=False, envelope_type=envelope_type)
    await app.activate_recordings(await app.create_box("1001", owner=app.bob), MediaKind.NAME)
    await leave_message(app, "bob")
    phone = await hear_envelope(app)
    full = phone.texts.index("(name of 1001)")
    assert phone.texts[full - 1].endswith(" from")
    assert phone.texts[full + 1] == "length three seconds"
    assert phone.texts.count("(name of 1001)") == (2 if envelope_type == "caller_and_time" else 1)


async def test_claimed_number_is_not_announced_by_name(app: AppFixture) -> None:
    """A caller from outside shows the number of Bob."""
    await app.create_box(owner=app.alice, new_messages_at_once=False)
    await app.activate_recordings(await app.create_box("1001", owner=app.bob), MediaKind.NAME)
    await leave_message(app, None)
    phone = await hear_envelope(app)
    assert "(name of 1001)" not in phone.texts
    assert any("from one zero zero one length" in text for text in phone.texts)


async def test_user_without_recorded_name_is_announced_by_number(app: AppFixture) -> None:
    await app.create_box(owner=app.alice, new_messages_at_once=False)
    await app.create_box("1001", owner=app.bob)
    await leave_message(app, "bob")
    assert any("from one zero zero one length" in text for text in (await hear_envelope(app)).texts)


async def test_deleted_user_is_announced_by_number(app: AppFixture) -> None:
    await app.create_box(owner=app.alice, new_messages_at_once=False)
    await app.activate_recordings(await app.create_box("1001", owner=app.bob), MediaKind.NAME)
    await leave_message(app, "bob")
    await app.container.directory.delete_user(app.bob.id)
    assert any("from one zero zero one length" in text for text in (await hear_envelope(app)).texts)
