"""A message for several boxes at once: copies after a crash and with a deleted box."""

from __future__ import annotations

from pathlib import Path

from ivr.audio import wav
from ivr.mailbox.delivery import COPIES_PAYLOAD_KEY, deliver_copies
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.takes import TakeSource
from ivr.storage.records import Caller, RecordingPurpose, Take
from tests.mailbox.test_delivery import run_recovery
from tests.support.app_fixture import AppFixture
from tests.support.speech import speech_pcm


async def create_take(app: AppFixture, box: Mailbox, *others: str) -> Take:
    source = TakeSource("PJSIP/x-1", "call.1", Caller("2001", "Joe Caller"))
    payload = {COPIES_PAYLOAD_KEY: list(others), "urgent": True}
    take = await app.container.voicemail_services.takes.begin(
        box.account_id, box.id, RecordingPurpose.MESSAGE, source, payload
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
    message = await app.container.delivery.deliver(take, first)
    await deliver_copies(take, message, boxes=app.container.boxes, delivery=app.container.delivery)
    assert len(await app.messages(third)) == 1
