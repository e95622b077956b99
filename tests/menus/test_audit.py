"""The audit log of calls: who signed in, heard and deleted messages, and set a PIN."""

from __future__ import annotations

from ivr.mailbox.mailbox import Mailbox
from ivr.storage.records import AuditQuery
from tests.support.app_fixture import AppFixture
from tests.support.scripted_call import HangUp, Press, ScriptStep


async def entries(app: AppFixture, box: Mailbox) -> list[tuple[str, str, str, str, str]]:
    """Return the entries of a box, oldest first."""
    found = await app.container.audit_store.find(AuditQuery(box_id=box.id), 100)
    return [
        (entry.action, entry.subject, entry.actor.user, entry.actor.device, entry.actor.proof)
        for entry in reversed(found)
    ]


async def test_owner_on_their_own_phone(app: AppFixture) -> None:
    box = await app.create_box(owner=app.alice, new_messages_at_once=False)
    message = await app.create_message(box)
    script: list[ScriptStep] = [Press("1"), Press("7", during="To save")]
    await app.run_call(script, endpoint="alice", number="1000")
    alice = (app.alice.id, "alice", "own phone")
    assert await entries(app, box) == [
        ("signed-in", "", *alice),
        ("heard", message.id, *alice),
        ("deleted", message.id, *alice),
    ]


async def test_whoever_knows_the_pin_hears_a_part_and_hangs_up(app: AppFixture) -> None:
    box = await app.create_box(owner=app.alice, pin="1379", new_messages_at_once=False)
    message = await app.create_message(box)
    script: list[ScriptStep] = [Press("1379#"), Press("1", during="To hear"), HangUp(during="(message", after_ms=500)]
    await app.run_call(script, number="1000", caller="5550199")
    caller = ("", "trunk 5550199", "PIN")
    assert await entries(app, box) == [("signed-in", "", *caller), ("heard", message.id, *caller)]


async def test_message_that_is_skipped_is_not_heard(app: AppFixture) -> None:
    box = await app.create_box(owner=app.alice, new_messages_at_once=False)
    message = await app.create_message(box)
    await app.run_call([Press("1"), Press("7", during="Message one")], endpoint="alice", number="1000")
    assert [entry[:2] for entry in await entries(app, box)] == [("signed-in", ""), ("deleted", message.id)]


async def test_new_pin_is_recorded_and_does_not_appear(app: AppFixture) -> None:
    box = await app.create_box(owner=app.alice, pin="1379")
    await app.run_call([Press("5"), Press("3"), Press("2849#"), Press("2849#")], endpoint="alice", number="1000")
    assert [entry[0] for entry in await entries(app, box)] == ["signed-in", "pin-set"]
    assert "2849" not in str(await entries(app, box))


async def test_wrong_pin_is_no_sign_in(app: AppFixture) -> None:
    box = await app.create_box(owner=app.alice, pin="1379")
    await app.run_call([Press("9753#")] * 3, number="1000")
    assert await entries(app, box) == []
