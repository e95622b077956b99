"""Urgency and labels of a message, as a request sets them."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from ivr.api.request_body import Body
from ivr.errors import InvalidFields
from ivr.mailbox.box_settings import report_violations
from ivr.storage.records import Message
from ivr.validation.fields import Label

MAX_LABELS = 20


class MessageMarks(BaseModel):
    """What a request sets of a message beside its folder; None: unchanged."""

    model_config = ConfigDict(extra="ignore")

    urgent: Annotated[bool, Field(strict=True)] | None = None
    labels: Annotated[list[Label], Field(max_length=MAX_LABELS)] | None = None

    @property
    def is_set(self) -> bool:
        return self.urgent is not None or self.labels is not None

    def reject(self, member: str) -> None:
        """Raise `InvalidFields` about a member of the body beside which marks cannot be set."""
        if self.is_set:
            message = "Set urgent and labels of one message at a time: POST them to …/messages/ID"
            raise InvalidFields({member: {"maxItems": {"message": message}}})

    def change(self, message: Message) -> bool:
        """Return whether the message has other marks. Clients send back what they have read."""
        urgent, labels = (self.urgent, message.urgent), (self.labels, [*message.labels])
        return any(wanted not in (None, current) for wanted, current in (urgent, labels))


def parse_marks(body: Body) -> MessageMarks:
    """Return the marks of a request. Raises `InvalidFields`."""
    with report_violations():
        return MessageMarks.model_validate(body.data_or_empty)
