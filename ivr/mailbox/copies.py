"""A message that was left for several boxes at once: the first has it, each of the others gets a copy.

Which ones is settled when the take begins and stands in it, so that a take that is adopted after a crash reaches them
too. A crash between the message and its copies costs the copies, never the message.
"""

from __future__ import annotations

import structlog

from ivr.errors import IvrError
from ivr.mailbox.boxes import Boxes
from ivr.mailbox.delivery import Delivery
from ivr.storage.records import Message, Take

COPIES_PAYLOAD_KEY = "copies"
"""In a take's payload: ids of boxes."""

log = structlog.get_logger()


class CopyDelivery:
    """Makes them."""

    def __init__(self, boxes: Boxes, delivery: Delivery) -> None:
        self._boxes = boxes
        self._delivery = delivery

    async def deliver_copies(self, take: Take, message: Message) -> None:
        """A copy for each box of the take. One that fails is told in the log, and the others are made."""
        for box_id in (take.payload or {}).get(COPIES_PAYLOAD_KEY, ()):
            try:
                copy = await self._delivery.carbon_copy(message, await self._boxes.get(box_id))
                log.info("message.copied", message=message.id, box=box_id, copy=copy.id)
            except IvrError as error:
                log.error("message.not_copied", message=message.id, box=box_id, reason=str(error))
