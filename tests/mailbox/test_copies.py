"""A message for several boxes at once: copies after a crash and with a deleted box."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from ivr.audio import wav
from ivr.errors import StoreError
from ivr.mailbox.delivery import COPIES_PAYLOAD_KEY, find_copy_recipients
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.takes import TakeSource
from ivr.storage.records import Caller, Message, RecordingPurpose, Take
from tests.mailbox.test_delivery import run_recovery
from tests.support.app_fixture import AppFixture
from tests.support.speech import speech_pcm

SOURCE = TakeSource("PJSIP/x-1", "call.1", Caller("2001", "Joe Caller"))


async def create_take(app: AppFixture, box: Mailbox, *others: str) -> Take:
    payload = {COPIES_PAYLOAD_KEY: list(others), "urgent": True}
    take = await app.container.voicemail_services.takes.begin(
        box.account_id, box.id, RecordingPurpose.MESSAGE, SOURCE, payload
    )
    Path(take.path).write_bytes(wav.header(0) + speech_pcm(2000))
    return take


async def test_recovered_take_reaches_all_its_boxes_once(app: AppFixture) -> None:
    first, second, third = [await app.create_box(number) for number in ("1000", "1001", "1002")]
    await create_take(app, first, second.id, third.id)
    await run_recovery(app)
    await run_recovery(app)
    found = [await app.messages(box) for box in (first, second, third)]
    assert [[(m.length_ms, m.urgent) for m in messages] for messages in found] == [[(2000, True)]] * 3


async def test_deleted_recipient_box_does_not_block_others(app: AppFixture) -> None:
    first, second, third = [await app.create_box(number) for number in ("1000", "1001", "1002")]
    take = await create_take(app, first, second.id, third.id)
    await app.container.boxes.delete(second)
    await app.container.delivery.deliver(take, first, await find_copy_recipients(take, app.container.boxes))
    assert len(await app.messages(third)) == 1


async def test_take_interrupted_after_its_copies_is_delivered_again_and_each_copy_once(
    app: AppFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = [await app.create_box(number) for number in ("1000", "1001", "1002")]
    take = await create_take(app, first, second.id, third.id)
    monkeypatch.setattr(app.container.messages, "add", refuse_box(app, first))
    with pytest.raises(StoreError):
        await app.container.delivery.deliver(take, first, [second, third])
    assert [len(await app.messages(box)) for box in (first, second, third)] == [0, 1, 1]
    monkeypatch.undo()
    await run_recovery(app)
    assert [len(await app.messages(box)) for box in (first, second, third)] == [1, 1, 1]


async def test_copy_that_cannot_be_stored_now_is_delivered_with_its_message_later(
    app: AppFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = [await app.create_box(number) for number in ("1000", "1001")]
    take = await create_take(app, first, second.id)
    monkeypatch.setattr(app.container.messages, "add", refuse_box(app, second))
    with pytest.raises(StoreError):
        await app.container.delivery.deliver(take, first, [second])
    monkeypatch.undo()
    await run_recovery(app)
    assert [len(await app.messages(box)) for box in (first, second)] == [1, 1]


@pytest.mark.parametrize("interrupted_at", [0, 1])
async def test_interrupted_intro_reaches_each_recipient_once(
    app: AppFixture, monkeypatch: pytest.MonkeyPatch, interrupted_at: int
) -> None:
    sender, first, second = [await app.create_box(number) for number in ("1000", "1001", "1002")]
    original = await app.create_message(sender, s=3)
    payload = {"original": original.id, "destination": first.id, COPIES_PAYLOAD_KEY: [second.id]}
    take = await app.container.voicemail_services.takes.begin(
        sender.account_id, sender.id, RecordingPurpose.INTRO, SOURCE, payload
    )
    Path(take.path).write_bytes(wav.header(0) + speech_pcm(2000))
    monkeypatch.setattr(app.container.messages, "add", refuse_box(app, (first, second)[interrupted_at]))
    with pytest.raises(StoreError):
        await app.container.delivery.forward(original, first, take, sender=sender, copies_for=[second])
    monkeypatch.undo()
    await run_recovery(app)
    for box in (first, second):
        [copy] = await app.messages(box)
        assert (copy.intro_ms, copy.length_ms, copy.history) == (2000, 5000, (sender.id,))
        assert copy.forwarded_by
        assert copy.forwarded_by.number == "1000"
        assert [wav.length_ms(path) for path in app.container.delivery.audio_paths(copy)] == [2000, 3000]


def refuse_box(app: AppFixture, box: Mailbox) -> Callable[..., Awaitable[list[Message]]]:
    """Return a store method that cannot store messages of `box`."""
    add = app.container.messages.add

    async def add_unless_refused(message: Message, *args: Any, **kwargs: Any) -> list[Message]:
        if message.box_id == box.id:
            raise StoreError("the database is locked")
        return await add(message, *args, **kwargs)

    return add_unless_refused
