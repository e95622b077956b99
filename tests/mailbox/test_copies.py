"""A message for several boxes at once, when something goes wrong on the way."""

from __future__ import annotations

from pathlib import Path

from ivr.audio import wav
from ivr.mailbox import copies
from ivr.mailbox.copies import Copies
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.message import Caller
from ivr.mailbox.store import Purpose, Take
from ivr.mailbox.takes import Source
from tests.mailbox.test_delivery import adopt
from tests.support.house import House


async def a_take_for(house: House, box: Mailbox, *others: str) -> Take:
    source = Source("PJSIP/x-1", "call.1", Caller("2001", "Somebody"))
    payload = {copies.PAYLOAD: list(others), "urgent": True}
    take = await house.app.mailroom.takes.begin(box.account_id, box.id, Purpose.MESSAGE, source, payload)
    Path(take.path).write_bytes(wav.header(0) + b"\x10\x20" * 16_000)
    return take


async def test_a_take_that_is_adopted_after_a_crash_reaches_all_its_boxes_once(house: House) -> None:
    first, second, third = [await house.box(number) for number in ("1000", "1001", "1002")]
    await a_take_for(house, first, second.id, third.id)
    await adopt(house)
    await adopt(house)
    found = [await house.messages(box) for box in (first, second, third)]
    assert [[(m.length_ms, m.urgent) for m in messages] for messages in found] == [[(2000, True)]] * 3


async def test_a_box_that_has_gone_meanwhile_keeps_nobody_from_the_others(house: House) -> None:
    first, second, third = [await house.box(number) for number in ("1000", "1001", "1002")]
    take = await a_take_for(house, first, second.id, third.id)
    await house.app.boxes.delete(second)
    message = await house.app.delivery.deliver(take, first)
    await Copies(house.app.boxes, house.app.delivery).make(take, message)
    assert len(await house.messages(third)) == 1
